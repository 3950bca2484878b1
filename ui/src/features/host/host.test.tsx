/** The page of the machine, and what it makes of numbers. */
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { act } from "react";
import { describe, expect, it, vi } from "vitest";
import { answering, show } from "../../test/render";
import { HostPage } from "./HostPage";
import { forecastInWords, historyOf, linesOf, percentOf, summary, traffic, withHighest } from "./lines";
import type { Forecast, Sample } from "./queries";

const SAMPLE: Sample = {
  at: "2026-11-22T12:00:00Z",
  cpu: { percent: 12.4, iowait_percent: 0, steal_percent: 0, load: [0.5, 0.4, 0.3], cores: 8, limit_cores: 1.5 },
  memory: {
    total_bytes: 2_000_000_000,
    used_bytes: 1_000_000_000,
    available_bytes: 1_000_000_000,
    percent: 50,
    is_limited: true,
    swap_total_bytes: 0,
    swap_used_bytes: 0,
  },
  disks: [
    {
      mount: "/",
      device: "/dev/vda",
      kind: "ext4",
      total_bytes: 100e9,
      used_bytes: 88e9,
      free_bytes: 12e9,
      percent: 88,
    },
  ],
  failing_disks: [],
  network_is_own: false,
  network: [
    { name: "eth0", rx_bytes_per_second: 1000, tx_bytes_per_second: 10 },
    { name: "eth1", rx_bytes_per_second: 500, tx_bytes_per_second: null },
  ],
  temperatures: [{ sensor: "coretemp", celsius: 41 }],
  shares: [
    {
      mount: "/mnt/nas",
      source: "nas:/x",
      kind: "nfs4",
      status: "error",
      problem: "no answer for 5 s",
      latency_ms: null,
      total_bytes: null,
      free_bytes: null,
    },
  ],
};
const OVERVIEW = {
  sample: SAMPLE,
  n8n: { is_up: false, problem: "connection refused", latency_ms: 3, database_bytes: null },
  conditions: [
    { name: "disk_warning:/", state: "raised", pending: null, changed_at: SAMPLE.at, detail: null },
    { name: "share:/mnt/nas", state: "error", pending: null, changed_at: SAMPLE.at, detail: "no answer for 5 s" },
    { name: "cpu", state: "normal", pending: null, changed_at: SAMPLE.at, detail: null },
  ],
  thresholds: {
    cpu_percent: 90,
    memory_percent: 90,
    disk_warning_percent: 85,
    disk_critical_percent: 95,
    margin: 3,
    raise_minutes: 5,
    clear_minutes: 5,
  },
};
const FORECAST: Forecast = {
  mount: "/",
  is_share: false,
  total_bytes: 100e9,
  free_bytes: 12e9,
  outcome: "full",
  known_hours: null,
  bytes_per_day: 3e9,
  days: 4,
  soonest_days: 3,
  latest_days: 6,
};
const HISTORY = {
  step_seconds: 600,
  times: [600, 1200, 1800],
  series: [
    { name: "cpu.percent", average: [10, null, 30], highest: [50, null, 60] },
    { name: "network.rx:eth0", average: [1, null, 3], highest: [1, null, 3] },
    { name: "network.rx:eth1", average: [2, null, null], highest: [2, null, null] },
  ],
};
const BASE = {
  "GET /api/system/overview": OVERVIEW,
  "GET /api/system/history": HISTORY,
  "GET /api/system/forecast": { items: [FORECAST] },
  "GET /api/system/n8n-database": {
    status: 409,
    body: { error: { code: "n8n_not_configured", message: "no n8n", fields: {} } },
  },
};

