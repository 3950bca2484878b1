/** What containers use, as it is measured: one stream for the whole page, open only while something shows it. */
import { useSyncExternalStore } from "react";
import { openStream } from "../../api/stream";
import type { Usage } from "./queries";

export type Sample = { at: number; items: Usage[] };
export type Stats = { samples: Sample[]; down: { message: string; remedy: string } | null };

const NOTHING: Stats = { samples: [], down: null };
/** Ten minutes. */
const MOST_SAMPLES = 300;

let stats = NOTHING;
let close: (() => void) | undefined;
const listeners = new Set<() => void>();

function set(next: Stats) {
  stats = next;
  for (const listener of listeners) listener();
}

/** Adds a measurement; those that were remembered come again after a break. */
export function withSample(now: Stats, sample: Sample): Stats {
  const last = now.samples.at(-1);
  if (last && last.at >= sample.at) return { ...now, down: null };
  return { samples: [...now.samples, sample].slice(-MOST_SAMPLES), down: null };
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  close ??= openStream("/api/containers/stats/live", {
    stats: ({ at, items }: { at: string; items: Usage[] }) =>
      set(withSample(stats, { at: new Date(at).getTime() / 1000, items })),
    down: (down: Stats["down"]) => set({ ...stats, down }),
  });
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      close?.();
      close = undefined;
      stats = NOTHING;
    }
  };
}

export function useStats(): Stats {
  return useSyncExternalStore(subscribe, () => stats);
}

/** One container's numbers over time; counters as so much a second. */
export function seriesOf(samples: Sample[], id: string) {
  const own = samples.map((sample) => ({ at: sample.at, usage: sample.items.find((item) => item.id === id) }));
  const value = (read: (usage: Usage) => number | null | undefined) =>
    own.map(({ usage }) => (usage ? (read(usage) ?? null) : null));
  const rate = (read: (usage: Usage) => number | null | undefined) =>
    own.map(({ at, usage }, index) => {
      const before = own[index - 1];
      const now = usage ? read(usage) : null;
      const then = before?.usage ? read(before.usage) : null;
      if (!before || now == null || then == null || now < then || at <= before.at) return null;
      return (now - then) / (at - before.at);
    });
  return {
    times: own.map(({ at }) => at),
    cpu: value((usage) => usage.cpu_percent),
    memory: value((usage) => usage.memory_bytes),
    rx: rate((usage) => usage.network_rx_bytes),
    tx: rate((usage) => usage.network_tx_bytes),
    read: rate((usage) => usage.block_read_bytes),
    write: rate((usage) => usage.block_write_bytes),
  };
}
