import { describe, expect, it } from "vitest";
import type { EventType, Rule } from "./queries";
import { moved, newRule, requestOf as ruleRequest, sectionsInUse, sectionsOf, starters } from "./rules";
import { configOf, draftOf, found, type Kind, newDraft, type Service } from "./services";
import { days, fieldsOf, minutes, type RuleDraft, range, ruleWords, seconds, typed } from "./words";

const type = (name: string, label: string) => ({ name, label, severity: "error", sample: {} }) as EventType;
const TYPES = [
  type("backup.failed", "Backup failed"),
  type("backup.success", "Backup succeeded"),
  type("system.disk_warning", "Disk filling up"),
];
const SERVICES = [
  { id: 1, name: "Phone" },
  { id: 2, name: "Pager" },
];
const night = { from: "22:00", to: "07:00", timezone: "Europe/Berlin", days: [] };

describe("a rule in words", () => {
  const words = (change: Partial<RuleDraft>) =>
    ruleWords({ ...newRule(1, 0), conditions: {}, event_type: "backup.failed", ...change }, TYPES, SERVICES);

  it.each<[Partial<RuleDraft>, string]>([
    [{}, "Backup failed → Phone"],
    [{ event_type: "*" }, "Everything → Phone"],
    [{ event_type: "backup.*" }, "Backups: everything → Phone"],
    [{ event_type: "gone.away" }, "gone.away → Phone"],
    [{ service_id: 9 }, "Backup failed → a service that is gone"],
    [{ priority: "high" }, "Backup failed → Phone; high priority"],
    [{ conditions: { severity_threshold: "info" } }, "Backup failed → Phone"],
    [{ conditions: { severity_threshold: "error" } }, "Backup failed, error or worse → Phone"],
    [{ conditions: { severity_threshold: "critical" } }, "Backup failed, critical only → Phone"],
    [{ event_type: "backup.*", conditions: { severity_threshold: "warning" } }, "Backups, warning or worse → Phone"],
    [{ event_pattern: "disk_full" }, "Backup failed, if it matches /disk_full/ → Phone"],
    [{ cooldown_minutes: 60 }, "Backup failed → Phone; at most once an hour for each thing"],
    [
      { cooldown_minutes: 90, conditions: { cooldown_for: "rule" } },
      "Backup failed → Phone; at most once in 90 minutes for the whole rule",
    ],
    [
      { cooldown_minutes: 1440, conditions: { cooldown_for: "event_type" } },
      "Backup failed → Phone; at most once a day for each kind of event",
    ],
    [{ conditions: { quiet_hours: night } }, "Backup failed → Phone; quiet 22:00–07:00 Berlin, then a digest"],
    [
      { conditions: { quiet_hours: night, quiet_except: "critical" } },
      "Backup failed → Phone; quiet 22:00–07:00 Berlin unless critical, then a digest",
    ],
    [
      { conditions: { time_range: { from: "08:00", to: "18:00", timezone: "UTC", days: [0, 1, 2, 3, 4] } } },
      "Backup failed, only 08:00–18:00 UTC, Mon–Fri → Phone",
    ],
    [
      { conditions: { batch: { window_seconds: 300, by: "event_type" } } },
      "Backup failed → Phone; gathered for 5 minutes by kind of event",
    ],
    [{ conditions: { max_per_minute: 3 } }, "Backup failed → Phone; at most 3 a minute"],
    [{ conditions: { max_per_minute: 0 } }, "Backup failed → Phone; however many there are"],
    [
      {
        conditions: {
          data: [
            { field: "code", op: "eq", value: "disk_full" },
            { field: "id", op: "exists" },
          ],
        },
      },
      "Backup failed, if code is disk_full and id is there → Phone",
    ],
    [
      {
        conditions: {
          escalation: [
            { after_minutes: 15, service_id: 2 },
            { after_minutes: 60, service_id: 1 },
          ],
        },
      },
      "Backup failed → Phone; after 15 minutes without an answer → Pager; then after 1 hour more → Phone",
    ],
    [{ custom_title: "x" }, "Backup failed → Phone; in its own words"],
  ])("%j", (change, expected) => expect(words(change)).toBe(expected));

  it("says times, days and zones as one does", () => {
    expect([minutes(1), minutes(60), minutes(90), minutes(2880)]).toEqual([
      "1 minute",
      "1 hour",
      "90 minutes",
      "2 days",
    ]);
    expect([seconds(45), seconds(120)]).toEqual(["45 seconds", "2 minutes"]);
    expect([days([]), days([6, 5]), days([0, 1, 2, 6]), days([0, 1, 2, 3, 4, 5, 6])]).toEqual([
      "",
      "Sat, Sun",
      "Mon–Wed, Sun",
      "",
    ]);
    expect(range({ from: "09:00", to: "09:00", timezone: "America/New_York" })).toBe("all day New York");
  });

  it("finds the fields of an event, and what somebody means by a value", () => {
    expect(fieldsOf({ id: 4, disk: { percent: 91 }, tables: ["a"] })).toEqual([
      { name: "id", sample: "4" },
      { name: "disk.percent", sample: "91" },
      { name: "tables", sample: '["a"]' },
    ]);
    expect(["90", "-1.5", "true", "007", "", "a b"].map(typed)).toEqual([90, -1.5, true, "007", "", "a b"]);
  });
});

