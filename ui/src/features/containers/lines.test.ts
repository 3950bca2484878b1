import { describe, expect, it } from "vitest";
import {
  add,
  compareMoments,
  EMPTY_BUFFER,
  hasHole,
  level,
  MOST_LINES,
  marked,
  matcher,
  merged,
  places,
  plain,
  prettyJson,
  spans,
} from "./lines";
import { seriesOf, withSample } from "./stats";

const line = (at: string, text = at) => ({ at, stream: "stdout" as const, text });

describe("a hole after a break", () => {
  const line = (second: number) => ({ at: `2026-03-01T00:00:0${second}Z`, stream: "stdout" as const, text: "x" });
  const known = add(EMPTY_BUFFER, "a", [line(3)], true);

  it("may be there only where a full history begins after what is known", () => {
    expect(hasHole(known, "a", [line(4)], true)).toBe(true);
    expect(hasHole(known, "a", [line(4)], false)).toBe(false);
    expect(hasHole(known, "a", [line(3), line(4)], true)).toBe(false);
    expect(hasHole(known, "b", [line(4)], true)).toBe(false);
    expect(hasHole(known, "a", [], true)).toBe(false);
  });
});

describe("lines read at once", () => {
  it("are those of several containers in turn", () => {
    const line = (second: number, text: string) => ({
      at: `2026-03-01T00:00:0${second}Z`,
      stream: "stdout" as const,
      text,
    });
    const all = merged([
      { container: "a", lines: [line(1, "a1"), line(4, "a4")] },
      { container: "b", lines: [line(2, "b2"), line(4, "b4")] },
    ]);
    expect(all.map(({ text }) => text)).toEqual(["a1", "b2", "a4", "b4"]);
    expect(all.map(({ id }) => id)).toEqual([1, 2, 3, 4]);
  });
});

describe("lines that come", () => {
  it("are in the order of their moments, whatever container they are of", () => {
    let buffer = add(EMPTY_BUFFER, "a", [line("2026-01-01T00:00:01Z"), line("2026-01-01T00:00:03.5Z")], true);
    buffer = add(buffer, "b", [line("2026-01-01T00:00:02Z"), line("2026-01-01T00:00:03.49Z")], true);
    expect(buffer.lines.map((one) => one.container)).toEqual(["a", "b", "b", "a"]);
    expect(new Set(buffer.lines.map((one) => one.id)).size).toBe(4);
  });

  it("come once, though a stream that broke tells them again", () => {
    let buffer = add(EMPTY_BUFFER, "a", [line("2026-01-01T00:00:01Z"), line("2026-01-01T00:00:02Z")], true);
    buffer = add(buffer, "a", [line("2026-01-01T00:00:02Z"), line("2026-01-01T00:00:03Z")], true);
    expect(buffer.lines.map((one) => one.text)).toEqual([
      "2026-01-01T00:00:01Z",
      "2026-01-01T00:00:02Z",
      "2026-01-01T00:00:03Z",
    ]);
  });

  it("stay within ten thousand", () => {
    let buffer = EMPTY_BUFFER;
    for (let round = 0; round < 3; round++)
      buffer = add(
        buffer,
        "a",
        Array.from({ length: 5_000 }, (_, n) => line(`2026-01-01T00:00:0${round}.${String(n).padStart(9, "0")}Z`)),
        false,
      );
    expect(buffer.lines).toHaveLength(MOST_LINES);
    expect(buffer.gone).toBe(5_000);
  });

  it("knows moments with different numbers of digits", () => {
    expect(compareMoments("2026-01-01T00:00:01.5Z", "2026-01-01T00:00:01.500000000Z")).toBe(0);
    expect(compareMoments("2026-01-01T00:00:01Z", "2026-01-01T00:00:01.000000001Z")).toBe(-1);
  });
});

