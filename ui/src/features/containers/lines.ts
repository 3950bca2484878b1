/** Lines of logs: merged, coloured, guessed at and searched. Pure. */

export type WireLine = { at: string | null; stream: "stdout" | "stderr"; text: string; cut_bytes?: number };
export type Line = WireLine & { id: number; container: string };

/** Lines that are kept; older ones go. */
export const MOST_LINES = 10_000;

const ESC = "\u001b";

// ---------------------------------------------------------------- merging

export type Buffer = { lines: Line[]; nextId: number; newest: Record<string, string>; gone: number };

export const EMPTY_BUFFER: Buffer = { lines: [], nextId: 1, newest: {}, gone: 0 };

function order(a: Line, b: Line): number {
  // RFC 3339 in UTC; the engine writes fewer digits when the last are zeros.
  const left = a.at ?? "";
  const right = b.at ?? "";
  if (left === right) return a.id - b.id;
  return compareMoments(left, right);
}

export function compareMoments(left: string, right: string): number {
  const [wholeLeft = "", fractionLeft = ""] = left.replace("Z", "").split(".");
  const [wholeRight = "", fractionRight = ""] = right.replace("Z", "").split(".");
  if (wholeLeft !== wholeRight) return wholeLeft < wholeRight ? -1 : 1;
  const a = fractionLeft.padEnd(9, "0");
  const b = fractionRight.padEnd(9, "0");
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Adds lines that came. A history after a break brings only what is not there yet. */
export function add(buffer: Buffer, container: string, came: WireLine[], isHistory: boolean): Buffer {
  const newest = buffer.newest[container];
  const fresh =
    isHistory && newest ? came.filter((line) => line.at !== null && compareMoments(line.at, newest) > 0) : came;
  if (fresh.length === 0) return buffer;
  let id = buffer.nextId;
  const own = fresh.map((line) => ({ ...line, container, id: id++ }));
  const last = own.at(-1)?.at ?? newest;
  const lines = buffer.lines.concat(own);
  const before = buffer.lines.at(-1);
  const first = own[0];
  // Those of several containers come in turns; of one they are in order already.
  if (before && first && before.container !== container && order(before, first) > 0) lines.sort(order);
  const surplus = Math.max(0, lines.length - MOST_LINES);
  return {
    lines: surplus > 0 ? lines.slice(surplus) : lines,
    nextId: id,
    newest: last ? { ...buffer.newest, [container]: last } : buffer.newest,
    gone: buffer.gone + surplus,
  };
}

/**
 * Whether lines may be missing before a history that came after a break: it holds all that it may and begins after the newest line
 * that is known.
 */
export function hasHole(buffer: Buffer, container: string, came: WireLine[], isFull: boolean): boolean {
  const newest = buffer.newest[container];
  const first = came[0]?.at;
  return isFull && newest !== undefined && first != null && compareMoments(first, newest) > 0;
}

/** Lines that were read at once, those of several containers in turn. */
export function merged(all: { container: string; lines: WireLine[] }[]): Line[] {
  let id = 1;
  const lines = all.flatMap(({ container, lines }) => lines.map((line) => ({ ...line, container, id: id++ })));
  return lines.sort(order).map((line, index) => ({ ...line, id: index + 1 }));
}

// ---------------------------------------------------------------- colours

export type Style = {
  color?: string;
  background?: string;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
};
export type Span = { text: string; style: Style };

const BASIC = ["#868e96", "#ff8787", "#69db7c", "#ffd43b", "#74c0fc", "#e599f7", "#66d9e8", "#dee2e6"];
const BRIGHT = ["#adb5bd", "#ffa8a8", "#8ce99a", "#ffe066", "#a5d8ff", "#eebefa", "#99e9f2", "#ffffff"];

function indexed(index: number): string | undefined {
  if (index < 8) return BASIC[index];
  if (index < 16) return BRIGHT[index - 8];
  if (index > 255) return undefined;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey},${grey},${grey})`;
  }
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return `rgb(${level(Math.floor(cube / 36))},${level(Math.floor(cube / 6) % 6)},${level(cube % 6)})`;
}

function extended(codes: number[], at: number): [string | undefined, number] {
  if (codes[at + 1] === 5) return [indexed(codes[at + 2] ?? 0), 2];
  if (codes[at + 1] === 2) {
    const [red = 0, green = 0, blue = 0] = codes.slice(at + 2, at + 5).map((code) => Math.min(code, 255));
    return [`rgb(${red},${green},${blue})`, 4];
  }
  return [undefined, 0];
}

function apply(style: Style, codes: number[]): Style {
  let next = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at] ?? 0;
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 22) next = { ...next, bold: undefined, dim: undefined };
    else if (code === 23) next.italic = undefined;
    else if (code === 24) next.underline = undefined;
    else if (code >= 30 && code <= 37) next.color = BASIC[code - 30];
    else if (code >= 90 && code <= 97) next.color = BRIGHT[code - 90];
    else if (code === 39) next.color = undefined;
    else if (code >= 40 && code <= 47) next.background = `${BASIC[code - 40]}55`;
    else if (code >= 100 && code <= 107) next.background = `${BRIGHT[code - 100]}55`;
    else if (code === 49) next.background = undefined;
    else if (code === 38 || code === 48) {
      const [color, used] = extended(codes, at);
      if (code === 38) next.color = color;
      else next.background = color;
      at += used;
    }
  }
  return next;
}

/** Text with colours as pieces with styles. */
export function spans(text: string): Span[] {
  if (!text.includes(ESC)) return [{ text, style: {} }];
  const pieces: Span[] = [];
  let style: Style = {};
  text.split(ESC).forEach((part, index) => {
    if (index === 0) {
      if (part) pieces.push({ text: part, style });
      return;
    }
    const end = part.indexOf("m");
    // The server lets nothing but colours through.
    if (part[0] !== "[" || end < 0) return;
    style = apply(
      style,
      part
        .slice(1, end)
        .split(/[;:]/)
        .map((code) => Number(code) || 0),
    );
    const rest = part.slice(end + 1);
    if (rest) pieces.push({ text: rest, style });
  });
  return pieces;
}

/** The text as it is read. */
export function plain(text: string): string {
  return spans(text)
    .map((span) => span.text)
    .join("");
}

// ---------------------------------------------------------------- search

export type Search = { text: string; isRegex: boolean; isExact: boolean };

/** A search as an expression, or why it is none. */
export function matcher(search: Search): RegExp | null | { error: string } {
  if (search.text === "") return null;
  const source = search.isRegex ? search.text : search.text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  try {
    return new RegExp(source, search.isExact ? "gu" : "giu");
  } catch (error) {
    return { error: error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : "not valid" };
  }
}

/** Where it is found; at most a hundred places in a line. */
export function places(text: string, expression: RegExp | null): [number, number][] {
  if (!expression) return [];
  const found: [number, number][] = [];
  for (const match of text.matchAll(expression)) {
    if (match[0].length > 0) found.push([match.index, match.index + match[0].length]);
    if (found.length === 100) break;
  }
  return found;
}

export type Piece = Span & { isFound: boolean };

/** Pieces cut again where something was found. */
export function marked(pieces: Span[], found: [number, number][]): Piece[] {
  if (found.length === 0) return pieces.map((piece) => ({ ...piece, isFound: false }));
  const out: Piece[] = [];
  let at = 0;
  for (const { text, style } of pieces) {
    const end = at + text.length;
    let from = at;
    for (const [begin, finish] of found) {
      const left = Math.max(begin, from);
      const right = Math.min(finish, end);
      if (right <= left) continue;
      if (left > from) out.push({ text: text.slice(from - at, left - at), style, isFound: false });
      out.push({ text: text.slice(left - at, right - at), style, isFound: true });
      from = right;
    }
    if (from < end) out.push({ text: text.slice(from - at), style, isFound: false });
    at = end;
  }
  return out;
}

// ---------------------------------------------------------------- levels and JSON

export type Level = "error" | "warn" | "info" | "debug" | null;

const LEVELS: [Level, RegExp][] = [
  [
    "error",
    /\b(FATAL|CRITICAL|CRIT|PANIC|SEVERE|ERROR|ERR|EMERG|ALERT)\b|\b(error|fatal|panic)\b\s*[:\]]|level=(error|fatal|panic)|"level":"?(error|fatal|critical|[56]0)\b/,
  ],
  ["warn", /\b(WARN|WARNING)\b|\b(warn|warning)\b\s*[:\]|]|level=warn|"level":"?(warn|warning|40)\b/],
  [
    "debug",
    /\b(DEBUG|TRACE|VERBOSE)\b|\b(debug|trace|verbose)\b\s*[:\]|]|level=(debug|trace)|"level":"?(debug|trace|silly|[12]0)\b/,
  ],
  ["info", /\b(INFO|NOTICE|LOG)\b|\b(info|notice)\b\s*[:\]|]|level=info|"level":"?(info|notice|30)\b/],
];

/** How bad a line is, guessed from its first words. */
export function level(text: string): Level {
  const head = text.slice(0, 300);
  let best: Level = null;
  let where = Number.POSITIVE_INFINITY;
  for (const [name, expression] of LEVELS) {
    const at = head.search(expression);
    // The first word counts: "INFO: no ERROR so far" is information.
    if (at >= 0 && at < where) {
      best = name;
      where = at;
    }
  }
  return best;
}

/** A line that is JSON, written over several lines. */
export function prettyJson(text: string): string | null {
  const from = text.search(/[[{]/);
  if (from < 0 || from > 200) return null;
  try {
    const value: unknown = JSON.parse(text.slice(from));
    if (typeof value !== "object" || value === null) return null;
    return text.slice(0, from) + JSON.stringify(value, null, 2);
  } catch {
    return null;
  }
}
