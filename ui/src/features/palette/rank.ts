/** Which entries somebody means by a few letters, best first. Pure. */

export type Searchable = {
  id: string;
  label: string;
  detail?: string;
  words?: string;
  /** How much likelier it is meant than another that fits as well; a few points of the hundred. */
  weight?: number;
};
export type Ranked<E> = { entry: E; score: number; marks: ReadonlySet<number> };

const ACCENTS = /\p{M}/gu;

/** Character by character, so that positions stay those of the text. */
function fold(text: string): string[] {
  const isPlain = /^[\x20-\x7e]*$/.test(text);
  return isPlain
    ? [...text.toLowerCase()]
    : [...text].map((one) => one.normalize("NFD").replace(ACCENTS, "").toLowerCase() || one);
}

type Folded = { label: string[]; starts: number[]; rest: string };
const folded = new WeakMap<Searchable, Folded>();

function foldedOf(entry: Searchable): Folded {
  const known = folded.get(entry);
  if (known) return known;
  const label = fold(entry.label);
  const isLetter = (one: string | undefined) => one !== undefined && /[\p{L}\p{N}]/u.test(one);
  const starts = label.flatMap((one, at) => (isLetter(one) && !isLetter(label[at - 1]) ? [at] : []));
  const fresh = { label, starts, rest: ` ${fold(`${entry.words ?? ""} ${entry.detail ?? ""}`).join("")}` };
  folded.set(entry, fresh);
  return fresh;
}

const range = (from: number, length: number) => Array.from({ length }, (_, at) => from + at);
const isAt = (text: string[], token: string[], at: number) => token.every((one, i) => text[at + i] === one);

type Found = { score: number; at: number[] };

function inLabel({ label, starts }: Folded, token: string[]): Found | undefined {
  if (isAt(label, token, 0)) return { score: token.length === label.length ? 100 : 90, at: range(0, token.length) };
  const word = starts.find((at) => isAt(label, token, at));
  if (word !== undefined) return { score: 75, at: range(word, token.length) };
  // The first letters of words that follow each other.
  if (token.length > 1) {
    const first = starts.findIndex((_, from) => token.every((one, i) => label[starts[from + i] ?? -1] === one));
    if (first >= 0) return { score: 60, at: starts.slice(first, first + token.length) };
  }
  const inside = label.findIndex((_, at) => isAt(label, token, at));
  if (inside >= 0) return { score: 50, at: range(inside, token.length) };
  return undefined;
}

/** Letters were left out or the space between words was: each in its order, beginning where a word does, not far apart. */
function scattered({ label, starts }: Folded, token: string[]): Found | undefined {
  // Two letters are too few to stand just anywhere.
  for (const start of token.length < 3 ? [0] : starts) {
    const at: number[] = [];
    for (let from = start; at.length < token.length && from < label.length; from += 1) {
      if (label[from] === token[at.length]) at.push(from);
      else if (from === start) break;
    }
    const span = (at.at(-1) ?? 0) - start + 1;
    if (at.length === token.length && span <= token.length * 2 + 1) {
      return { score: 30 - (span - token.length), at };
    }
  }
  return undefined;
}

function find(folded: Folded, token: string[]): Found | undefined {
  const direct = inLabel(folded, token);
  if (direct) return direct;
  const text = token.join("");
  if (folded.rest.includes(` ${text}`)) return { score: 40, at: [] };
  if (text.length > 1 && folded.rest.includes(text)) return { score: 22, at: [] };
  return scattered(folded, token);
}

/** Every word must be found. Used before counts for a little, a short name too; equals stay in their order. */
export function rank<E extends Searchable>(
  entries: readonly E[],
  text: string,
  recent: readonly string[],
): Ranked<E>[] {
  const tokens = text.split(/\s+/).filter(Boolean).map(fold);
  const ranked: Ranked<E>[] = [];
  for (const entry of entries) {
    const all = foldedOf(entry);
    const marks = new Set<number>();
    let score = 0;
    for (const token of tokens) {
      const found = find(all, token);
      if (!found) {
        score = -1;
        break;
      }
      score += found.score / tokens.length;
      for (const at of found.at) marks.add(at);
    }
    if (score < 0) continue;
    const used = recent.indexOf(entry.id);
    const bonus = (used < 0 ? 0 : 10 - used) + (entry.weight ?? 0) - Math.min(all.label.length, 60) / 20;
    ranked.push({ entry, score: score + bonus, marks });
  }
  return ranked.sort((a, b) => b.score - a.score);
}