describe("colours", () => {
  it("become styles and never text", () => {
    const pieces = spans("a \u001b[1;31mred\u001b[0m \u001b[38;5;196mx\u001b[38;2;1;2;3my\u001b[39mz");
    expect(pieces.map((piece) => piece.text).join("")).toBe("a red xyz");
    expect(pieces[1]?.style).toMatchObject({ bold: true, color: "#ff8787" });
    expect(pieces.find((piece) => piece.text === "x")?.style.color).toBe("rgb(255,0,0)");
    expect(pieces.find((piece) => piece.text === "y")?.style.color).toBe("rgb(1,2,3)");
    expect(pieces.at(-1)?.style.color).toBeUndefined();
  });

  it("are left out of what is read", () => {
    expect(plain("\u001b[31mno\u001b[0m disk")).toBe("no disk");
  });
});

describe("search", () => {
  const found = (text: string, search: string, isRegex = false) => {
    const expression = matcher({ text: search, isRegex, isExact: false });
    if (expression === null || "error" in expression) throw new Error("not usable");
    return places(text, expression);
  };

  it("takes text as it stands and expressions as such", () => {
    expect(found("a.b [x] A.B [X]", "a.b [x]")).toEqual([
      [0, 7],
      [8, 15],
    ]);
    expect(found("took 123 ms, 7 ms", "\\d+ ms", true)).toEqual([
      [5, 11],
      [13, 17],
    ]);
    expect(matcher({ text: "(", isRegex: true, isExact: false })).toMatchObject({ error: expect.any(String) });
    expect(matcher({ text: "", isRegex: true, isExact: false })).toBeNull();
  });

  it("marks across colours", () => {
    const pieces = marked(spans("no \u001b[31mdi\u001b[0msk here"), [[3, 7]]);
    expect(pieces.map((piece) => [piece.text, piece.isFound])).toEqual([
      ["no ", false],
      ["di", true],
      ["sk", true],
      [" here", false],
    ]);
  });
});

describe("levels", () => {
  it("are guessed from the first word that says one", () => {
    expect(level("2026 ERROR no disk")).toBe("error");
    expect(level("[warn] slow")).toBe("warn");
    expect(level("INFO: 0 ERRORs so far, no ERROR")).toBe("info");
    expect(level('{"level":"error","message":"x"}')).toBe("error");
    expect(level('{"level":30,"msg":"pino"}')).toBe("info");
    expect(level("time=1 level=debug msg=x")).toBe("debug");
    expect(level("error: it broke")).toBe("error");
    expect(level("the mirror erred")).toBeNull();
  });
});

describe("JSON", () => {
  it("is written over several lines, with what stands before it", () => {
    expect(prettyJson('12:00 {"a":1}')).toBe('12:00 {\n  "a": 1\n}');
    expect(prettyJson("{not json}")).toBeNull();
    expect(prettyJson("plain")).toBeNull();
    expect(prettyJson("[1]")).toBe("[\n  1\n]");
  });
});

describe("use over time", () => {
  const usage = (id: string, rx: number) => ({
    id,
    name: id,
    cpu_percent: 1,
    cpus: 2,
    memory_bytes: 5,
    memory_limit_bytes: 10,
    network_rx_bytes: rx,
    network_tx_bytes: null,
    block_read_bytes: 0,
    block_write_bytes: 0,
    pids: 1,
  });

  it("turns counters into so much a second, and none where a counter began again", () => {
    const samples = [100, 300, 50, 150].map((rx, index) => ({ at: index * 2, items: [usage("a", rx)] }));
    const series = seriesOf(samples, "a");
    expect(series.rx).toEqual([null, 100, null, 50]);
    expect(series.tx).toEqual([null, null, null, null]);
    expect(series.memory).toEqual([5, 5, 5, 5]);
  });

  it("takes what is remembered once", () => {
    let stats = withSample({ samples: [], down: null }, { at: 1, items: [] });
    stats = withSample(stats, { at: 2, items: [] });
    stats = withSample(stats, { at: 1, items: [] });
    expect(stats.samples.map((sample) => sample.at)).toEqual([1, 2]);
  });
});
