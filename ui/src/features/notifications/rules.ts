/** Rules as a form has them, and those worth having. Pure. */
import type { Schemas } from "../../api/client";
import type { EventType, Rule } from "./queries";
import type { Conditions, RuleDraft } from "./words";

export function newRule(serviceId: number, sortOrder: number): RuleDraft {
  return {
    name: "",
    enabled: true,
    event_type: "backup.*",
    event_pattern: null,
    service_id: serviceId,
    priority: "normal",
    conditions: { severity_threshold: "warning" },
    custom_title: null,
    custom_message: null,
    include_details: true,
    cooldown_minutes: 0,
    sort_order: sortOrder,
  };
}

/** A rule without what only the server sets. */
export function draftOf(rule: Rule): RuleDraft {
  const { id: _, last_triggered: __, created_at: ___, updated_at: ____, fault: _____, ...draft } = rule;
  return { ...draft, conditions: (rule.conditions ?? {}) as Conditions };
}

const orNull = (text: string | null | undefined) => (text?.trim() ? text : null);

/** What is sent: nothing that is empty. */
export function requestOf(draft: RuleDraft): Schemas["NotificationRuleRequest"] {
  const { conditions } = draft;
  const kept = Object.fromEntries(
    Object.entries(conditions).filter(
      ([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
    ),
  );
  return {
    ...draft,
    event_pattern: orNull(draft.event_pattern),
    custom_title: orNull(draft.custom_title),
    custom_message: orNull(draft.custom_message),
    conditions: kept as Schemas["Conditions"],
  };
}

/** What a list of rules becomes when one goes up or down: those whose place changes, with their new one. */
export function moved(rules: Rule[], id: number, by: -1 | 1): { rule: Rule; sort_order: number }[] {
  const from = rules.findIndex((rule) => rule.id === id);
  const to = from + by;
  const [one, other] = [rules[from], rules[to]];
  if (!one || !other) return [];
  const next = [...rules];
  next[from] = other;
  next[to] = one;
  return next
    .map((rule, at) => ({ rule, sort_order: at }))
    .filter(({ rule, sort_order }) => rule.sort_order !== sort_order);
}

export type Starter = Pick<RuleDraft, "name" | "event_type" | "event_pattern" | "priority" | "cooldown_minutes"> & {
  conditions: Conditions;
};

const STARTERS: Starter[] = [
  {
    name: "Backups that fail or need a look",
    event_type: "backup.*",
    priority: "high",
    cooldown_minutes: 60,
    conditions: { severity_threshold: "warning" },
  },
  {
    name: "Backups that cannot be trusted",
    event_type: "verification.failed",
    priority: "critical",
    cooldown_minutes: 0,
    conditions: {},
  },
  {
    name: "Accounts that are locked",
    event_type: "security.account_locked",
    priority: "high",
    cooldown_minutes: 0,
    conditions: {},
  },
  {
    name: "Disks that fill up",
    event_type: "system.*",
    event_pattern: "system\\.disk_",
    priority: "high",
    cooldown_minutes: 360,
    conditions: { severity_threshold: "warning" },
  },
  {
    name: "Every backup that succeeds",
    event_type: "backup.success",
    priority: "low",
    cooldown_minutes: 0,
    conditions: {},
  },
  {
    name: "Settings that change",
    event_type: "management.settings_changed",
    priority: "low",
    cooldown_minutes: 0,
    conditions: {},
  },
];

/** Rules that most want, without those that are there already or that this version has no events for. */
export function starters(rules: Rule[], types: EventType[]): Starter[] {
  const isKnown = (name: string) =>
    types.some((type) => type.name === name || (name.endsWith(".*") && type.name.startsWith(name.slice(0, -1))));
  const isThere = (starter: Starter) =>
    rules.some(
      (rule) => rule.event_type === starter.event_type && (rule.event_pattern ?? "") === (starter.event_pattern ?? ""),
    );
  return STARTERS.filter((starter) => isKnown(starter.event_type) && !isThere(starter));
}

/** Sections of the form, and how the names of their fields begin. */
const SECTIONS = {
  which: ["event_pattern", "conditions.data"],
  when: ["conditions.time_range", "conditions.quiet"],
  often: ["cooldown_minutes", "conditions.cooldown", "conditions.batch", "conditions.max_per_minute"],
  escalation: ["conditions.escalation"],
  words: ["custom_", "include_details"],
};

export function sectionsOf(fields: string[]): string[] {
  return Object.entries(SECTIONS)
    .filter(([, begins]) => fields.some((field) => begins.some((begin) => field.startsWith(begin))))
    .map(([name]) => name);
}

/** Sections in which a rule says something. */
export function sectionsInUse({ conditions, ...draft }: RuleDraft): string[] {
  const used = Object.entries(conditions)
    .filter(([, value]) => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0))
    .map(([name]) => `conditions.${name}`);
  if (draft.event_pattern) used.push("event_pattern");
  if (draft.cooldown_minutes > 0) used.push("cooldown_minutes");
  if (draft.custom_title || draft.custom_message) used.push("custom_");
  return sectionsOf(used);
}
