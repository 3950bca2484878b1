import { describe, expect, it } from "vitest";
import { ago, bytes, duration } from "./format";

describe("bytes", () => {
  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.00 kB"],
    [90_197, "90.2 kB"],
    [999_600, "1.00 MB"],
    [203_200_000, "203 MB"],
    [null, "–"],
  ])("%s is %s", (value, text) => expect(bytes(value)).toBe(text));
});

describe("duration", () => {
  it.each([
    [523, "523 ms"],
    [1508, "1.5 s"],
    [41_000, "41 s"],
    [125_000, "2 min 5 s"],
    [7_260_000, "2 h 1 min"],
    [undefined, "–"],
  ])("%s ms is %s", (value, text) => expect(duration(value)).toBe(text));
});

describe("ago", () => {
  const now = new Date("2026-11-21T12:00:00Z").getTime();
  it.each([
    ["2026-11-21T11:59:40Z", "just now"],
    ["2026-11-21T11:00:00Z", "1 hour ago"],
    ["2026-11-20T12:00:00Z", "yesterday"],
    [null, "never"],
  ])("%s is %s", (at, text) => expect(ago(at, now)).toBe(text));
});
