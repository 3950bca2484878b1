/** Running work, as it happens: one stream of events for the whole page. */
import { useSyncExternalStore } from "react";
import { queryClient } from "./queries";
import { openStream } from "./stream";

export type BackupProgress = {
  id: number;
  backup_type: string;
  phase: "preflight" | "dumping" | "publishing";
  archive_bytes: number;
  stored_bytes: number;
  bytes_per_second: number;
  estimated_total_bytes: number | null;
  current_table: string | null;
  rows: number;
  tables_done: number;
  tables_total: number;
  elapsed_ms: number;
};

export type VerificationProgress = {
  id: number;
  backup_id: number;
  phase: "checksum" | "starting_server" | "restoring" | "counting" | "n8n_checks" | "done";
  bytes_done: number;
  bytes_total: number;
  elapsed_ms: number;
};

export type Live = {
  isConnected: boolean;
  backups: Record<number, BackupProgress>;
  verifications: Record<number, VerificationProgress>;
};

const EMPTY: Live = { isConnected: false, backups: {}, verifications: {} };

/** What a message changes. Pure, so that it can be tested without a stream. */
export function reduce(state: Live, name: string, data: unknown): Live {
  switch (name) {
    case "snapshot": {
      const { backups, verifications } = data as { backups: BackupProgress[]; verifications: VerificationProgress[] };
      return {
        isConnected: true,
        backups: Object.fromEntries(backups.map((b) => [b.id, b])),
        verifications: Object.fromEntries(verifications.map((v) => [v.id, v])),
      };
    }
    case "backup.progress": {
      const progress = data as BackupProgress;
      return { ...state, backups: { ...state.backups, [progress.id]: progress } };
    }
    case "verification.progress": {
      const progress = data as VerificationProgress;
      return { ...state, verifications: { ...state.verifications, [progress.id]: progress } };
    }
    case "backup.finished": {
      const { [(data as { id: number }).id]: _, ...backups } = state.backups;
      return { ...state, backups };
    }
    case "verification.finished": {
      const { [(data as { id: number }).id]: _, ...verifications } = state.verifications;
      return { ...state, verifications };
    }
    default:
      return state;
  }
}

const NAMES = ["snapshot", "backup.progress", "backup.finished", "verification.progress", "verification.finished"];
let state = EMPTY;
let close: (() => void) | undefined;
const listeners = new Set<() => void>();

function set(next: Live) {
  state = next;
  for (const listener of listeners) listener();
}

function refresh() {
  for (const key of ["backups", "backup", "verifications", "overview", "retention-preview", "schedules", "flows"])
    void queryClient.invalidateQueries({ queryKey: [key] });
}

function open() {
  const hear = (name: string) => (data: unknown) => {
    set(reduce(state, name, data));
    if (name.endsWith(".finished") || name === "snapshot") refresh();
  };
  const hearers = Object.fromEntries(NAMES.map((name) => [name, hear(name)]));
  close = openStream("/api/backups/events", hearers, () => set({ ...state, isConnected: false }));
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  if (!close) open();
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      close?.();
      close = undefined;
      state = EMPTY;
    }
  };
}

export function useLive(): Live {
  return useSyncExternalStore(subscribe, () => state);
}
