/** Schedules in words. */
import type { Schemas } from "../../api/client";

export type Schedule = Schemas["Schedule"];
export type Frequency = Schemas["Frequency"];

export const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

const two = (value: number) => String(value).padStart(2, "0");

/** When it is due, as one says it. */
export function words(schedule: Pick<Schedule, "frequency" | "hour" | "minute" | "day_of_week" | "day_of_month">) {
  const time = `${two(schedule.hour ?? 0)}:${two(schedule.minute)}`;
  switch (schedule.frequency) {
    case "hourly":
      return `every hour at :${two(schedule.minute)}`;
    case "daily":
      return `every day at ${time}`;
    case "weekly":
      return `every ${DAYS[schedule.day_of_week ?? 0] ?? "week"} at ${time}`;
    default:
      return `on day ${schedule.day_of_month ?? 1} of each month at ${time}`;
  }
}

/** Every zone the browser knows; the one it is in comes first. */
export function zones(): string[] {
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = "supportedValuesOf" in Intl ? Intl.supportedValuesOf("timeZone") : [];
  return [...new Set([own, "UTC", ...known].filter(Boolean))];
}

/** A time as the clocks of a zone show it. */
export function inZone(iso: string, timeZone: string): string {
  return new Date(iso).toLocaleString("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
}

export const KEEP: Record<Schemas["KeepReason"], string> = {
  newest_good: "newest good",
  newest_proven: "newest proven",
  pinned: "pinned",
  in_use: "in use",
  running: "being made",
  from_the_future: "from the future: check the clock",
  hourly: "of its hour",
  daily: "of its day",
  weekly: "of its week",
  monthly: "of its month",
  by_hand: "made by hand this week",
  no_policy: "no count is set",
  nothing_proven_since: "nothing better was proven since",
  postponed: "later: one run deletes half at most",
};

export const DELETE: Record<Schemas["DeleteReason"], string> = {
  retention_policy: "not needed by any count",
  storage_limit: "over the size limit",
  bad: "found bad, and a newer one is proven",
};
