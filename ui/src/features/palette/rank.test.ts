import { describe, expect, it } from "vitest";
import { rank, type Searchable } from "./rank";
import { remember } from "./recent";

const entry = (id: string, label: string, more: Partial<Searchable> = {}): Searchable => ({ id, label, ...more });
const ids = (entries: Searchable[], text: string, recent: string[] = []) =>
  rank(entries, text, recent).map(({ entry: { id } }) => id);

describe("what is meant by a few letters", () => {
  it("a whole name comes before a beginning, a word's beginning, initials, a part, and letters left out", () => {
    const all = [
      entry("scattered", "Proven of"),
      entry("part", "Waterproof"),
      entry("word", "Every proof"),
      entry("begins", "Proof of the newest"),
      entry("whole", "Proof"),
    ];
    expect(ids(all, "proof")).toEqual(["whole", "begins", "word", "part", "scattered"]);
  });

  it("initials and left-out letters are found, and marked", () => {
    const all = [entry("now", "Back up now"), entry("level", "Compression level")];
    expect(rank(all, "bun", [])[0]).toMatchObject({ entry: { id: "now" }, marks: new Set([0, 5, 8]) });
    expect(ids(all, "comprlev")).toEqual(["level"]);
    expect(ids([entry("flows", "Workflows"), entry("other", "Know of it")], "wf")).toEqual(["flows"]);
  });

  it("letters far apart are nothing", () => {
    expect(ids([entry("far", "Send a message to everybody")], "smy")).toEqual([]);
  });

  it("every word must be found, in the name or elsewhere, in any order", () => {
    const all = [entry("s3", "Destinations", { words: "s3 bucket" }), entry("disk", "Second disk", { detail: "/mnt" })];
    expect(ids(all, "bucket dest")).toEqual(["s3"]);
    expect(ids(all, "dest nothing")).toEqual([]);
    expect(ids(all, "mnt")).toEqual(["disk"]);
  });

  it("neither case nor accents matter, and marks stay where the letters are", () => {
    const found = rank([entry("a", "Überfällige Aufträge")], "UBER auftrage", [])[0];
    expect(found?.marks).toEqual(new Set([0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 18, 19]));
  });

  it("what was used before wins between equals, but not over what fits better", () => {
    const all = [entry("a", "Order intake"), entry("b", "Order export"), entry("c", "Preorder list")];
    expect(ids(all, "order", ["b"])).toEqual(["b", "a", "c"]);
    expect(ids(all, "order", ["c"]).at(-1)).toBe("c");
  });

  it("a likelier one wins between equals", () => {
    expect(ids([entry("a", "Prove every"), entry("b", "Prove newest backup", { weight: 4 })], "prove")).toEqual([
      "b",
      "a",
    ]);
  });
});

it("what was chosen last stands first, once, and six stay", () => {
  expect(remember(["a", "b", "c"], "b")).toEqual(["b", "a", "c"]);
  expect(remember(["a", "b", "c", "d", "e", "f"], "g")).toEqual(["g", "a", "b", "c", "d", "e"]);
});
