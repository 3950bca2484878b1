/** Numbers and times for people. */

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  let size = value;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits)} ${UNITS[unit]}`;
}

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-US");
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

export function ago(iso: string | null | undefined, now: number = Date.now()): string {
  if (!iso) return "never";
  const seconds = (new Date(iso).getTime() - now) / 1000;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return "just now";
}

export function dateTime(iso: string | null | undefined): string {
  return iso ? new Date(iso).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "–";
}

/** A time on an axis, in seconds since 1970, `step` seconds after the one before it: the day where a new one begins. */
export function moment(at: number, step: number, before?: number): string {
  const date = new Date(at * 1000);
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  if (step >= 86_400) return day;
  const time = date.toLocaleTimeString("en-GB", { timeStyle: step < 60 ? "medium" : "short" });
  const isSameDay = before !== undefined && new Date(before * 1000).toDateString() === date.toDateString();
  return isSameDay ? time : `${time}\n${day}`;
}

export const BACKUP_TYPES: Record<string, string> = {
  postgres_n8n: "n8n database",
  flows: "n8n workflows",
  n8n_config: "n8n configuration",
  postgres_full: "whole server",
  postgres_mgmt: "Flowkeep database",
};

export function backupType(name: string): string {
  return BACKUP_TYPES[name] ?? name;
}
