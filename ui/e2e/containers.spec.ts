/** Real containers of a real Docker engine, which goes and comes back. scripts/e2e-containers sets it up. */
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { connect, createServer, type Socket } from "node:net";
import { expect, type Page, test } from "@playwright/test";
import { go, look, overflow } from "./page";

const engine = process.env.FLOWKEEP_TEST_DOCKER?.replace("unix://", "");
const gate = process.env.FLOWKEEP_ENGINE_GATE ?? "";
const password = process.env.FLOWKEEP_STORY_PASSWORD ?? "";
/** What both containers run: it ends at once when it is asked to. */
const WAITS = "while :; do read -t 1 <> <(:); done";
const TALKS = `trap 'exit 0' TERM
printf '<b>bold</b> <script>document.title="taken"</script>\\n\\033]0;title\\007\\033[31mred\\033[0m\\033[2J\\n'
printf 'warning: the queue is long\\n' >&2
i=0; while :; do i=$((i+1)); echo "line $i."; read -t 0.7 <> <(:); done`;

test.skip(!engine, "needs Docker: run scripts/e2e-containers");

/** Asks the engine itself. */
function docker(method: string, path: string, body?: unknown): Promise<{ Id?: string }> {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/json" };
    const asked = request({ socketPath: engine, method, path, headers }, (answer) => {
      let text = "";
      answer.on("data", (piece) => {
        text += piece;
      });
      answer.on("end", () => {
        if ((answer.statusCode ?? 500) >= 400) reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
        else resolve(text ? JSON.parse(text) : {});
      });
    });
    asked.on("error", reject);
    asked.end(body ? JSON.stringify(body) : undefined);
  });
}

async function run(name: string, script: string) {
  const body = {
    Image: "pgvector/pgvector:pg16",
    Entrypoint: ["bash", "-c", script],
    Env: ["N8N_ENCRYPTION_KEY=not to be shown"],
    HostConfig: { NetworkMode: "none" },
  };
  await docker("POST", `/containers/create?name=${name}`, body);
  await docker("POST", `/containers/${name}/start`);
}

/** The socket that Flowkeep knows: the engine's, while it is open. */
class Gate {
  private server = createServer((near) => {
    const far = connect(engine ?? "");
    for (const one of [near, far]) {
      this.open.add(one);
      one.on("error", () => one.destroy());
      one.on("close", () => {
        near.destroy();
        far.destroy();
        this.open.delete(one);
      });
    }
    near.pipe(far).pipe(near);
  });
  private open = new Set<Socket>();

  listen(): Promise<void> {
    return new Promise((resolve) => this.server.listen(gate, resolve));
  }

