import { describe, expect, it } from "vitest";
import { inZone, words, zones } from "./when";

describe("schedules in words", () => {
  it.each([
    [{ frequency: "hourly", hour: null, minute: 5 }, "every hour at :05"],
    [{ frequency: "daily", hour: 2, minute: 30 }, "every day at 02:30"],
    [{ frequency: "weekly", hour: 3, minute: 0, day_of_week: 0 }, "every Monday at 03:00"],
    [{ frequency: "weekly", hour: 3, minute: 0, day_of_week: 6 }, "every Sunday at 03:00"],
    [{ frequency: "monthly", hour: 0, minute: 0, day_of_month: 28 }, "on day 28 of each month at 00:00"],
  ])("%o", (schedule, expected) => {
    expect(words(schedule as never)).toBe(expected);
  });

  it("knows zones and shows their clocks", () => {
    expect(zones()).toContain("UTC");
    expect(inZone("2026-03-02T01:30:00Z", "Europe/Berlin")).toContain("02:30");
  });
});
