import { expect, test } from "vitest";
import { dayInWords, forecastInWords } from "./TimelineCard";

const day = { date: "2026-03-01", kept_bytes: 0, made: 0, proven: 0, failed: 0, made_bytes: 0 };

test("a day says what it made and what failed", () => {
  expect(dayInWords(day)).toBe("2026-03-01: no backup");
  expect(dayInWords({ ...day, made: 2, proven: 1, made_bytes: 2_000_000, failed: 1 })).toMatch(
    /^2026-03-01: 2 good, 1 proven, 2.* MB; 1 failed$/,
  );
});

test("the forecast says when the disk is full, or that nobody can tell", () => {
  const growth = { days: [], free_bytes: 1_000_000_000, bytes_per_day: null, days_until_full: null };
  expect(forecastInWords(growth)).toMatch(/too little yet/);
  expect(forecastInWords({ ...growth, bytes_per_day: -5 })).toMatch(/does not grow/);
  expect(forecastInWords({ ...growth, bytes_per_day: 10_000_000, days_until_full: 100 })).toMatch(/full in 100 days/);
});
