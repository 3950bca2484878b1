/** What differs between two texts, line by line. Pure. */

export type Line = { kind: "same" | "added" | "removed"; text: string };
/** A run of lines; those that are alike and far from a change are folded. */
export type Hunk = { isFolded: boolean; lines: Line[] };

/** Above this many pairs of lines the middle is told as replaced as a whole. */
const MOST_PAIRS = 1_000_000;

/** The longest common subsequence, after the ends that are alike were taken off. */
export function lineDiff(old: string[], fresh: string[]): Line[] {
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start += 1;
  let end = 0;
  while (
    end < old.length - start &&
    end < fresh.length - start &&
    old[old.length - 1 - end] === fresh[fresh.length - 1 - end]
  )
    end += 1;
  const as = (kind: Line["kind"]) => (text: string) => ({ kind, text });
  return [
    ...old.slice(0, start).map(as("same")),
    ...middle(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end)),
    ...old.slice(old.length - end).map(as("same")),
  ];
}

function middle(old: string[], fresh: string[]): Line[] {
  const removed = old.map((text): Line => ({ kind: "removed", text }));
  const added = fresh.map((text): Line => ({ kind: "added", text }));
  if (old.length * fresh.length > MOST_PAIRS || old.length === 0 || fresh.length === 0) return [...removed, ...added];
  const width = fresh.length + 1;
  // How long the longest common part is of what follows a pair of lines.
  const lengths = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = fresh.length - 1; j >= 0; j -= 1)
      lengths[i * width + j] = old[i] === fresh[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: Line[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push({ kind: "same", text: old[i] ?? "" });
      i += 1;
      j += 1;
    } else if (j >= fresh.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      lines.push({ kind: "removed", text: old[i] ?? "" });
      i += 1;
    } else {
      lines.push({ kind: "added", text: fresh[j] ?? "" });
      j += 1;
    }
  }
  return lines;
}

/** Folds long runs that are alike, but for some lines beside each change. */
export function hunks(lines: Line[], around = 3): Hunk[] {
  const near = new Set<number>();
  lines.forEach((line, at) => {
    if (line.kind === "same") return;
    for (let beside = at - around; beside <= at + around; beside += 1) near.add(beside);
  });
  const found: Hunk[] = [];
  lines.forEach((line, at) => {
    const isFolded = !near.has(at);
    const last = found.at(-1);
    if (last && last.isFolded === isFolded) last.lines.push(line);
    else found.push({ isFolded, lines: [line] });
  });
  // To fold a single line saves nothing.
  return found.map((hunk) => (hunk.isFolded && hunk.lines.length < 2 ? { ...hunk, isFolded: false } : hunk));
}

/** A value as text for people; nothing for null. */
export function valueText(value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

/** Whether a change is better read line by line than side by side. */
export function isLong(text: string | undefined): boolean {
  return text !== undefined && (text.includes("\n") || text.length > 160);
}

export function toLines(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(/\r?\n/);
}
