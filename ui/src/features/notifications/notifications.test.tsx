/** The pages of notifications with what the API may answer. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { AcknowledgePage } from "./AcknowledgePage";
import { AlertsTab } from "./AlertsTab";
import { Bell } from "./Bell";
import { HistoryTab } from "./HistoryTab";
import { RulesTab } from "./RulesTab";
import { ServicesTab } from "./ServicesTab";

const FAILURE = { status: 500, body: { error: { code: "internal", message: "The log says what.", fields: {} } } };
const field = (key: string, label: string, kind: object, isRequired = false) => ({
  key,
  label,
  kind,
  is_required: isRequired,
  help: `Help of ${label}.`,
  example: "",
});
const KIND = {
  service_type: "apprise",
  service: "tgram",
  name: "Telegram",
  docs: "https://example.org",
  schemes: ["tgram"],
  example: "",
  limits: { title_chars: 0, body_chars: 4096, interval_ms: 0 },
  fields: [
    field("token", "Bot token", { type: "secret" }, true),
    field("chats", "Chats", { type: "list" }, true),
    field("topic", "Topic", { type: "integer", min: 1, max: 9 }),
    field("silent", "Without a sound", { type: "boolean" }),
    field("mode", "Mode", { type: "choice", choices: ["a", "b"] }),
    field("headers", "Headers", { type: "pairs" }),
    field("template", "Template", { type: "long_text" }),
  ],
};
const SERVICE = {
  id: 4,
  name: "Phone",
  service_type: "apprise",
  enabled: true,
  priority: 0,
  config: {
    service: "tgram",
    fields: { chats: ["1"], silent: true },
    kept: ["token"],
    verify: true,
    address: "tgram://***/1",
    tags: [],
  },
};
const EVENT_TYPES = {
  items: [
    {
      name: "backup.failed",
      label: "Backup failed",
      description: "A backup did not come about.",
      severity: "error",
      ends: [],
      sample: { code: "disk_full" },
      title: "t",
      body: "b",
    },
  ],
};
const BASE = {
  "GET /api/notifications/service-types": { items: [KIND] },
  "GET /api/notifications/event-types": EVENT_TYPES,
  "GET /api/notifications/services": { items: [SERVICE] },
  "GET /api/notifications/rules": { items: [] },
  "GET /api/settings": { items: [] },
};
const bodyOf = (sent: { method: string; path: string; body: unknown }[], method: string, path: string) =>
  sent.find((request) => request.method === method && request.path === path)?.body;

