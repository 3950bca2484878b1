/** Each page with what the API may answer: nothing yet, an error, something. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../test/render";
import { BackupPage } from "./backups/BackupPage";
import { BackupsPage } from "./backups/BackupsPage";
import { ProofsPage } from "./backups/ProofsPage";
import { OverviewPage } from "./overview/OverviewPage";
import { SchedulesPage } from "./schedules/SchedulesPage";
import { SettingsPage } from "./settings/SettingsPage";

const FAILURE = { status: 500, body: { error: { code: "internal", message: "The log says what.", fields: {} } } };
const EMPTY = { items: [], next_cursor: null };
const ABOUT = {
  version: "1.2.3",
  started_at: "2026-11-21T00:00:00Z",
  uptime_seconds: 5,
  data_dir: "/data",
  backup_dir: "/data/backups",
  resident_bytes: 20_000_000,
  database: { mode: "private", address: "/run", database: "postgres", version: "15.4" },
  postgres_installations: [{ bin_dir: "/pg/bin", version: "15.4", major: 15, has_server: true }],
  notices: [
    { code: "private_postgres", severity: "info", message: "It runs a private PostgreSQL.", remedy: null },
    { code: "plain_http", severity: "warning", message: "You came over plain HTTP.", remedy: "Use TLS." },
  ],
};
const OVERVIEW = {
  n8n: { is_configured: true, is_sample: false },
  last_good_backup: null,
  last_proven_backup: null,
  totals: { backups: 0, stored_bytes: 0, free_bytes: 1e9 },
  attention: [],
};
const BACKUP = {
  id: 7,
  backup_type: "postgres_n8n",
  status: "success",
  filename: "n8n-7.dump.zst",
  database_name: "n8n",
  is_sample: false,
  is_file_present: true,
  is_last_good: true,
  is_last_verified: false,
  verification_status: "failed",
  checksum: "abc",
  compression: "zstd",
  compressed_size: 1000,
  file_size: 5000,
  row_count: 3,
  table_count: 1,
  duration_ms: 900,
  started_at: "2026-11-20T10:00:00Z",
  completed_at: "2026-11-20T10:00:01Z",
  deleted_at: null,
  error_message: null,
  trigger: "manual",
  manifest: null,
  restore_command: "zstd -d | pg_restore",
  tables: [{ schema: "public", name: "workflow_entity", row_count: 3, archive_bytes: 100 }],
};

describe("overview", () => {
  it("says what the owner should know", async () => {
    answering({
      "GET /api/overview": OVERVIEW,
      "GET /api/about": ABOUT,
      "GET /api/health": { status: "ok", parts: {} },
    });
    show(OverviewPage);
    expect(await screen.findByText(/private PostgreSQL/)).toBeTruthy();
    expect(await screen.findByText(/plain HTTP/)).toBeTruthy();
  });

  it("leads to the tools behind the login, and says of which no login reaches them", async () => {
    const tool = (name: string, more: object) => ({
      slug: name.toLowerCase(),
      name,
      url: `https://${name.toLowerCase()}.example.com/`,
      is_enabled: true,
      trouble: null,
      ...more,
    });
    answering({
      "GET /api/overview": OVERVIEW,
      "GET /api/auth/sso": {
        items: [
          tool("Dozzle", {}),
          tool("Adminer", { trouble: "It is elsewhere." }),
          tool("Off", { is_enabled: false }),
        ],
      },
    });
    show(OverviewPage);
    const link = await screen.findByRole("link", { name: "Dozzle" });
    expect(link.getAttribute("href")).toBe("https://dozzle.example.com/");
    expect(screen.getAllByText("no login reaches it")).toHaveLength(1);
    expect(screen.queryByText("Off")).toBeNull();
    expect(screen.getByRole("link", { name: "Who gets in" }).getAttribute("href")).toBe("/single-sign-on");
  });

  it("shows an error with a way to try again", async () => {
    answering({ "GET /api/overview": FAILURE });
    show(OverviewPage);
    expect(await screen.findByText("The log says what.")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Try again" })).toBeTruthy();
  });
});

describe("backups", () => {
  it("invites to connect n8n when there is nothing", async () => {
    const overview = { ...OVERVIEW, n8n: { is_configured: false, is_sample: false } };
    answering({ "GET /api/backups/history": EMPTY, "GET /api/overview": overview });
    show(BackupsPage, "/backups");
    expect(await screen.findByText("No backup yet")).toBeTruthy();
    expect(await screen.findByRole("link", { name: "Connect n8n" })).toBeTruthy();
    expect(screen.getByRole("button", { name: "Back up now" }).hasAttribute("disabled")).toBe(true);
  });

  it("starts one with a level that was chosen", async () => {
    const sent = answering({
      "GET /api/backups/history": EMPTY,
      "GET /api/overview": OVERVIEW,
      "POST /api/backups/run": { id: 8 },
    });
    show(BackupsPage, "/backups");
    await waitFor(() =>
      expect(screen.getByRole("button", { name: "Back up now" }).hasAttribute("disabled")).toBe(false),
    );
    fireEvent.click(screen.getByRole("button", { name: "Other backups" }));
    fireEvent.click(await screen.findByText("Choose…"));
    const dialog = await screen.findByRole("dialog");
    fireEvent.click(within(dialog).getByRole("combobox", { name: "Compression" }));
    fireEvent.click(await screen.findByText("gzip: read everywhere, slower"));
    fireEvent.change(await within(dialog).findByLabelText("Level"), { target: { value: "9" } });
    fireEvent.click(within(dialog).getByRole("button", { name: "Back up" }));
    await waitFor(() => expect(sent.find((request) => request.method === "POST")).toBeTruthy());
    expect(sent.find((request) => request.method === "POST")?.body).toEqual({
      backup_type: "postgres_n8n",
      compression: "gzip",
      compression_level: 9,
    });
  });
});

describe("a backup", () => {
  it("names table and both counts when it is bad, and says what deleting it means", async () => {
    const proof = {
      id: 1,
      backup_id: 7,
      status: "failed",
      outcome_code: "rows_differ",
      message: "1 of 1 tables differ.",
      remedy: "Make a new one.",
      engine: "local",
      trigger: "manual",
      mismatches: [{ schema: "public", table: "workflow_entity", expected: 3, actual: 2 }],
      checks: [],
      queued_at: "2026-11-20T10:00:02Z",
      completed_at: "2026-11-20T10:00:04Z",
    };
    answering({
      "GET /api/backups/history/7": BACKUP,
      "GET /api/backups/history/7/copies": {
        items: [{ destination_id: 1, destination: "NAS", status: "queued", attempts: 1, error: "It is not mounted." }],
      },
      "GET /api/backups/verification/history": { items: [proof], next_cursor: null },
    });
    show(BackupPage, "/backups/7", "/backups/$id");
    expect((await screen.findAllByText(/workflow_entity/)).length).toBeGreaterThan(0);
    expect(await screen.findByText(/1 of 1 tables differ/)).toBeTruthy();
    expect(await screen.findByText("NAS: It is not mounted.")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Delete" }));
    const dialog = await screen.findByRole("dialog");
    expect(dialog.textContent).toMatch(/newest/i);
    expect(
      within(dialog)
        .getByRole("button", { name: /delete/i })
        .hasAttribute("disabled"),
    ).toBe(true);
  });
});

describe("proofs", () => {
  it("tells a bad backup from one that could not be tried", async () => {
    const run = (id: number, status: string) => ({
      id,
      backup_id: id,
      status,
      message: `message ${id}`,
      remedy: null,
      restore_ms: 1200,
      queued_at: "2026-11-20T10:00:02Z",
      completed_at: null,
    });
    const items = [run(1, "passed"), run(2, "failed"), run(3, "could_not_verify")];
    answering({ "GET /api/backups/verification/history": { items, next_cursor: null } });
    show(ProofsPage, "/proofs");
    for (const text of ["Proven", "Bad", "Not proven", "message 3"]) expect(await screen.findByText(text)).toBeTruthy();
  });
});

describe("settings", () => {
  it("shows why a value is refused, beside the value", async () => {
    const setting = {
      key: "backups.compression_level",
      category: "backups",
      title: "Compression level",
      description: "",
      kind: { type: "integer", min: 1, max: 19, unit: "level" },
      value: 3,
      default: 3,
      is_secret: false,
      is_set: false,
      updated_at: null,
      updated_by: null,
    };
    const refusal = {
      error: { code: "invalid", message: "Look at the fields.", fields: { value: "must be between 1 and 19" } },
    };
    answering({
      "GET /api/settings": { items: [setting] },
      "GET /api/settings/encryption": { keys: [], encrypted_values: 0, master_key: { source: "file", path: "/k" } },
      "GET /api/about": ABOUT,
      "GET /api/recovery-kit": { made_at: null, is_outdated: false },
      "PUT /api/settings/backups.compression_level": { status: 422, body: refusal },
    });
    show(SettingsPage, "/settings");
    fireEvent.change(await screen.findByLabelText("Compression level"), { target: { value: "99" } });
    fireEvent.click(await screen.findByRole("button", { name: "Save" }));
    expect(await screen.findByText("must be between 1 and 19")).toBeTruthy();
    expect(await screen.findByText(/dumps and proves/)).toBeTruthy();
    expect(await screen.findByText("None was made yet.")).toBeTruthy();
  });
});

const SCHEDULE = {
  id: 3,
  name: "Nightly",
  backup_type: "postgres_n8n",
  enabled: true,
  frequency: "daily",
  hour: 2,
  minute: 15,
  day_of_week: null,
  day_of_month: null,
  timezone: "Europe/Berlin",
  compression: "zstd",
  last_run: null,
  next_run: "2026-11-22T01:15:00Z",
  created_at: null,
  updated_at: null,
};
const POLICY = {
  backup_type: "postgres_n8n",
  keep_hourly: 24,
  keep_daily: 7,
  keep_weekly: 4,
  keep_monthly: 12,
  max_total_size_gb: null,
  updated_at: null,
};
const DECISION = {
  database_name: "n8n",
  started_at: "2026-11-20T10:00:00Z",
  compressed_size: 1000,
  verification_status: "passed",
  is_pinned: false,
};
const SCHEDULES = {
  "GET /api/settings": { items: [] },
  "GET /api/backups/schedules/upcoming": {
    items: [
      { at: "2026-11-22T01:15:00Z", kind: "backup", schedule_id: 3, name: "Nightly", backup_type: "postgres_n8n" },
    ],
  },
  "GET /api/backups/verification/schedule": {
    enabled: true,
    frequency: "weekly",
    day_of_week: 0,
    hour: 3,
    verify_latest_count: 5,
    last_run: null,
    next_run: null,
    updated_at: null,
  },
  "GET /api/backups/retention": { items: [POLICY] },
  "GET /api/backups/retention/postgres_n8n/preview": {
    would_delete: 1,
    would_free_bytes: 1000,
    items: [
      { ...DECISION, id: 2, keep: ["newest_good", "daily"], delete: null },
      { ...DECISION, id: 1, keep: [], delete: "retention_policy" },
    ],
  },
};

describe("schedules", () => {
  it("makes one and shows what is wrong beside the field", async () => {
    const refusal = {
      error: { code: "invalid", message: "Look at the fields.", fields: { hour: "must be between 0 and 23" } },
    };
    const sent = answering({
      ...SCHEDULES,
      "GET /api/backups/schedules": { items: [] },
      "POST /api/backups/schedules": { status: 422, body: refusal },
    });
    show(SchedulesPage, "/schedules");
    fireEvent.click(await screen.findByRole("button", { name: "Back up every night" }));
    const dialog = await screen.findByRole("dialog");
    fireEvent.change(within(dialog).getByLabelText("Hour"), { target: { value: "4" } });
    fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
    expect(await within(dialog).findByText("must be between 0 and 23")).toBeTruthy();
    const body = sent.find((request) => request.method === "POST")?.body;
    expect(body).toMatchObject({ frequency: "daily", hour: 4, day_of_week: null, day_of_month: null });
  });

  it("says for each backup why it stays or goes, and deletes only what was seen", async () => {
    const sent = answering({
      ...SCHEDULES,
      "GET /api/backups/schedules": { items: [SCHEDULE] },
      "POST /api/backups/retention/postgres_n8n/run": { deleted: [1] },
    });
    show(SchedulesPage, "/schedules");
    expect(await screen.findByText("every day at 02:15")).toBeTruthy();
    expect(await screen.findByText("newest good, of its day")).toBeTruthy();
    expect(await screen.findByText("not needed by any count")).toBeTruthy();
    fireEvent.click(await screen.findByRole("button", { name: "Delete these 1 now" }));
    await waitFor(() => expect(sent.some((request) => request.method === "POST")).toBe(true));
    expect(sent.find((request) => request.method === "POST")?.body).toEqual({ confirm_count: 1 });
  });
});