describe("the machine", () => {
  it("is shown with its limits, what needs a look, and how long disks last", async () => {
    answering(BASE);
    show(HostPage);
    expect(await screen.findByText("1.5 of 8 cores, load 0.50 0.40 0.30")).toBeTruthy();
    expect(screen.getByText("1.00 GB of 2.00 GB (the container's limit)")).toBeTruthy();
    const alert = screen.getByRole("alert");
    expect(alert.textContent).toContain("/ is filling up.");
    expect(alert.textContent).toContain("The share /mnt/nas fails: no answer for 5 s.");
    expect(alert.textContent).not.toContain("processor");
    expect(screen.getByText("Does not answer")).toBeTruthy();
    expect(await screen.findByText("It grows by 3.00 GB a day and is full in 4 days (between 3 and 6).")).toBeTruthy();
    expect(await screen.findByLabelText("Processor: Busy 30 %, Highest 60 %")).toBeTruthy();
    expect(screen.queryByText("n8n's database")).toBeNull();
    expect(screen.getByText("Change the thresholds")).toBeTruthy();
  });

  it("shows a disk that fails beside those that answer", async () => {
    const failing = [{ mount: "/data", device: "/dev/sdb1", kind: "xfs", problem: "no answer for 2 s" }];
    answering({
      ...BASE,
      "GET /api/system/overview": { ...OVERVIEW, conditions: [], sample: { ...SAMPLE, failing_disks: failing } },
    });
    show(HostPage);
    expect((await screen.findByRole("alert")).textContent).toContain("The disk /data fails: no answer for 2 s.");
    expect(screen.getByText("/dev/sdb1, xfs")).toBeTruthy();
  });

  it("shows how full a share is and how long it lasts, also where a disk is mounted below it", async () => {
    const share = { status: "connected" as const, problem: null, latency_ms: 4, total_bytes: 100e9, free_bytes: 9e9 };
    const shares = SAMPLE.shares.map((one) => ({ ...one, ...share, mount: "/" }));
    const raised = { state: "raised", pending: null, changed_at: SAMPLE.at, detail: null };
    const conditions = [
      { ...raised, name: "share_warning:/" },
      { ...raised, name: "share_critical:/mnt/b" },
    ];
    const items = [
      FORECAST,
      { ...FORECAST, is_share: true, bytes_per_day: 1e9, days: 9, soonest_days: 8, latest_days: 12 },
    ];
    answering({
      ...BASE,
      "GET /api/system/overview": { ...OVERVIEW, conditions, sample: { ...SAMPLE, shares } },
      "GET /api/system/forecast": { items },
    });
    show(HostPage);
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("The share / is filling up.");
    expect(alert.textContent).toContain("The share /mnt/b is nearly full.");
    expect(screen.getByText("4.0 ms, 91 %, 9.00 GB of 100 GB free")).toBeTruthy();
    expect(await screen.findByText("It grows by 3.00 GB a day and is full in 4 days (between 3 and 6).")).toBeTruthy();
    expect(screen.getByText("It grows by 1.00 GB a day and is full in 9 days (between 8 and 12).")).toBeTruthy();
  });

  it("says that a container sees only its own traffic", async () => {
    answering({ ...BASE, "GET /api/system/overview": { ...OVERVIEW, sample: { ...SAMPLE, network_is_own: true } } });
    show(HostPage);
    expect(await screen.findByText(/the traffic is Flowkeep's, and the machine's is not known/)).toBeTruthy();
    expect(screen.getByText(/over eth0, eth1; only of Flowkeep's container/)).toBeTruthy();
  });

  it("is followed live while it is shown, and no longer", async () => {
    answering(BASE);
    const listeners: ((event: { data: string }) => void)[] = [];
    const close = vi.fn();
    vi.stubGlobal(
      "EventSource",
      class {
        addEventListener(_: string, listener: (event: { data: string }) => void) {
          listeners.push(listener);
        }
        close = close;
      },
    );
    const { unmount } = show(HostPage);
    await screen.findByText("12 %");
    const tell = (percent: number, at: string) =>
      act(() => {
        const sample = { ...SAMPLE, at, cpu: { ...SAMPLE.cpu, percent } };
        for (const listener of listeners) listener({ data: JSON.stringify(sample) });
      });
    tell(77, "2026-11-22T12:00:02Z");
    expect(await screen.findByText("77 %")).toBeTruthy();
    tell(78, "2026-11-22T12:00:04Z");
    fireEvent.click(screen.getByRole("radio", { name: "Live" }));
    expect(await screen.findByLabelText("Processor: Busy 78 %")).toBeTruthy();
    unmount();
    expect(close).toHaveBeenCalled();
  });

  it("says what went wrong, and that nothing is known yet", async () => {
    const failure = { status: 500, body: { error: { code: "internal", message: "The log says what.", fields: {} } } };
    answering({ ...BASE, "GET /api/system/overview": failure });
    const { unmount } = show(HostPage);
    expect((await screen.findByRole("alert")).textContent).toContain("The log says what.");
    unmount();
    answering({ ...BASE, "GET /api/system/history": { step_seconds: 60, times: [], series: [] } });
    show(HostPage);
    await waitFor(() => expect(screen.getByText(/Nothing is known yet/)).toBeTruthy());
  });
});

describe("lines", () => {
  it("keep their holes and are named by what they are about", () => {
    expect(linesOf(HISTORY, "network.rx").series.map((one) => one.label)).toEqual(["eth0", "eth1"]);
    expect(traffic(HISTORY).series[0]?.values).toEqual([3, null, 3]);
    expect(withHighest(HISTORY, "cpu.percent", "Busy").series).toHaveLength(2);
    expect(withHighest({ ...HISTORY, step_seconds: 60 }, "cpu.percent", "Busy").series).toHaveLength(1);
    expect(withHighest(HISTORY, "no.such", "x").series).toEqual([]);
    expect(summary("CPU", linesOf(HISTORY, "cpu.percent", "Busy"), percentOf)).toBe("CPU: Busy 30 %");
  });

  it("are made of live looks as of stored ones", () => {
    const later = { ...SAMPLE, at: "2026-11-22T12:00:02Z", disks: [] };
    const history = historyOf([SAMPLE, later]);
    expect(history.times[1]).toBe((history.times[0] ?? 0) + 2);
    expect(history.series.find((one) => one.name === "disk.percent:/")?.average).toEqual([88, null]);
  });
});

describe("a forecast", () => {
  it("is honest", () => {
    const words = (changes: Partial<Forecast>) => forecastInWords({ ...FORECAST, ...changes });
    expect(words({ outcome: "not_enough_data", known_hours: 5 })).toBe("Too little is known yet; ask again in 3 days.");
    expect(words({ outcome: "not_enough_data", known_hours: 60 })).toBe("Too little is known yet; ask again in a day.");
    expect(words({ outcome: "not_filling" })).toBe("It is not filling up.");
    expect(words({ days: 0.2, soonest_days: 0.2, latest_days: 0.2 })).toContain("is full within a day.");
    expect(words({ latest_days: null })).toBe("It grows by 3.00 GB a day and is full in 4 days.");
  });
});