describe("services", () => {
  it("have a form of their fields, and a kept secret is not sent", async () => {
    const sent = answering({ ...BASE, "PUT /api/notifications/services/4": SERVICE });
    show(ServicesTab);
    fireEvent.click(await screen.findByRole("button", { name: "Acts on Phone" }));
    fireEvent.click(await screen.findByRole("menuitem", { name: "Change" }));
    const dialog = await screen.findByRole("dialog");
    const token = await within(dialog).findByPlaceholderText("kept; type to replace");
    expect((token as HTMLInputElement).value).toBe("");
    expect((within(dialog).getByLabelText(/^Chats/) as HTMLTextAreaElement).value).toBe("1");
    expect(within(dialog).getByText("Help of Topic.")).toBeTruthy();
    expect((within(dialog).getByRole("switch", { name: /^Without a sound/ }) as HTMLInputElement).checked).toBe(true);
    fireEvent.click(within(dialog).getByRole("button", { name: "Add to Headers" }));
    fireEvent.change(within(dialog).getByLabelText("Headers: name 1"), { target: { value: "X-Key" } });
    fireEvent.change(within(dialog).getByLabelText("Headers: value 1"), { target: { value: "v" } });
    fireEvent.change(within(dialog).getByLabelText(/^Chats/), { target: { value: "1\n2\n" } });
    fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
    await waitFor(() => expect(bodyOf(sent, "PUT", "/api/notifications/services/4")).toBeTruthy());
    expect(bodyOf(sent, "PUT", "/api/notifications/services/4")).toEqual({
      name: "Phone",
      service_type: "apprise",
      enabled: true,
      priority: 0,
      config: {
        service: "tgram",
        fields: { chats: ["1", "2"], silent: true, headers: { "X-Key": "v" } },
        tags: [],
        verify: true,
      },
    });
  });

  it("are made of an address that is pasted, with what is wrong beside its field", async () => {
    const refusal = { error: { code: "invalid_input", message: "token: no", fields: { token: "is no token" } } };
    answering({
      ...BASE,
      "GET /api/notifications/services": { items: [] },
      "POST /api/notifications/services/read-url": {
        service: "tgram",
        fields: { chats: ["7"], token: "t" },
        verify: false,
        address: "tgram://***/7",
      },
      "POST /api/notifications/services": { status: 422, body: refusal },
      "POST /api/notifications/services/test": {
        is_delivered: false,
        error: "the name cannot be resolved",
        field: "chats",
        status: null,
        duration_ms: 2,
      },
    });
    show(ServicesTab);
    expect(await screen.findByText("Nobody is told anything yet")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Add a service" }));
    const dialog = await screen.findByRole("dialog");
    fireEvent.change(await within(dialog).findByLabelText("Paste an address"), { target: { value: "tgram://t/7" } });
    fireEvent.click(within(dialog).getByRole("button", { name: "Read it" }));
    expect(((await within(dialog).findByLabelText(/^Chats/)) as HTMLTextAreaElement).value).toBe("7");
    fireEvent.click(within(dialog).getByRole("button", { name: "Send a test" }));
    expect(await within(dialog).findByText("the name cannot be resolved")).toBeTruthy();
    expect(
      within(dialog)
        .getByLabelText(/^Chats/)
        .getAttribute("aria-invalid"),
    ).toBe("true");
    fireEvent.click(within(dialog).getByRole("button", { name: "Add" }));
    expect(await within(dialog).findByText("is no token")).toBeTruthy();
    expect(within(dialog).queryByText("the name cannot be resolved")).toBeNull();
  });

  it("at a private address offer to allow those, ask, and try again", async () => {
    let isAllowed = false;
    const sent = answering({
      ...BASE,
      get "POST /api/notifications/services/4/test"() {
        return isAllowed
          ? { is_delivered: true, error: null, status: 200, duration_ms: 12 }
          : { is_delivered: false, error: "10.0.0.9 is a private address. Allow …", status: null, duration_ms: 1 };
      },
      get "PUT /api/settings/notifications.allow_private_networks"() {
        isAllowed = true;
        return {};
      },
    });
    show(ServicesTab);
    fireEvent.click(await screen.findByRole("button", { name: "Send a test" }));
    fireEvent.click(await screen.findByRole("button", { name: "Allow private networks" }));
    expect(bodyOf(sent, "PUT", "/api/settings/notifications.allow_private_networks")).toBeUndefined();
    fireEvent.click(await screen.findByRole("button", { name: "Allow and try again" }));
    expect(await screen.findByText(/It was taken in 12 ms, with status 200/)).toBeTruthy();
    expect(bodyOf(sent, "PUT", "/api/settings/notifications.allow_private_networks")).toEqual({ value: true });
  });
});

describe("rules", () => {
  it("begin with a service, then with those worth having", async () => {
    answering({ ...BASE, "GET /api/notifications/services": { items: [] } });
    show(RulesTab);
    expect(await screen.findByRole("link", { name: "Add a service first" })).toBeTruthy();
  });

  it("are tried on what happened before they are saved", async () => {
    const item = (id: string, outcome: string, reason: string | null) => ({
      event_id: id,
      event_type: "backup.failed",
      severity: "error",
      occurred_at: "2026-11-20T10:00:00Z",
      outcome,
      reason,
      title: `Backup ${id} failed`,
      message: `Text of ${id}`,
      fault: id === "two" ? "is no template" : null,
    });
    const sent = answering({
      ...BASE,
      "POST /api/notifications/rules/try": {
        events: 9,
        is_cut: false,
        matched: 2,
        told: 1,
        gathered: 0,
        skipped: 1,
        items: [item("one", "told", null), item("two", "skipped", "the same was told at noon")],
      },
    });
    show(RulesTab);
    fireEvent.click(await screen.findByRole("button", { name: "New rule" }));
    const dialog = await screen.findByRole("dialog");
    expect(within(dialog).getByText("Backups, warning or worse → Phone")).toBeTruthy();
    fireEvent.click(within(dialog).getByRole("button", { name: "Try it" }));
    expect(await within(dialog).findByText("It is for 2 of 9 events: 1 told at once, 1 not told.")).toBeTruthy();
    expect(within(dialog).getByText("the same was told at noon")).toBeTruthy();
    expect(within(dialog).getByText("Text of one")).toBeTruthy();
    expect(within(dialog).getByText(/Your words fail here.*is no template/)).toBeTruthy();
    expect(bodyOf(sent, "POST", "/api/notifications/rules/try")).toMatchObject({
      days: 7,
      rule: { event_type: "backup.*", service_id: 4, conditions: { severity_threshold: "warning" } },
    });
  });

  it("open the section in which something is wrong", async () => {
    const fields = { "conditions.max_per_minute": "must be between 0 and 10000" };
    answering({
      ...BASE,
      "POST /api/notifications/rules": {
        status: 422,
        body: { error: { code: "invalid_input", message: "no", fields } },
      },
    });
    show(RulesTab);
    fireEvent.click(await screen.findByRole("button", { name: "New rule" }));
    const dialog = await screen.findByRole("dialog");
    expect(within(dialog).queryByLabelText("Messages a minute at most")).toBeNull();
    fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
    expect(await within(dialog).findByText("must be between 0 and 10000")).toBeTruthy();
  });
});

const MESSAGE = {
  id: 12,
  event_type: "backup.failed",
  severity: "error",
  title: "Backup failed: n8n",
  message: "The disk is full.",
  service_id: 4,
  service_name: "Phone",
  rule_id: 1,
  rule_name: "Backups",
  status: "failed",
  error_message: "it answered 500",
  retry_count: 6,
  priority: "high",
  event_count: 1,
  created_at: "2026-11-20T10:00:00Z",
  occurred_at: "2026-11-20T10:00:00Z",
};
const DETAILS = {
  ...MESSAGE,
  delivery_id: "bfe61551-3f56-4b03-8276-e975389f6fa7",
  subject: "backup:n8n",
  event_data: { code: "disk_full" },
  response_status: 500,
  response_text: "oops",
  duration_ms: 40,
  attempts: [
    { at: "2026-11-20T10:00:01Z", outcome: "failed", error: "it answered 503", response_status: 503, duration_ms: 30 },
    {
      at: "2026-11-20T10:00:09Z",
      outcome: "failed",
      error: "it answered 500: oops",
      response_status: 500,
      duration_ms: 40,
    },
  ],
};

describe("history", () => {
  it("shows a message with its event and answer, and sends it again", async () => {
    const sent = answering({
      ...BASE,
      "GET /api/notifications/history": { items: [MESSAGE], next_cursor: null },
      "GET /api/notifications/history/12": DETAILS,
      "POST /api/notifications/retry/12": { ...DETAILS, status: "pending", error_message: null },
    });
    show(HistoryTab);
    fireEvent.click(await screen.findByRole("button", { name: "Backup failed: n8n" }));
    const drawer = await screen.findByRole("dialog");
    for (const text of [
      "The disk is full.",
      "oops",
      "it answered 503",
      /"disk_full"/,
      DETAILS.delivery_id,
      "Backup failed",
    ])
      expect(await within(drawer).findByText(text)).toBeTruthy();
    fireEvent.click(within(drawer).getByRole("button", { name: "Send it again" }));
    expect(await within(drawer).findByText("Waiting")).toBeTruthy();
    expect(sent.some(({ method, path }) => method === "POST" && path === "/api/notifications/retry/12")).toBe(true);
  });

  it("opens the message that a link names", async () => {
    answering({
      ...BASE,
      "GET /api/notifications/history": { items: [], next_cursor: null },
      "GET /api/notifications/history/12": DETAILS,
    });
    show(HistoryTab, "/history?message=12", "/history");
    expect(await within(await screen.findByRole("dialog")).findByText("The disk is full.")).toBeTruthy();
  });

  it("says that nothing was told, and that it could not be read", async () => {
    answering({ ...BASE, "GET /api/notifications/history": { items: [], next_cursor: null } });
    const { unmount } = show(HistoryTab);
    expect(await screen.findByText("Nothing was told yet")).toBeTruthy();
    unmount();
    answering({ ...BASE, "GET /api/notifications/history": FAILURE });
    show(HistoryTab);
    expect(await screen.findByText("The log says what.")).toBeTruthy();
  });
});

const ALERT = { title: "Backup failed: n8n", severity: "error", status: "open", opened_at: "2026-11-20T10:00:00Z" };

describe("alerts", () => {
  it("are acknowledged", async () => {
    const open = { ...ALERT, id: 3, rule_id: 1, event_type: "backup.failed", event_count: 2, next_at: null };
    const sent = answering({
      ...BASE,
      "GET /api/notifications/alerts": { items: [open] },
      "POST /api/notifications/alerts/3/acknowledge": { ...open, status: "acknowledged" },
    });
    show(AlertsTab);
    expect(await screen.findByText("Everybody was told.")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Acknowledge Backup failed: n8n" }));
    await waitFor(() => expect(sent.some(({ path }) => path.endsWith("/alerts/3/acknowledge"))).toBe(true));
  });
});

describe("the page behind a link", () => {
  const CHECK = "POST /api/notifications/acknowledge/check";
  afterEach(() => {
    window.location.hash = "";
  });

  it("acknowledges by the token behind the #", async () => {
    window.location.hash = "#token=3.9.x";
    const sent = answering({
      [CHECK]: ALERT,
      "POST /api/notifications/acknowledge": { ...ALERT, status: "acknowledged", closed_by: "the link" },
    });
    show(AcknowledgePage);
    fireEvent.click(await screen.findByRole("button", { name: "Acknowledge" }));
    expect(await screen.findByText("Thank you. Nobody further is told.")).toBeTruthy();
    expect(bodyOf(sent, "POST", "/api/notifications/acknowledge")).toEqual({ token: "3.9.x" });
    expect(screen.queryByRole("button", { name: "Acknowledge" })).toBeNull();
  });

  it("says who was first, that it is over, and that a link is no good", async () => {
    answering({ [CHECK]: { ...ALERT, status: "acknowledged", closed_by: "admin", closed_at: "2026-11-20T10:05:00Z" } });
    const first = show(AcknowledgePage);
    expect(await screen.findByText(/acknowledged already by admin/)).toBeTruthy();
    first.unmount();
    answering({ [CHECK]: { ...ALERT, status: "resolved" } });
    const second = show(AcknowledgePage);
    expect(await screen.findByText(/It is over/)).toBeTruthy();
    second.unmount();
    const error = { code: "bad_link", message: "This link is not valid, or no longer.", fields: {} };
    answering({ [CHECK]: { status: 403, body: { error } } });
    show(AcknowledgePage);
    expect(await screen.findByRole("heading", { name: "This link does not work" })).toBeTruthy();
    expect(screen.getByText("This link is not valid, or no longer.")).toBeTruthy();
  });
});

describe("the bell", () => {
  it("counts what is not seen, and notes that it is when it is opened", async () => {
    const item = {
      id: 41,
      event_id: "e",
      event_type: "backup.failed",
      severity: "error",
      title: "Backup failed",
      message: "The disk is full.",
      occurred_at: "2026-11-20T10:00:00Z",
      is_seen: false,
    };
    const sent = answering({
      "GET /api/notifications/feed": { items: [item], unseen: 3 },
      "POST /api/notifications/feed/seen": { status: 204, body: null },
    });
    show(Bell);
    fireEvent.click(await screen.findByRole("button", { name: "What happened, 3 not seen" }));
    expect(await screen.findByText("The disk is full.")).toBeTruthy();
    await waitFor(() => expect(bodyOf(sent, "POST", "/api/notifications/feed/seen")).toEqual({ id: 41 }));
    // What is behind the open list is hidden from screen readers.
    expect(await screen.findByRole("button", { name: "What happened", hidden: true })).toBeTruthy();
  });
});
