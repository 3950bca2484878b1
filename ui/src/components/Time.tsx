import { ago, dateTime } from "../lib/format";

/** How long ago, with the exact time on hover and for screen readers. */
export function Time({ at }: { at: string | null | undefined }) {
  if (!at) return <span>never</span>;
  return (
    <time dateTime={at} title={dateTime(at)}>
      {ago(at)}
    </time>
  );
}
