/** The page of the watchdog with what the API may answer. */
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { BoxFacts } from "../overview/Box";
import type { Advice, Incident } from "./queries";
import { WatchdogPage } from "./WatchdogPage";
import { blindness, growthInWords, muteInWords, why } from "./words";

const INCIDENT: Incident = {
  id: 4,
  workflow_id: "w1",
  workflow_name: "Order intake",
  kind: "failing",
  status: "open",
  first_seen_at: "2026-11-22T11:00:00Z",
  last_seen_at: "2026-11-22T12:00:00Z",
  count: 3,
  last_execution_id: 4711,
  last_error: "connect ECONNREFUSED",
  last_node: "HTTP Request",
  detail: null,
  is_told: true,
  resolved_at: null,
  resolution: null,
  acknowledged_at: null,
  acknowledged_by: null,
  link: "http://n8n:5678/workflow/w1/executions/4711",
};
const NOW = {
  open: [INCIDENT],
  mutes: [],
  looked_at: "2026-11-22T12:00:00Z",
  watched: [
    {
      workflow_id: "w2",
      workflow_name: "Nightly report",
      last_run_at: null,
      next_due_at: "2026-11-23T02:00:00Z",
      unreadable_rules: 1,
      link: null,
    },
  ],
  is_stale: false,
  trouble: null,
  time_zone: "America/New_York",
  time_zone_is_known: false,
};
const ADVICE: Advice = {
  at: "2026-11-22T12:00:00Z",
  is_estimate: true,
  runs: 60_000,
  bytes: 6e9,
  table_bytes: 8e9,
  binary_table_bytes: 0,
  oldest_days: 60,
  is_unpruned: true,
  bytes_per_day: 1e8,
  disk: { mount: "/", free_bytes: 1e9, days_until_full: 9.6 },
  workflows: [
    { workflow_id: "w1", workflow_name: null, runs: 10, bytes: 5, binary_bytes: 1, oldest_days: 3, bytes_per_day: 2 },
  ],
  options: [
    {
      kind: "age",
      title: "Keep 14 days",
      lines: ["EXECUTIONS_DATA_PRUNE=true", "EXECUTIONS_DATA_MAX_AGE=336"],
      removes_runs: 46_000,
      frees_bytes: 4.6e9,
      saves_bytes_per_day: 0,
      is_advised: true,
    },
    {
      kind: "success",
      title: "Keep only runs that failed",
      lines: ["EXECUTIONS_DATA_SAVE_ON_SUCCESS=none"],
      removes_runs: 0,
      frees_bytes: 0,
      saves_bytes_per_day: 9e7,
      is_advised: false,
    },
  ],
};
const NOT_CONNECTED = {
  status: 409,
  body: { error: { code: "n8n_not_configured", message: "no n8n", fields: {} } },
};
const BASE = {
  "GET /api/watchdog": NOW,
  "GET /api/watchdog/incidents": { items: [{ ...INCIDENT, id: 3, status: "resolved", resolution: "success" }] },
  "GET /api/watchdog/executions": ADVICE,
};