describe("rules", () => {
  it("send nothing that is empty", () => {
    const sent = ruleRequest({
      ...newRule(1, 0),
      event_pattern: "",
      custom_title: " ",
      conditions: { severity_threshold: null, data: [], max_per_minute: 0, quiet_hours: night },
    });
    expect(sent).toMatchObject({ event_pattern: null, custom_title: null });
    expect(sent.conditions).toEqual({ max_per_minute: 0, quiet_hours: night });
  });

  it("change places with as few changes as can be", () => {
    const rules = [0, 1, 2].map((at) => ({ id: at + 1, sort_order: at }) as Rule);
    expect(moved(rules, 2, -1).map(({ rule, sort_order }) => [rule.id, sort_order])).toEqual([
      [2, 0],
      [1, 1],
    ]);
    expect(moved(rules, 1, -1)).toEqual([]);
  });

  it("that are worth having are offered once, and only for events that there are", () => {
    const names = (rules: Rule[]) => starters(rules, TYPES).map(({ event_type }) => event_type);
    expect(names([])).toEqual(["backup.*", "system.*", "backup.success"]);
    expect(names([{ event_type: "backup.*", event_pattern: null } as Rule])).toEqual(["system.*", "backup.success"]);
  });

  it("open the sections in which something is, or is wrong", () => {
    expect(sectionsInUse({ ...newRule(1, 0), cooldown_minutes: 5 })).toEqual(["often"]);
    expect(sectionsOf(["conditions.data.0.value", "custom_message", "name"])).toEqual(["which", "words"]);
  });
});

describe("services", () => {
  const field = (key: string, kind: string, isRequired = false) =>
    ({ key, label: key, kind: { type: kind }, is_required: isRequired, help: "", example: "" }) as Kind["fields"][0];
  const kind = {
    service_type: "apprise",
    service: "tgram",
    name: "Telegram",
    schemes: ["tgram", "telegram"],
    fields: [field("token", "secret", true), field("chats", "list"), field("headers", "pairs"), field("note", "text")],
  } as Kind;
  const service = {
    id: 1,
    name: "Me",
    service_type: "apprise",
    enabled: true,
    priority: 0,
    config: {
      service: "tgram",
      fields: { chats: ["1"] },
      kept: ["token", "headers"],
      verify: true,
      address: "",
      tags: ["a"],
    },
  } as unknown as Service;

  it("keep their secrets unless they are replaced or removed", () => {
    const draft = draftOf(service);
    expect(configOf(kind, draft)).toEqual({ service: "tgram", fields: { chats: ["1"] }, tags: ["a"], verify: true });
    const replaced = { ...draft, removed: ["headers"], fields: { token: "new", chats: ["1", ""], note: "" } };
    expect(configOf(kind, replaced)).toMatchObject({ fields: { token: "new", chats: ["1"], headers: null } });
  });

  it("of Flowkeep's own kinds have their fields at the top", () => {
    const own = { ...kind, service_type: "webhook", service: "webhook" };
    expect(configOf(own, { ...newDraft(own, []), fields: { token: "t" } })).toEqual({ token: "t", verify: true });
  });

  it("are found by name and by how their URLs begin, and named apart", () => {
    expect(found([kind], "teleg")).toHaveLength(1);
    expect(found([kind], "tgram://")).toHaveLength(1);
    expect(found([kind], "slack")).toHaveLength(0);
    expect(newDraft(kind, ["Telegram", "Telegram 2"]).name).toBe("Telegram 3");
  });
});
