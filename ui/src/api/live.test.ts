import { describe, expect, it } from "vitest";
import { type BackupProgress, type Live, reduce } from "./live";

const empty: Live = { isConnected: false, backups: {}, verifications: {} };
const progress = (id: number) => ({ id, phase: "dumping" }) as BackupProgress;

describe("the live store", () => {
  it("begins with what runs", () => {
    const state = reduce(empty, "snapshot", { backups: [progress(3)], verifications: [] });
    expect(state.isConnected).toBe(true);
    expect(Object.keys(state.backups)).toEqual(["3"]);
  });

  it("follows a backup to its end", () => {
    let state = reduce(empty, "backup.progress", progress(4));
    expect(state.backups[4]?.phase).toBe("dumping");
    state = reduce(state, "backup.finished", { id: 4, status: "success" });
    expect(state.backups).toEqual({});
  });

  it("forgets what ended while the stream was broken", () => {
    const before = reduce(empty, "backup.progress", progress(5));
    expect(reduce(before, "snapshot", { backups: [], verifications: [] }).backups).toEqual({});
  });

  it("ignores what it does not know", () => {
    expect(reduce(empty, "weather.changed", {})).toBe(empty);
  });
});
