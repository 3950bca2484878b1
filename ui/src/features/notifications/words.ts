/** Rules and events in plain words. Pure. */
import type { Schemas } from "../../api/client";
import type { EventType, Rule, Severity } from "./queries";

export type Conditions = Partial<Schemas["Conditions"]>;
export type RuleDraft = Omit<Schemas["NotificationRuleRequest"], "conditions" | "priority" | "cooldown_minutes"> & {
  conditions: Conditions;
  priority: string;
  cooldown_minutes: number;
};
type Told = Pick<RuleDraft, "event_type" | "service_id" | "priority" | "cooldown_minutes"> & {
  conditions: Conditions;
  event_pattern?: string | null;
  custom_title?: string | null;
  custom_message?: string | null;
};

export const SEVERITIES: Severity[] = ["info", "warning", "error", "critical"];
export const PRIORITIES = ["low", "normal", "high", "critical"] as const;

export const SEVERITY_COLORS: Record<string, string> = {
  info: "gray",
  warning: "orange",
  error: "red",
  critical: "red",
};

export const OPERATORS: Record<Schemas["Operator"], string> = {
  eq: "is",
  ne: "is not",
  gt: "is more than",
  gte: "is at least",
  lt: "is less than",
  lte: "is at most",
  contains: "has in it",
  exists: "is there",
  missing: "is not there",
};

export const COOLDOWN_FOR: Record<Schemas["CooldownFor"], string> = {
  subject: "each thing",
  event_type: "each kind of event",
  rule: "the whole rule",
};

const GROUPS: Record<string, string> = {
  backup: "Backups",
  verification: "Proofs",
  container: "Containers",
  system: "The machine",
  security: "Signing in",
  management: "Flowkeep itself",
  workflow: "Runs of workflows",
  n8n: "n8n itself",
  flow: "Workflows",
};

export const groupOf = (eventType: string) => eventType.split(".")[0] ?? eventType;

export function groupName(group: string): string {
  return GROUPS[group] ?? group.charAt(0).toUpperCase() + group.slice(1);
}

/** What a type, a group as in `backup.*`, or `*` is called. */
export function eventName(eventType: string, types: EventType[]): string {
  if (eventType === "*") return "Everything";
  if (eventType.endsWith(".*")) return `${groupName(groupOf(eventType))}: everything`;
  return types.find((type) => type.name === eventType)?.label ?? eventType;
}

function orWorse(severity: Severity): string {
  return severity === "critical" ? "critical only" : `${severity} or worse`;
}

/** `90` is "90 minutes", `60` "1 hour". */
export function minutes(value: number): string {
  const unit = (count: number, name: string) => `${count} ${name}${count === 1 ? "" : "s"}`;
  if (value > 0 && value % 1440 === 0) return unit(value / 1440, "day");
  if (value > 0 && value % 60 === 0) return unit(value / 60, "hour");
  return unit(value, "minute");
}

export function seconds(value: number): string {
  return value % 60 === 0 ? minutes(value / 60) : `${value} second${value === 1 ? "" : "s"}`;
}

/** "an hour", "30 minutes": as it follows "once in". */
const once = (value: number) =>
  value === 60 ? "an hour" : value === 1440 ? "a day" : value === 1 ? "a minute" : `in ${minutes(value)}`;

const SHORT = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/** Days of the week, with runs of three and more as "Mon–Fri". */
export function days(numbers: number[]): string {
  const sorted = [...new Set(numbers)].sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.length === 7) return "";
  const runs: number[][] = [];
  for (const day of sorted) {
    const run = runs.at(-1);
    if (run && run.at(-1) === day - 1) run.push(day);
    else runs.push([day]);
  }
  const name = (day: number | undefined) => SHORT[day ?? 0] ?? "";
  return runs.flatMap((run) => (run.length > 2 ? [`${name(run[0])}–${name(run.at(-1))}`] : run.map(name))).join(", ");
}

/** "22:00–07:00 Berlin, Mon–Fri". */
export function range(span: Partial<Schemas["TimeRange"]>): string {
  const zone = (span.timezone ?? "UTC").split("/").at(-1)?.replaceAll("_", " ") ?? "";
  const on = days(span.days ?? []);
  const time = span.from === span.to ? "all day" : `${span.from}–${span.to}`;
  return `${time} ${zone}${on ? `, ${on}` : ""}`;
}

function condition({ field, op, value }: Schemas["DataCondition"]): string {
  const words = OPERATORS[op];
  return op === "exists" || op === "missing" ? `${field} ${words}` : `${field} ${words} ${value ?? "nothing"}`;
}

/** A whole rule in one sentence: what, to whom, and how often. */
export function ruleWords(rule: Told | Rule, types: EventType[], services: { id: number; name: string }[]): string {
  const conditions: Conditions = rule.conditions ?? {};
  const service = (id: number) => services.find((one) => one.id === id)?.name ?? "a service that is gone";
  const least = conditions.severity_threshold === "info" ? null : conditions.severity_threshold;
  const isPart = least && rule.event_type.endsWith(".*");
  const what = [isPart ? groupName(groupOf(rule.event_type)) : eventName(rule.event_type, types)];
  if (least) what.push(orWorse(least));
  if (conditions.data?.length) what.push(`if ${conditions.data.map(condition).join(" and ")}`);
  if (rule.event_pattern) what.push(`if it matches /${rule.event_pattern}/`);
  if (conditions.time_range) what.push(`only ${range(conditions.time_range)}`);

  const how: string[] = [];
  if (rule.priority !== "normal") how.push(`${rule.priority} priority`);
  if (rule.cooldown_minutes > 0) {
    how.push(`at most once ${once(rule.cooldown_minutes)} for ${COOLDOWN_FOR[conditions.cooldown_for ?? "subject"]}`);
  }
  if (conditions.batch) {
    const by = conditions.batch.by ?? "event_type";
    how.push(`gathered for ${seconds(conditions.batch.window_seconds)} by ${COOLDOWN_FOR[by].replace("each ", "")}`);
  }
  if (conditions.quiet_hours) {
    const except = conditions.quiet_except;
    const but = except ? ` unless ${except === "critical" ? "critical" : orWorse(except)}` : "";
    how.push(`quiet ${range(conditions.quiet_hours)}${but}, then a digest`);
  }
  const most = conditions.max_per_minute;
  if (most === 0) how.push("however many there are");
  else if (typeof most === "number") how.push(`at most ${most} a minute`);
  for (const [at, step] of (conditions.escalation ?? []).entries()) {
    const after = `${at === 0 ? "after" : "then after"} ${minutes(step.after_minutes)}`;
    how.push(`${after}${at === 0 ? " without an answer" : " more"} → ${service(step.service_id)}`);
  }
  if (rule.custom_title || rule.custom_message) how.push("in its own words");
  return [`${what.join(", ")} → ${service(rule.service_id)}`, ...how].join("; ");
}

/** The fields of an event's data, with dots into what is nested, and what each may hold. */
export function fieldsOf(sample: unknown, before = ""): { name: string; sample: string }[] {
  if (typeof sample !== "object" || sample === null || Array.isArray(sample)) return [];
  return Object.entries(sample).flatMap(([name, value]) => {
    const path = `${before}${name}`;
    const isNested = typeof value === "object" && value !== null && !Array.isArray(value);
    return isNested ? fieldsOf(value, `${path}.`) : [{ name: path, sample: JSON.stringify(value) }];
  });
}

/** What somebody types as a value: a number or a yes or no where it looks like one. */
export function typed(text: string): unknown {
  const trimmed = text.trim();
  if (/^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(trimmed)) return Number(trimmed);
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  return text;
}