describe("the watchdog", () => {
  it("shows what is wrong, why, and where it is in n8n", async () => {
    const sent = answering({
      ...BASE,
      "POST /api/watchdog/incidents/4/acknowledge": INCIDENT,
      "PUT /api/watchdog/workflows/w1/mute": { status: 204, body: null },
    });
    show(WatchdogPage);
    expect(await screen.findByText("fails, 3 times")).toBeTruthy();
    expect(screen.getAllByText("HTTP Request: connect ECONNREFUSED").length).toBeGreaterThan(0);
    const link = screen.getByText("Open in n8n").closest("a");
    expect(link?.getAttribute("href")).toBe("http://n8n:5678/workflow/w1/executions/4711");
    fireEvent.click(screen.getByLabelText("I look after Order intake"));
    await waitFor(() => expect(sent.some((one) => one.path.endsWith("/incidents/4/acknowledge"))).toBe(true));
    fireEvent.click(screen.getByLabelText("Mute Order intake"));
    fireEvent.click(await screen.findByText("For 8 hours"));
    await waitFor(() => expect(sent.find((one) => one.method === "PUT")?.body).toEqual({ hours: 8 }));
  });

  it("says which schedules are expected, and that the zone is only guessed", async () => {
    answering(BASE);
    show(WatchdogPage);
    expect(await screen.findByText("Nightly report")).toBeTruthy();
    expect(screen.getByText(/n8n's time zone is not known yet; America\/New_York/)).toBeTruthy();
    expect(screen.getByText("a rule that only n8n can work out")).toBeTruthy();
  });

  it("gives the lines to paste, and says that it deletes nothing itself", async () => {
    answering(BASE);
    show(WatchdogPage);
    expect(await screen.findByText(/EXECUTIONS_DATA_MAX_AGE=336/)).toBeTruthy();
    expect(screen.getByText("frees 4.60 GB, 46,000 runs")).toBeTruthy();
    expect(screen.getByText("adds 90.0 MB less each day")).toBeTruthy();
    expect(screen.getByText(/Flowkeep deletes no executions/)).toBeTruthy();
    expect(screen.getByText(/The disk \/ is full in 10 days/)).toBeTruthy();
    expect(screen.getByText("w1 (gone)")).toBeTruthy();
  });

  it("ends a mute", async () => {
    const mutes = [{ workflow_id: "w2", muted_until: null, reason: "rebuilt", created_at: "2026-11-22T12:00:00Z" }];
    const sent = answering({
      ...BASE,
      "GET /api/watchdog": { ...NOW, mutes },
      "DELETE /api/watchdog/workflows/w2/mute": { status: 204, body: null },
    });
    show(WatchdogPage);
    fireEvent.click(await screen.findByRole("button", { name: "Tell of Nightly report again" }));
    await waitFor(() => expect(sent.some((one) => one.method === "DELETE")).toBe(true));
  });

  it("is content, unconnected or at a loss", async () => {
    answering({ ...BASE, "GET /api/watchdog": { ...NOW, open: [] }, "GET /api/watchdog/executions": NOT_CONNECTED });
    const { unmount } = show(WatchdogPage);
    expect(await screen.findByText("Every workflow runs well")).toBeTruthy();
    await waitFor(() => expect(screen.queryByText("What executions take")).toBeNull());
    unmount();
    answering({ ...BASE, "GET /api/watchdog": { ...NOW, open: [], looked_at: null } });
    const second = show(WatchdogPage);
    expect(await screen.findByText("Nothing was looked at yet")).toBeTruthy();
    second.unmount();
    answering({
      ...BASE,
      "GET /api/watchdog": { status: 500, body: { error: { code: "x", message: "Broken.", fields: {} } } },
    });
    show(WatchdogPage);
    expect((await screen.findByRole("alert")).textContent).toContain("Broken.");
  });
});

describe("a watch that cannot read", () => {
  const trouble = {
    problem: "n8n's database at db:5432 does not answer: password authentication failed",
    since: "2026-11-22T12:01:00Z",
    seen_at: "2026-11-22T12:20:00Z",
  };

  it("says so in place of that all is well, and where to help", async () => {
    answering({ ...BASE, "GET /api/watchdog": { ...NOW, open: [], is_stale: true, trouble } });
    show(WatchdogPage);
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("n8n's workflows are not watched");
    expect(alert.textContent).toContain("password authentication failed.");
    expect(alert.textContent).toContain("Test n8n's connection");
    expect(screen.queryByText("Every workflow runs well")).toBeNull();
  });

  it("shows what was wrong before, and says that it is from before", async () => {
    answering({ ...BASE, "GET /api/watchdog": { ...NOW, is_stale: true, trouble } });
    show(WatchdogPage);
    expect((await screen.findByRole("alert")).textContent).toContain("What is below is from before.");
    expect(screen.getByText("fails, 3 times")).toBeTruthy();
  });

  it("that failed once a moment ago is no trouble yet", async () => {
    answering({ ...BASE, "GET /api/watchdog": { ...NOW, open: [], trouble } });
    show(WatchdogPage);
    expect(await screen.findByText("Every workflow runs well")).toBeTruthy();
    expect(screen.queryByRole("alert")).toBeNull();
  });

  it("is no good news on the overview either", async () => {
    const broken = { status: 500, body: { error: { code: "x", message: "Broken.", fields: {} } } };
    answering({
      "GET /api/watchdog": { ...NOW, open: [], is_stale: true, trouble },
      "GET /api/containers": broken,
      "GET /api/system/overview": broken,
      "GET /api/system/forecast": broken,
    });
    show(BoxFacts);
    expect(
      await screen.findByText(/Not known\. Nothing was read since .*password authentication failed\./),
    ).toBeTruthy();
    expect(screen.queryByText(/None: nothing fails/)).toBeNull();
  });

  it("is put into words", () => {
    const never = { ...NOW, looked_at: null, is_stale: true, trouble: null };
    expect(blindness(never)).toBe("Nothing was read yet. No daemon of Flowkeep looks.");
    expect(blindness({ ...never, trouble })).toContain("Nothing was read yet: n8n's database at db:5432");
    expect(blindness({ ...NOW, is_stale: true })).toContain("Nothing was read since ");
    expect(blindness(NOW)).toBeNull();
  });
});

describe("words", () => {
  it("say what is known and no more", () => {
    expect(why({ ...INCIDENT, detail: "It should have run." })).toBe("It should have run.");
    expect(why({ ...INCIDENT, last_error: null, last_node: null })).toBe("n8n wrote down nothing of why.");
    expect(muteInWords({ workflow_id: "w", muted_until: null, reason: null, created_at: "" })).toBe("until you end it");
    expect(growthInWords(ADVICE)).toBe(
      "n8n keeps about 60,000 runs with 6.00 GB, 100 MB more each day; the oldest ended 60 days ago. On disk its tables take 8.00 GB.",
    );
  });
});
