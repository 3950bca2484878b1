/** A stream of events that comes back, also after Flowkeep was restarted. */

const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;

type Hearers = Record<string, (data: never) => void>;

/**
 * Follows `url` until what it returns is called. The browser itself tries again after a break, but gives up for good after an
 * answer that is no stream: nginx's 502 while Flowkeep starts. `broken` is called at each break.
 */
export function openStream(url: string, hearers: Hearers, broken?: () => void): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST_RETRY_MS;
  const open = () => {
    const opened = new EventSource(url);
    source = opened;
    for (const [name, hear] of Object.entries(hearers)) {
      opened.addEventListener(name, (event) => hear(JSON.parse((event as MessageEvent<string>).data) as never));
    }
    opened.onopen = () => {
      wait = FIRST_RETRY_MS;
    };
    opened.onerror = () => {
      broken?.();
      if (opened.readyState !== EventSource.CLOSED) return;
      clearTimeout(retry);
      retry = setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_RETRY_MS);
    };
  };
  open();
  return () => {
    source?.close();
    clearTimeout(retry);
  };
}
