import { describe, expect, it } from "vitest";
import type { Schemas } from "../../api/client";
import { FATES, FIT, fitted, layout, NODE, noteSizes, panned, seen, shortKind, summary, zoomed } from "./graph";
import { hunks, isLong, lineDiff, toLines, valueText } from "./lines";
import { defaultPair, fold, fromPlace, restorable, toPlace, unchangedIn, type Version, versionLabel } from "./versions";
import { changesText, restoreLabel, restoreRequest, WISHES } from "./wizard";

const version = (name: string, isUnchanged = false): Version => ({
  version: name,
  node_count: 2,
  is_unchanged: isUnchanged,
});

describe("versions", () => {
  const entries = fold([
    version("live", true),
    version("backup:9"),
    version("backup:8", true),
    version("backup:7", true),
    version("archive:1"),
    version("history:x"),
  ]);

  it("are folded while they do not change", () => {
    expect(entries.map((entry) => entry.map((one) => one.version))).toEqual([
      ["live", "backup:9"],
      ["backup:8", "backup:7", "archive:1"],
      ["history:x"],
    ]);
    expect(entries.map(unchangedIn)).toEqual(["unchanged in 1 backup", "unchanged in 2 backups and 1 archive", ""]);
    expect(fold([])).toEqual([]);
  });

  it("are compared from the newest backup that differs to what n8n has", () => {
    expect(defaultPair(entries)).toEqual({ from: "backup:8", to: "live" });
    expect(defaultPair(fold([version("live"), version("history:x"), version("backup:2")]))).toEqual({
      from: "backup:2",
      to: "live",
    });
    expect(defaultPair(fold([version("live", true), version("backup:1")]))).toEqual({ from: "backup:1", to: "live" });
    expect(defaultPair(fold([version("backup:1")]))).toEqual({ from: "backup:1", to: "backup:1" });
    expect(defaultPair([])).toBeUndefined();
  });

  it("come back unless n8n has them", () => {
    expect(entries.map((entry) => restorable(entry)?.version)).toEqual([undefined, "backup:8", "history:x"]);
  });

  it("have names and addresses", () => {
    expect(versionLabel("backup:12")).toBe("Backup 12");
    expect(versionLabel("history:a:b")).toBe("n8n's own history");
    expect(toPlace("archive:3")).toBe("archive-3");
    expect(toPlace("live")).toBeUndefined();
    expect(fromPlace("backup-12")).toBe("backup:12");
    expect(fromPlace("backup-x")).toBeUndefined();
  });
});

describe("the difference of texts", () => {
  const told = (old: string, fresh: string) =>
    lineDiff(toLines(old), toLines(fresh)).map(
      ({ kind, text }) => `${{ same: " ", added: "+", removed: "-" }[kind]}${text}`,
    );

  it("finds the longest common part", () => {
    expect(told("a\nb\nc\nd", "a\nc\nx\nd")).toEqual([" a", "-b", " c", "+x", " d"]);
    expect(told("a", "a")).toEqual([" a"]);
    expect(told("a\na", "a\na\na")).toEqual([" a", " a", "+a"]);
    expect(lineDiff([], ["a"])).toEqual([{ kind: "added", text: "a" }]);
    expect(lineDiff([], [])).toEqual([]);
  });

  it("gives back both texts, whatever they are", () => {
    let seed = 7;
    const random = (most: number) => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % most;
    };
    for (let round = 0; round < 200; round += 1) {
      const text = () => Array.from({ length: random(12) }, () => "abc"[random(3)] ?? "");
      const [old, fresh] = [text(), text()];
      const lines = lineDiff(old, fresh);
      expect(lines.filter(({ kind }) => kind !== "added").map((line) => line.text)).toEqual(old);
      expect(lines.filter(({ kind }) => kind !== "removed").map((line) => line.text)).toEqual(fresh);
    }
  });

  it("does not take for ever over long texts", () => {
    const many = (word: string) => Array.from({ length: 5_000 }, (_, at) => `${word} ${at}`);
    const lines = lineDiff(["same", ...many("old"), "end"], ["same", ...many("new"), "end"]);
    expect(lines).toHaveLength(10_002);
    expect(lines.at(-1)).toEqual({ kind: "same", text: "end" });
  });

  it("folds what is far from a change", () => {
    const lines = lineDiff(toLines("1\n2\n3\n4\n5\n6\n7"), toLines("1\n2\n3\n4\n5\n6\nx"));
    expect(hunks(lines, 2).map((hunk) => [hunk.isFolded, hunk.lines.length])).toEqual([
      [true, 4],
      [false, 4],
    ]);
  });

  it("shows values as people read them", () => {
    expect(valueText(null)).toBeUndefined();
    expect(valueText("a")).toBe("a");
    expect(valueText({ a: 1 })).toBe('{\n  "a": 1\n}');
    expect(isLong("a\nb")).toBe(true);
    expect(isLong("short")).toBe(false);
  });
});

const node = (name: string, fate: Schemas["Fate"], position: number[], more = {}): Schemas["NodeDiff"] => ({
  name,
  fate,
  position,
  kind: "n8n-nodes-base.set",
  is_disabled: false,
  is_moved: false,
  changes: [],
  ...more,
});
const line = (from: string, to: string, fate: Schemas["Fate"] = "same", kind = "main") => ({
  from,
  to,
  fate,
  kind,
  output: 0,
  input: 0,
});