  /** As when the engine is stopped: what is open breaks, and the socket is gone. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const one of this.open) one.destroy();
    return closed;
  }
}

/** Numbers of the lines that the log shows, in its order. */
async function numbers(page: Page): Promise<number[]> {
  const text = await page.getByRole("region", { name: "Log" }).innerText();
  return [...text.matchAll(/line (\d+)\./g)].map((found) => Number(found[1]));
}

test("containers are shown, followed, stopped and started, with an engine that goes in the middle", async ({
  page,
}) => {
  await run("n8n_talks", TALKS);
  await run("n8n_idle", `trap 'exit 0' TERM; ${WAITS}`);
  await run("somebody_elses", WAITS);
  const socket = new Gate();

  // No engine at all: said, with what helps, and nothing else of the page suffers.
  await page.goto("/");
  await page.getByLabel("User name").fill("admin");
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await go(page, "Containers");
  const alert = page.getByRole("alert").filter({ hasText: "Docker cannot be reached" });
  await expect(alert.getByText("There is no Docker engine at", { exact: false })).toBeVisible();
  await expect(alert.getByText("Install and start Docker", { exact: false })).toBeVisible();
  await look(page, "containers-no-engine");

  // It comes: the page finds it by itself.
  await socket.listen();
  const talks = page.getByRole("row", { name: /n8n_talks/ });
  await expect(talks.getByText("running", { exact: true })).toBeVisible({ timeout: 60_000 });
  await expect(alert).toHaveCount(0);
  await expect(page.getByRole("link", { name: "somebody_elses" })).toHaveCount(0);
  const others = await page.evaluate(async () => {
    const names = ["somebody_elses", "..%2Fn8n_talks", "n8n_talks%2F..%2Fsomebody_elses"];
    return Promise.all(names.map(async (name) => (await fetch(`/api/containers/${name}`)).status));
  });
  expect(others.every((status) => status === 404 || status === 422)).toBe(true);
  await expect(talks.getByText(/^[\d.]+ %$/)).toBeVisible();
  await expect(talks.getByText(/^[\d.]+ [kM]B$/)).toBeVisible();
  await look(page, "containers");

  // Its facts, without what its environment holds.
  await page.getByRole("link", { name: "n8n_talks" }).click();
  await expect(page.getByText("N8N_ENCRYPTION_KEY", { exact: false })).toBeVisible();
  await expect(page.getByText("not to be shown", { exact: false })).toHaveCount(0);
  await look(page, "container");

  // Its log: hostile bytes are letters, colours are kept, lines come.
  await page.getByRole("tab", { name: "Logs" }).click();
  const log = page.getByRole("region", { name: "Log" });
  await expect(log.getByText('<script>document.title="taken"</script>', { exact: false })).toBeVisible();
  expect(await page.title()).not.toContain("taken");
  const red = log.getByText("red", { exact: true });
  expect(await red.evaluate((text) => getComputedStyle(text).color)).not.toBe(
    await log.evaluate((text) => getComputedStyle(text).color),
  );
  await expect(log.getByText("warning: the queue is long")).toBeVisible();
  const before = (await numbers(page)).at(-1) ?? 0;
  await expect.poll(async () => (await numbers(page)).at(-1)).toBeGreaterThan(before + 5);
  await page.getByRole("button", { name: "Pause" }).click();
  await expect(page.getByText(/more came since you paused/)).toBeVisible();
  await look(page, "container-log");
  await page.getByRole("button", { name: "Follow", exact: true }).click();

  // The engine goes and comes back: said, and no line is missing or shown twice.
  await socket.close();
  await expect(alert).toBeVisible({ timeout: 60_000 });
  await expect(alert.getByText("the lines go on where they were", { exact: false })).toBeVisible();
  await look(page, "container-log-down");
  const seen = (await numbers(page)).at(-1) ?? 0;
  await socket.listen();
  await expect.poll(async () => (await numbers(page)).at(-1), { timeout: 60_000 }).toBeGreaterThan(seen + 20);
  await expect(alert).toHaveCount(0);
  const all = await numbers(page);
  expect(all.filter((number, index) => index > 0 && number !== (all[index - 1] ?? 0) + 1)).toEqual([]);

  // Only what is found, and the file.
  await page.getByRole("textbox", { name: "Search", exact: true }).fill("queue");
  await page.getByLabel("Only what is found").check();
  await expect.poll(() => numbers(page)).toEqual([]);
  await expect(log.getByText("warning: the queue is long")).toBeVisible();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toBe("n8n_talks.log");
  expect(readFileSync(await file.path(), "utf8")).toMatch(/Z stderr warning: the queue is long\n/);
  await page.getByLabel("Only what is found").uncheck();

  // Stopped and started, asked first; the log says so and goes on.
  await page.getByRole("button", { name: "Stop n8n_talks" }).click();
  const sure = page.getByRole("dialog");
  await expect(sure.getByText("It stays stopped until somebody starts it", { exact: false })).toBeVisible();
  await look(page, "container-stop");
  await sure.getByRole("button", { name: "Stop" }).click();
  await expect(page.getByText("does not run; its next lines come when it does", { exact: false })).toBeVisible();
  await page.getByRole("button", { name: "Start n8n_talks" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await expect(page.getByText("n8n_talks was started.")).toBeVisible();
  await expect(page.getByText("does not run; its next lines come when it does", { exact: false })).toHaveCount(0);
  await expect.poll(async () => (await numbers(page)).lastIndexOf(1)).toBeGreaterThan(0);

  // What it uses, and the overview of the box.
  await page.getByRole("tab", { name: "Use" }).click();
  await expect(page.getByRole("img", { name: /Processor|CPU/ }).first()).toBeVisible();
  await look(page, "container-use");
  await go(page, "Overview");
  await expect(page.getByText("2 of 2", { exact: false }).first()).toBeVisible();
  await go(page, "Audit log");
  await expect(page.getByRole("button", { name: "container.stop_requested" }).first()).toBeVisible();

  // Several logs together; dark, and on a phone.
  await page.emulateMedia({ colorScheme: "dark" });
  await page.goto("/containers?logs=n8n_talks,n8n_idle");
  await expect(page.getByRole("heading", { name: "Logs of n8n_talks, n8n_idle" })).toBeVisible();
  await expect.poll(async () => (await numbers(page)).length).toBeGreaterThan(5);
  await look(page, "containers-dark");
  await page.setViewportSize({ width: 390, height: 844 });
  for (const [name, path] of [
    ["containers", "/containers"],
    ["container", "/containers/n8n_talks"],
    ["container-log", "/containers/n8n_talks?tab=logs"],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await look(page, `phone-${name}`);
    expect(await overflow(page), `${path} is wider than a phone`).toBeLessThanOrEqual(0);
  }
  await socket.close();
});
