/** The pages of containers with what the API may answer. */
import { act, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import { answering, show } from "../../test/render";
import { ContainerPage } from "./ContainerPage";
import { ContainersPage } from "./ContainersPage";
import { LogView } from "./LogView";

const CONTAINER = {
  id: "a".repeat(64),
  name: "n8n_main",
  image: "n8nio/n8n:latest",
  status: "running",
  health: "healthy",
  created_at: "2026-03-01T00:00:00Z",
  started_at: "2026-03-01T00:00:00Z",
  finished_at: null,
  exit_code: null,
  is_out_of_memory: false,
  restart_count: 2,
  compose_project: "n8n",
  compose_service: "main",
  is_own: false,
  usage: null,
  known_at: null,
  update: {
    image: "n8nio/n8n:latest",
    state: "available",
    local_digest: "sha256:1",
    registry_digest: "sha256:2",
    message: "The registry has another image under n8nio/n8n:latest.",
    checked_at: "2026-03-01T00:00:00Z",
  },
};
const STOPPED = {
  ...CONTAINER,
  id: "b".repeat(64),
  name: "n8n_worker",
  status: "stopped",
  health: "none",
  exit_code: 137,
  is_out_of_memory: true,
  update: null,
};
const ENGINE = { is_reachable: true, code: null, message: null, remedy: null };
const POLICY = { prefixes: ["n8n_"], names: [], projects: [], labels: [] };
const LIST = { items: [CONTAINER, STOPPED], engine: ENGINE, policy: POLICY, is_stale: false };
const DETAILS = {
  container: CONTAINER,
  image_id: "sha256:1",
  restart_policy: "always",
  memory_limit_bytes: 512_000_000,
  cpu_limit: null,
  user: "node",
  working_dir: "/",
  has_terminal: false,
  log_driver: "json-file",
  stop_seconds: 30,
  ports: [{ inside: "5678/tcp", outside: ["127.0.0.1:5678"] }],
  mounts: [{ kind: "volume", source: "n8n_data", target: "/home/node/.n8n", is_writable: true }],
  networks: [{ name: "n8n_default", ip_address: "172.18.0.2" }],
  environment: ["N8N_ENCRYPTION_KEY", "TZ"],
  checks: [{ at: "2026-03-01T00:00:00Z", exit_code: 1, output: "the queue does not answer" }],
  error: null,
};

/** An event source that the test speaks through. */
class Spoken {
  static all: Spoken[] = [];
  static CLOSED = 2;
  readyState = 1;
  onerror: (() => void) | null = null;
  onopen: (() => void) | null = null;
  listeners: Record<string, ((event: { data: string }) => void)[]> = {};
  isClosed = false;
  constructor(readonly url: string) {
    Spoken.all.push(this);
  }
  addEventListener(name: string, listener: (event: { data: string }) => void) {
    this.listeners[name] = [...(this.listeners[name] ?? []), listener];
  }
  close() {
    this.isClosed = true;
  }
  say(name: string, data: unknown) {
    for (const listener of this.listeners[name] ?? []) listener({ data: JSON.stringify(data) });
  }
  static of(part: string): Spoken {
    const found = Spoken.all.find((one) => one.url.includes(part) && !one.isClosed);
    if (!found) throw new Error(`no stream of ${part}`);
    return found;
  }
}

function speaking(answers: Record<string, unknown>) {
  const sent = answering(answers);
  Spoken.all = [];
  vi.stubGlobal("EventSource", Spoken);
  return sent;
}

/** Nothing is near: lines are counted and not drawn. */
class Far {
  observe() {}
  disconnect() {}
}

const moment = (second: number) => `2026-03-01T00:00:${String(second).padStart(2, "0")}.000000001Z`;

afterEach(() => vi.unstubAllGlobals());

describe("the list", () => {
  it("says how each is, and measures while it is shown", async () => {
    speaking({ "GET /api/containers": LIST });
    const { unmount } = show(ContainersPage, "/containers");
    const row = (await screen.findByText("n8n_main")).closest("tr") as HTMLElement;
    expect(within(row).getByText(/running/)).toBeTruthy();
    expect(within(row).getByText("update there")).toBeTruthy();
    expect(screen.getByText(/stopped · out of memory/)).toBeTruthy();
    expect(screen.getByText(/names that begin with n8n_/)).toBeTruthy();
    const usage = { id: CONTAINER.id, name: "n8n_main", cpu_percent: 12.4, cpus: 2, memory_bytes: 250_000_000 };
    act(() => Spoken.of("stats/live").say("stats", { at: "2026-03-01T00:00:00Z", items: [usage] }));
    expect(await within(row).findByText("12 %")).toBeTruthy();
    expect(within(row).getByText("250 MB")).toBeTruthy();
    unmount();
    expect(Spoken.all.every((one) => one.isClosed)).toBe(true);
  });

  it("says why Docker cannot be reached and what helps, with what was known last", async () => {
    const engine = {
      is_reachable: false,
      code: "docker_denied",
      message: "The Docker socket /var/run/docker.sock may not be used: permission denied.",
      remedy: "Add Flowkeep's user to the group docker and restart Flowkeep.",
    };
    speaking({ "GET /api/containers": { ...LIST, engine, is_stale: true } });
    show(ContainersPage, "/containers");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("permission denied");
    expect(alert.textContent).toContain("group docker");
    expect((screen.getByLabelText("Restart n8n_main") as HTMLButtonElement).disabled).toBe(true);
  });

  it("says what the policy is when nothing is there", async () => {
    speaking({ "GET /api/containers": { ...LIST, items: [] } });
    show(ContainersPage, "/containers");
    expect(await screen.findByText("No container of the project is there")).toBeTruthy();
    expect(screen.getAllByText("Change that in the settings").length).toBeGreaterThan(0);
  });

  it("shows an error with another try", async () => {
    const failure = { status: 500, body: { error: { code: "internal", message: "The log says what.", fields: {} } } };
    speaking({ "GET /api/containers": failure });
    show(ContainersPage, "/containers");
    expect(await screen.findByText("The log says what.")).toBeTruthy();
    expect(screen.getByText("Try again")).toBeTruthy();
  });

  it("asks before it stops one, and names the container it saw", async () => {
    const sent = speaking({ "GET /api/containers": LIST, "POST /api/containers/n8n_main/stop": STOPPED });
    show(ContainersPage, "/containers");
    fireEvent.click(await screen.findByLabelText("Stop n8n_main"));
    expect(await screen.findByText(/executions that have not ended are cut off/)).toBeTruthy();
    expect(sent.some((one) => one.method === "POST")).toBe(false);
    fireEvent.click(screen.getByRole("button", { name: "Stop" }));
    await waitFor(() => {
      const post = sent.find((one) => one.method === "POST");
      expect(post?.path).toBe(`/api/containers/n8n_main/stop?id=${CONTAINER.id}`);
    });
  });
});

describe("a container", () => {
  it("shows what it is and no value of its environment", async () => {
    speaking({ "GET /api/containers/n8n_main": DETAILS });
    show(ContainerPage, "/containers/n8n_main", "/containers/$name");
    expect(await screen.findByText("the queue does not answer")).toBeTruthy();
    expect(screen.getByText(/127.0.0.1:5678/)).toBeTruthy();
    expect(screen.getByText(/N8N_ENCRYPTION_KEY/)).toBeTruthy();
  });

  it("asks at once what somebody came for, and only that which can be done", async () => {
    const sent = speaking({
      "GET /api/containers/n8n_main": DETAILS,
      "POST /api/containers/n8n_main/restart": CONTAINER,
    });
    const first = show(ContainerPage, "/containers/n8n_main?ask=start", "/containers/$name");
    await screen.findByLabelText("Restart n8n_main");
    expect(screen.queryByText(/\?$/)).toBeNull();
    first.unmount();
    show(ContainerPage, "/containers/n8n_main?ask=restart", "/containers/$name");
    expect(await screen.findByText("Restart n8n_main?")).toBeTruthy();
    expect(sent.some((one) => one.method === "POST")).toBe(false);
    fireEvent.click(screen.getByRole("button", { name: "Restart" }));
    await waitFor(() => expect(sent.some((one) => one.path.includes("n8n_main/restart?id="))).toBe(true));
    // Answered: it is not asked again.
    await waitFor(() => expect(screen.queryByText("Restart n8n_main?")).toBeNull());
  });

  it("asks the registry when somebody asks", async () => {
    const update = { ...CONTAINER.update, state: "unreachable", message: "The registry does not answer: no such host" };
    const sent = speaking({ "GET /api/containers/n8n_main": DETAILS, "GET /api/containers/n8n_main/update": update });
    show(ContainerPage, "/containers/n8n_main", "/containers/$name");
    const button = await screen.findByText("Ask again");
    expect(sent.some((one) => one.path.includes("/update"))).toBe(false);
    fireEvent.click(button);
    expect(await screen.findByText(/no such host/)).toBeTruthy();
    expect(screen.getByText("registry away")).toBeTruthy();
  });
});

describe("the log", () => {
  it("shows lines as they come, those of several containers in turn", async () => {
    speaking({});
    show(() => <LogView names={["n8n_main", "n8n_worker"]} />);
    await waitFor(() => Spoken.of("names=n8n_main%2Cn8n_worker"));
    const stream = Spoken.of("logs/follow");
    act(() => {
      stream.say("history", { container: "n8n_main", lines: [{ at: moment(1), stream: "stdout", text: "first" }] });
      stream.say("history", { container: "n8n_worker", lines: [{ at: moment(0), stream: "stderr", text: "before" }] });
      stream.say("lines", {
        container: "n8n_main",
        lines: [{ at: moment(2), stream: "stdout", text: "\u001b[31mERROR\u001b[0m no disk", cut_bytes: 2_000_000 }],
      });
      stream.say("dropped", { container: "n8n_main", lines: 7 });
    });
    expect(await screen.findByText("first")).toBeTruthy();
    const log = screen.getByLabelText("Log");
    expect(log.textContent).toMatch(/before.*first.*ERROR no disk … cut: 2,000,000 bytes/);
    expect(screen.getByText(/7 lines are missing: they came faster/)).toBeTruthy();
    const coloured = screen.getByText("ERROR").closest("[data-level]");
    expect(coloured?.getAttribute("data-level")).toBe("error");
  });

  it("asks for a day from its beginning on, and says when that is not all of it", async () => {
    speaking({});
    vi.stubGlobal("IntersectionObserver", Far);
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("tail=500"));
    expect(Spoken.of("tail=500").url).not.toContain("since");
    const lines = Array.from({ length: 10_000 }, (_, n) => ({ at: moment(1), stream: "stdout", text: `line ${n}` }));
    act(() =>
      Spoken.of("tail=500").say("history", { container: "n8n_main", lines: lines.slice(0, 500), is_cut: false }),
    );
    await screen.findByText("500 lines");
    expect(screen.queryByText(/only the newest/)).toBeNull();
    fireEvent.click(await screen.findByRole("combobox", { name: "Show" }));
    fireEvent.click(await screen.findByText("Last day"));
    await waitFor(() => Spoken.of("tail=10000"));
    const stream = Spoken.of("tail=10000");
    const since = new URL(stream.url, "http://localhost").searchParams.get("since");
    const ago = Date.now() - Date.parse(since ?? "");
    expect(ago).toBeGreaterThanOrEqual(86_400_000);
    expect(ago).toBeLessThan(86_460_000);
    act(() => stream.say("history", { container: "n8n_main", lines: lines.slice(1), is_cut: false }));
    await screen.findByText("9,999 lines");
    expect(screen.queryByText(/only the newest/)).toBeNull();
  });

  it.each([
    [10_000, false],
    [3, true],
  ])("says that older lines of the day are left out: %i lines, cut %s", async (length, is_cut) => {
    speaking({});
    vi.stubGlobal("IntersectionObserver", Far);
    show(() => <LogView names={["n8n_main"]} />);
    fireEvent.click(await screen.findByRole("combobox", { name: "Show" }));
    fireEvent.click(await screen.findByText("Last day"));
    await waitFor(() => Spoken.of("tail=10000"));
    const lines = Array.from({ length }, (_, n) => ({ at: moment(1), stream: "stdout", text: `line ${n}` }));
    act(() => Spoken.of("tail=10000").say("history", { container: "n8n_main", lines, is_cut }));
    expect(
      await screen.findByText(/only the newest lines: at most 10,000, and 8 MB. Download has them all/),
    ).toBeTruthy();
  });

  it("finds, opens JSON and filters by stream", async () => {
    speaking({});
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("logs/follow"));
    const stream = Spoken.of("logs/follow");
    const say = (second: number, text: string, stream_ = "stdout") =>
      act(() => stream.say("lines", { container: "n8n_main", lines: [{ at: moment(second), stream: stream_, text }] }));
    say(1, "needle in hay");
    say(2, "nothing", "stderr");
    say(3, '{"deep":{"er":1}}');
    await screen.findByText("nothing");
    fireEvent.change(screen.getByLabelText("Search"), { target: { value: "n[e]+dle" } });
    fireEvent.click(screen.getByLabelText("Regular expression"));
    expect((await screen.findByText("needle")).className).toContain("found");
    expect(screen.getByText(/1 lines? with|, 1 with/)).toBeTruthy();
    fireEvent.click(screen.getByLabelText("Only what is found"));
    await waitFor(() => expect(screen.queryByText("nothing")).toBeNull());
    fireEvent.change(screen.getByLabelText("Search"), { target: { value: "(" } });
    expect(await screen.findByText(/No expression/)).toBeTruthy();
    fireEvent.change(screen.getByLabelText("Search"), { target: { value: "" } });
    fireEvent.click(await screen.findByLabelText("Show as JSON"));
    expect(screen.getByText(/"er": 1/).tagName).toBe("PRE");
    fireEvent.click(screen.getByText("stderr"));
    await waitFor(() => expect(screen.queryByText("needle in hay")).toBeNull());
    const link = screen.getByText("Download").closest("a");
    expect(link?.getAttribute("href")).toBe("/api/containers/n8n_main/logs/download?stream=stderr");
  });

  it("looks through older lines too, until what is looked for is another", async () => {
    const found = {
      id: CONTAINER.id,
      items: [{ at: moment(1), stream: "stderr", text: "an old needle" }],
      is_cut: true,
      is_unfinished: false,
      looked_at: 50_000,
    };
    const sent = speaking({ "GET /api/containers/n8n_main/logs": found });
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("logs/follow"));
    act(() =>
      Spoken.of("logs/follow").say("lines", {
        container: "n8n_main",
        lines: [{ at: moment(9), stream: "stdout", text: "hay" }],
      }),
    );
    await screen.findByText("hay");
    const button = screen.getByRole("button", { name: "Search older lines too" });
    expect(button.hasAttribute("disabled")).toBe(true);
    fireEvent.change(screen.getByLabelText("Search"), { target: { value: "needle" } });
    fireEvent.click(button);
    expect(await screen.findByText("needle")).toBeTruthy();
    expect(screen.queryByText("hay")).toBeNull();
    expect(screen.getByText(/50,000 lines looked through: 1 line, 1 with “needle”/)).toBeTruthy();
    expect(screen.getByText(/There may be more/)).toBeTruthy();
    expect(sent.at(-1)?.path).toBe("/api/containers/n8n_main/logs?tail=10000&search=needle&regex=false");
    const link = screen.getByText("Download").closest("a");
    expect(link?.getAttribute("href")).toBe("/api/containers/n8n_main/logs/download?search=needle&regex=false");
    fireEvent.change(screen.getByLabelText("Search"), { target: { value: "needles" } });
    expect(await screen.findByText("hay")).toBeTruthy();
  });

  it("says that lines may be missing after its own connection was away for longer than the lines reach back", async () => {
    speaking({});
    vi.stubGlobal("IntersectionObserver", Far);
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("tail=500"));
    const of = (second: number) =>
      Array.from({ length: 500 }, (_, n) => ({ at: moment(second), stream: "stdout", text: `${second} ${n}` }));
    const history = (second: number) =>
      act(() => Spoken.of("tail=500").say("history", { container: "n8n_main", lines: of(second), is_cut: false }));
    history(1);
    history(1);
    await screen.findByText("500 lines");
    expect(screen.queryByText(/Lines may be missing/)).toBeNull();
    history(2);
    await screen.findByText("1,000 lines");
    expect(screen.getByText(/Lines may be missing: the connection to Flowkeep was away/)).toBeTruthy();
  });

  it("pauses, says how much came meanwhile, and goes on", async () => {
    speaking({});
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("logs/follow"));
    const stream = Spoken.of("logs/follow");
    const say = (second: number, text: string) =>
      act(() =>
        stream.say("lines", { container: "n8n_main", lines: [{ at: moment(second), stream: "stdout", text }] }),
      );
    say(1, "before");
    await screen.findByText("before");
    fireEvent.click(screen.getByText("Pause"));
    say(4, "later");
    expect(await screen.findByText(/1 more came since you paused/)).toBeTruthy();
    expect(screen.queryByText("later")).toBeNull();
    fireEvent.click(screen.getByText("Follow"));
    expect(await screen.findByText("later")).toBeTruthy();
  }, 20_000);

  it("f61: says that Docker is away, and that a container is gone", async () => {
    speaking({});
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("logs/follow"));
    const stream = Spoken.of("logs/follow");
    const remedy = "Start the Docker engine: systemctl start docker.";
    act(() => stream.say("state", { container: "n8n_main", state: "down", message: "It does not answer.", remedy }));
    expect(await screen.findByText(remedy)).toBeTruthy();
    act(() => stream.say("state", { container: "n8n_main", state: "gone" }));
    expect(await screen.findByText(/removed, renamed/)).toBeTruthy();
    expect(screen.queryByText(remedy)).toBeNull();
  });

  it("says why a stream is refused", async () => {
    const refusal = {
      status: 404,
      body: { error: { code: "not_found", message: "There is no such container.", fields: {} } },
    };
    speaking({ "GET /api/containers/n8n_main/logs": refusal });
    show(() => <LogView names={["n8n_main"]} />);
    await waitFor(() => Spoken.of("logs/follow"));
    const stream = Spoken.of("logs/follow");
    stream.readyState = Spoken.CLOSED;
    act(() => stream.onerror?.());
    expect(await screen.findByText("There is no such container.")).toBeTruthy();
  });
});
