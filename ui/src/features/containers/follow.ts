/** Logs as they are written. */
import { useEffect, useRef, useState } from "react";
import { ApiError, api } from "../../api/client";
import { add, type Buffer, EMPTY_BUFFER, hasHole, type WireLine } from "./lines";

export type FollowState = {
  container: string;
  state: "connecting" | "following" | "stopped" | "gone" | "down";
  exit_code?: number | null;
  message?: string;
  remedy?: string;
};

export type Followed = {
  buffer: Buffer;
  states: Record<string, FollowState>;
  /** Lines that were missed because this page was too slow. */
  dropped: number;
  /** Breaks of this page's own connection after which lines may be missing. */
  holes: number;
  /** How many lines each history held, and whether it says itself that older ones were left out. */
  histories: Record<string, { lines: number; isCut: boolean }>;
  /** Why nothing can be followed; it is tried again. */
  error: string | null;
};

const NOTHING: Followed = { buffer: EMPTY_BUFFER, states: {}, dropped: 0, holes: 0, histories: {}, error: null };
/** What comes within this is shown at once. */
const SHOWN_EVERY_MS = 120;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;

/** Follows the logs of containers, from `since` on if it is given; what came stays until others are followed. */
export function useFollow(names: string[], tail: number, since: string | null): Followed {
  const [followed, setFollowed] = useState(NOTHING);
  const key = names.join(",");
  const pending = useRef<((now: Followed) => Followed)[]>([]);
  useEffect(() => {
    setFollowed(NOTHING);
    pending.current = [];
    let source: EventSource | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;
    let show: ReturnType<typeof setTimeout> | undefined;
    let wait = FIRST_RETRY_MS;
    let isOver = false;
    const change = (how: (now: Followed) => Followed) => {
      pending.current.push(how);
      show ??= setTimeout(() => {
        show = undefined;
        const changes = pending.current;
        pending.current = [];
        setFollowed((now) => changes.reduce((before, one) => one(before), now));
      }, SHOWN_EVERY_MS);
    };
    const on = <T>(name: string, how: (now: Followed, data: T) => Followed) =>
      source?.addEventListener(name, (event) => {
        const data = JSON.parse((event as MessageEvent<string>).data) as T;
        change((now) => how(now, data));
      });
    const open = () => {
      const query = new URLSearchParams({ names: key, tail: String(tail) });
      if (since !== null) query.set("since", since);
      source = new EventSource(`/api/containers/logs/follow?${query}`);
      source.onopen = () => {
        wait = FIRST_RETRY_MS;
        change((now) => ({ ...now, error: null }));
      };
      on<FollowState>("state", (now, data) => ({ ...now, states: { ...now.states, [data.container]: data } }));
      const lines = (isHistory: boolean) => (now: Followed, data: { container: string; lines: WireLine[] }) => ({
        ...now,
        buffer: add(now.buffer, data.container, data.lines, isHistory),
      });
      on<{ container: string; lines: WireLine[]; is_cut: boolean }>("history", (now, data) => ({
        ...lines(true)(now, data),
        holes:
          now.holes +
          (hasHole(now.buffer, data.container, data.lines, data.is_cut || data.lines.length >= tail) ? 1 : 0),
        histories: {
          ...now.histories,
          // After a break there is a second one, which tells nothing of the beginning.
          [data.container]: now.histories[data.container] ?? { lines: data.lines.length, isCut: data.is_cut },
        },
      }));
      on("lines", lines(false));
      on<{ lines: number }>("dropped", (now, data) => ({ ...now, dropped: now.dropped + data.lines }));
      source.onerror = () => {
        // The browser itself tries again after a break, but not after a refusal.
        if (source?.readyState !== EventSource.CLOSED) return;
        void reason(key.split(",")).then((error) => {
          if (!isOver) change((now) => ({ ...now, error }));
        });
        retry = setTimeout(open, wait);
        wait = Math.min(wait * 2, LONGEST_RETRY_MS);
      };
    };
    open();
    return () => {
      isOver = true;
      source?.close();
      clearTimeout(retry);
      clearTimeout(show);
    };
  }, [key, tail, since]);
  return followed;
}

/** A stream that is refused does not say why; the same question without a stream does. */
async function reason(names: string[]): Promise<string> {
  for (const name of names) {
    try {
      await api.get(`/api/containers/${encodeURIComponent(name)}/logs?tail=1`);
    } catch (error) {
      if (error instanceof ApiError) return names.length > 1 ? `${name}: ${error.message}` : error.message;
    }
  }
  return "The log cannot be followed now. It is tried again.";
}
