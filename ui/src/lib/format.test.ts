import { describe, expect, it } from "vitest";
import { ago, bytes, duration, moment } from "./format";

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

describe("moment", () => {
  const at = (text: string) => new Date(text).getTime() / 1000;
  it("names the day once, and seconds only where they tell times apart", () => {
    const noon = at("2026-11-21T12:00:00");
    expect(moment(noon, 60)).toBe("12:00\n21 Nov");
    expect(moment(noon + 60, 60, noon)).toBe("12:01");
    expect(moment(noon + 5, 5, noon)).toBe("12:00:05");
    const midnight = at("2026-11-22T00:00:00");
    expect(moment(midnight, 3600, midnight - 3600)).toBe("00:00\n22 Nov");
    expect(moment(midnight, 86_400, midnight - 86_400)).toBe("22 Nov");
  });
});