describe("the drawing", () => {
  it("has everything in its box", () => {
    const { nodes, box } = layout({
      nodes: [node("A", "same", [-500, 40]), node("B", "added", [1400, 900])],
      connections: [],
    });
    for (const drawn of nodes) {
      expect(drawn.x).toBeGreaterThan(box.x);
      expect(drawn.y).toBeGreaterThan(box.y);
      expect(drawn.x + drawn.width).toBeLessThan(box.x + box.width);
      expect(drawn.y + drawn.height).toBeLessThan(box.y + box.height);
    }
  });

  it("does not blow up what is small, and survives what is empty", () => {
    const box = fitted([{ x: 100, y: 100, ...NODE }]);
    expect(box.width).toBeGreaterThan(NODE.width * 3);
    expect(box.x + box.width / 2).toBe(100 + NODE.width / 2);
    expect(fitted([]).width).toBeGreaterThan(0);
  });

  it("leads lines from right to left, and from parts upward", () => {
    const { lines } = layout({
      nodes: [node("A", "same", [0, 0]), node("B", "same", [300, 0]), node("Tool", "same", [300, 200])],
      connections: [line("A", "B"), line("Tool", "B", "added", "ai_tool"), line("A", "gone")],
    });
    expect(lines).toHaveLength(2);
    expect(lines[0]?.path.startsWith(`M ${NODE.width} ${NODE.height / 2} `)).toBe(true);
    expect(lines[0]?.path.endsWith(` 300 ${NODE.height / 2}`)).toBe(true);
    expect(lines[1]?.path.startsWith(`M ${300 + NODE.width / 2} 200 `)).toBe(true);
  });

  it("leads a line to the node that is, not to the one that went", () => {
    const nodes = [node("A", "same", [0, 0]), node("B", "removed", [300, 0]), node("B", "changed", [300, 400])];
    expect(layout({ nodes, connections: [line("A", "B", "added")] }).lines[0]?.path).toMatch(/ 433$/);
  });

  it("draws what went beside what came in its place", () => {
    const nodes = [node("Old", "removed", [0, 20]), node("New", "added", [0, 0]), node("Next", "same", [0, 90])];
    const [gone] = layout({ nodes, connections: [] }).nodes;
    expect(gone?.y).toBeGreaterThan(90 + NODE.height);
    expect(gone?.x).toBe(0);
  });

  it("tells fates by more than colour", () => {
    const symbols = Object.values(FATES).map((fate) => `${fate.symbol} ${fate.label}`);
    expect(new Set(symbols).size).toBe(4);
    expect(FATES.removed.dash).toBeTruthy();
    expect(FATES.added.dash).toBeUndefined();
    expect(
      summary({
        nodes: [
          node("A", "added", [0, 0]),
          node("B", "removed", [0, 0]),
          node("C", "same", [0, 0], { is_moved: true }),
        ],
        connections: [line("A", "C", "added")],
      }),
    ).toBe("3 nodes: 1 added (A), 1 removed (B), 1 the same, 1 moved. 1 connection, 1 of them added or removed.");
    expect(shortKind("@n8n/n8n-nodes-langchain.agent")).toBe("agent");
  });

  it("knows how large notes are", () => {
    const flow = { nodes: [{ name: "N", type: "n8n-nodes-base.stickyNote", parameters: { width: 400 } }] };
    expect(noteSizes(null, flow).get("N")).toEqual({ width: 400, height: 160 });
  });

  it("zooms about its middle and stays in sight", () => {
    const box = { x: 0, y: 0, width: 100, height: 50 };
    expect(seen(box, FIT)).toEqual(box);
    expect(seen(box, zoomed(FIT, 2))).toEqual({ x: 25, y: 12.5, width: 50, height: 25 });
    expect(zoomed(zoomed(FIT, 2), 0.1)).toEqual(FIT);
    expect(panned(box, FIT, 1_000, 0)).toEqual({ zoom: 1, x: 50, y: 0 });
  });
});

describe("the request of a restore", () => {
  it("says what was chosen and no more", () => {
    expect(restoreRequest("backup:1", ["a"], WISHES)).toEqual({
      source: "backup:1",
      workflow_ids: ["a"],
      on_conflict: "skip",
      with_credentials: false,
    });
    const all = { ...WISHES, withCredentials: true, sourceKey: "k", projectId: " p ", staticData: "clear" } as const;
    expect(restoreRequest("archive:2", ["a"], all, true)).toMatchObject({
      static_data: "clear",
      source_encryption_key: "k",
      project_id: "p",
      accept_newer: true,
    });
    // A key is nobody's business when no credential comes back.
    expect(restoreRequest("backup:1", ["a"], { ...WISHES, sourceKey: "k" })).not.toHaveProperty(
      "source_encryption_key",
    );
  });

  it("is told in words", () => {
    expect(restoreLabel(3)).toBe("Restore 3 workflows, inactive");
    expect(restoreLabel(1)).toBe("Restore 1 workflow, inactive");
    expect(
      changesText({ nodes_added: 1, nodes_removed: 2, nodes_changed: 0, connections_changed: 3, fields_changed: 0 }),
    ).toBe("1 node added, 2 nodes removed, 3 connections changed");
  });
});
