import { mkdtempSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, type Page, test } from "@playwright/test";
import { go, look, overflow, totp } from "./page";

const PASSWORD = "a long sentence for the story";

/** The machine as it is: real numbers that move, and what is known of n8n's runs. */
async function machine(page: Page) {
  await go(page, "Host");
  const memory = page.getByText(/GB of [\d.]+ GB/).first();
  await expect(memory).toBeVisible();
  await expect(page.getByRole("progressbar", { name: "/ in percent" })).toBeVisible();
  // The first sample is stored within a minute of the start.
  await expect(page.getByRole("img", { name: /^Processor: Busy \d+ %/ })).toBeVisible({ timeout: 70_000 });
  await page.getByText("Live", { exact: true }).click();
  await expect(page.getByRole("img", { name: /^Memory: Used \d+ %/ })).toBeVisible({ timeout: 20_000 });
  await expect(page.getByText("Too little is known yet", { exact: false }).first()).toBeVisible();
  await expect(page.getByText("execution_data", { exact: true })).toBeVisible();
  await look(page, "host");
  await go(page, "Watchdog");
  await expect(page.getByText("What executions take")).toBeVisible();
  await expect(page.getByText(/n8n keeps \d+ runs/)).toBeVisible({ timeout: 20_000 });
  await look(page, "watchdog");
}

/** A workflow that is broken by what somebody uploads, found in a backup, compared, and put back. */
async function workflows(page: Page) {
  await go(page, "Workflows");
  await expect(page.getByRole("link", { name: "Order intake" })).toBeVisible();
  await page.getByRole("checkbox", { name: "Choose Order intake" }).check();
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: /Export/ }).click();
  const file = await (await download).path();
  await look(page, "workflows");
  const flow = JSON.parse(readFileSync(file, "utf8"));
  flow.nodes[1].parameters.assignments.assignments[0].value = "broken";
  flow.nodes.pop();
  flow.name = "Order intake, broken";

  await page.getByRole("tab", { name: "Archives" }).click();
  await expect(page.getByText("No archive was uploaded yet")).toBeVisible();
  const picker = page.locator('input[type="file"]');
  await picker.setInputFiles({ name: "holiday.jpg", mimeType: "image/jpeg", buffer: Buffer.from("not a photo") });
  await expect(page.getByText("It is none of the archives that can be read", { exact: false })).toBeVisible();
  await picker.setInputFiles({
    name: "broken.json",
    mimeType: "application/json",
    buffer: Buffer.from(JSON.stringify(flow)),
  });
  await page.getByRole("link", { name: "broken.json" }).click();
  await expect(page.getByRole("heading", { level: 1, name: /Workflows in/ })).toBeVisible();
  await page.getByRole("checkbox", { name: "Choose Order intake, broken" }).check();
  await page.getByRole("button", { name: /^Restore/ }).click();
  await putBack(page, "Order intake, broken", "workflows-wizard");

  await go(page, "Workflows");
  await page.getByRole("tab", { name: "Time machine" }).click();
  await page.getByRole("textbox", { name: "Search every backup" }).fill("order");
  await look(page, "workflows-search");
  await page.getByRole("link", { name: /Order intake/ }).click();
  await expect(page.getByText("From backup 1 to what n8n has now")).toBeVisible();
  await expect(page.getByText("broken", { exact: false }).first()).toBeVisible();
  const box = page.locator("[data-node] rect").nth(1);
  expect(await box.evaluate((rect) => getComputedStyle(rect).fill)).toBe("rgb(255, 255, 255)");
  await look(page, "workflow");
  await page.getByRole("button", { name: "Restore this version" }).click();
  await putBack(page, "Order intake");
  await expect(page.getByText("Nothing differs")).toBeVisible();
}

/** By keys alone: the palette, a letter for a page, the help; and what a browser needs to install it as an app. */
async function shell(page: Page) {
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Search and do" });
  await expect(palette.getByRole("option", { name: "Prove the newest backup" })).toBeVisible();
  await look(page, "palette");
  await page.keyboard.type("compress level");
  await expect(palette.getByRole("option", { name: /^Compression level/ })).toHaveAttribute("aria-selected", "true");
  await page.keyboard.press("Enter");
  await expect(page.getByText("Compression level", { exact: true })).toBeFocused();
  await page.keyboard.press("g");
  await page.keyboard.press("b");
  await expect(page.getByRole("heading", { level: 1, name: "Backups" })).toBeFocused();
  await page.keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keyboard" });
  await expect(help.getByRole("row", { name: /Audit log/ })).toBeVisible();
  await look(page, "keyboard");
  await help.getByRole("switch").uncheck();
  await page.keyboard.press("Escape");
  await expect(help).toBeHidden();
  await page.keyboard.press("g");
  await page.keyboard.press("o");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("keyboard");
  await page.keyboard.press("Enter");
  await help.getByRole("switch").check();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("heading", { level: 1, name: "Backups" })).toBeVisible();

  const browser = await page.context().newCDPSession(page);
  const { installabilityErrors } = await browser.send("Page.getInstallabilityErrors");
  // Here every window is one that leaves no trace, in which nothing can be installed.
  expect(installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito")).toEqual([]);
  const manifest = await browser.send("Page.getAppManifest");
  expect(manifest.errors).toEqual([]);
  expect(JSON.parse(manifest.data ?? "{}")).toMatchObject({ id: "/", display: "standalone", start_url: "/" });
  for (const { src, sizes, type } of JSON.parse(manifest.data ?? "{}").icons) {
    const icon = await page.request.get(src);
    expect([src, sizes, icon.status(), icon.headers()["content-type"]]).toEqual([src, sizes, 200, type]);
  }
  expect((await page.request.get("/manifest.webmanifest")).headers()["content-type"]).toBe("application/manifest+json");

  // What stands in when Flowkeep is away keeps nothing of Flowkeep's own.
  await expect
    .poll(() => page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.active?.state))
    .toBe("activated");
  const kept = await page.evaluate(async () => {
    const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const requests = await Promise.all(caches_.map((cache) => cache.keys()));
    return requests.flat().map(({ url }) => new URL(url).pathname);
  });
  expect(kept.sort()).toEqual(["/favicon.svg", "/offline.html", "/offline.js"]);
  await page.goto("/offline.html");
  await look(page, "offline");
  await page.goto("/");
}

type Told = { type: string; data: { title: string; message: string } };

/** A server of somebody's own, to which messages go. */
async function receiver() {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      told.push(JSON.parse(body) as Told);
      response.end("thank you");
    });
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  return { told, url: `http://127.0.0.1:${port}/hook`, close: () => server.close() };
}

/** A webhook that is told what happens: added, tested, given a rule, and deleted again. */
async function notifications(page: Page) {
  const hook = await receiver();
  await go(page, "Notifications");
  await expect(page.getByText("Nobody is told anything yet")).toBeVisible();
  await look(page, "notifications-empty");
  await page.getByRole("tab", { name: "Rules" }).click();
  await expect(page.getByText("Rules need somebody to tell")).toBeVisible();
  await page.getByRole("link", { name: "Add a service first" }).click();

  // Its own address is private: that is said, and can be allowed at once.
  await page.getByRole("button", { name: "Add a service" }).click();
  const adding = page.getByRole("dialog");
  await adding.getByRole("textbox", { name: "Or choose a service" }).fill("webhook");
  await look(page, "notifications-gallery");
  await adding.getByRole("button", { name: "Webhook", exact: true }).click();
  await adding.getByRole("button", { name: "Add", exact: true }).click();
  await expect(adding.getByText("is missing", { exact: false })).toBeVisible();
  await adding.getByRole("textbox", { name: "Name" }).fill("My server");
  await adding.getByRole("textbox", { name: "URL" }).fill(hook.url);
  await adding.getByRole("button", { name: "Send a test" }).click();
  await expect(adding.getByText("is a private address", { exact: false })).toBeVisible();
  await adding.getByRole("button", { name: "Allow private networks" }).click();
  await adding.getByRole("button", { name: "Allow and try again" }).click();
  await expect(adding.getByText("Delivered", { exact: true })).toBeVisible();
  expect(hook.told.map((one) => one.type)).toEqual(["test.message"]);
  await look(page, "notifications-service");
  await adding.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByRole("heading", { name: "My server" })).toBeVisible();
  await page.getByRole("button", { name: "Send a test" }).click();
  await expect(page.getByText("Tested well")).toBeVisible();
  await look(page, "notifications-services");

  // A secret that is kept is not asked for again.
  await page.getByRole("button", { name: "Acts on My server" }).click();
  await page.getByRole("menuitem", { name: "Change" }).click();
  await expect(page.getByPlaceholder("kept; type to replace")).toBeVisible();
  await page.getByRole("textbox", { name: "Name" }).fill("The server");
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("heading", { name: "The server" })).toBeVisible();

  // A rule of those worth having, and what another would have done.
  await page.getByRole("tab", { name: "Rules" }).click();
  await page.getByRole("button", { name: "Add the rule Settings that change" }).click();
  await expect(page.getByText("Settings changed → The server; low priority")).toBeVisible();
  await look(page, "notifications-rules");
  await page.getByRole("button", { name: "New rule" }).click();
  const rule = page.getByRole("dialog");
  await rule.getByRole("textbox", { name: "Name" }).fill("Proofs");
  await rule.getByRole("combobox", { name: "What happens" }).click();
  await page.getByRole("option", { name: "Backup proven" }).click();
  await rule.getByRole("combobox", { name: "How bad at least" }).click();
  await page.getByRole("option", { name: "Whatever it is" }).click();
  await rule.getByRole("button", { name: "How often" }).click();
  await rule.getByRole("textbox", { name: "Silent after a message, minutes" }).fill("99999");
  await rule.getByRole("button", { name: "Save" }).click();
  await expect(rule.getByText("must be between 0 and 43200", { exact: false }).first()).toBeVisible();
  await rule.getByRole("textbox", { name: "Silent after a message, minutes" }).fill("60");
  await rule.getByRole("button", { name: "Try it" }).click();
  await expect(rule.getByText(/It is for \d+ of \d+ events/)).toBeVisible();
  await look(page, "notifications-rule");
  await rule.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Backup proven → The server; at most once an hour for each thing")).toBeVisible();
  await page.getByRole("button", { name: "Proofs further up" }).click();
  await expect(page.getByRole("button", { name: "Proofs further up" })).toBeDisabled();

  // It happens, arrives, and stands in the history and in the bell.
  await go(page, "Settings");
  await page.getByLabel("How long history stays").fill("91");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("the default is 90", { exact: false })).toBeVisible();
  await expect
    .poll(() => hook.told.find((one) => one.data.message.includes("notifications.history_days"))?.type)
    .toBe("management.settings_changed");
  await go(page, "Notifications");
  await page.getByRole("tab", { name: "History" }).click();
  const row = page.getByRole("row", { name: /Settings changed/ }).first();
  await expect(row.getByText("Sent")).toBeVisible();
  await look(page, "notifications-history");
  await row.getByRole("button", { name: "Settings changed" }).click();
  await expect(page.getByRole("dialog").getByText("thank you")).toBeVisible();
  await look(page, "notifications-message");
  await page.keyboard.press("Escape");
  await page.getByRole("tab", { name: "Alerts" }).click();
  await expect(page.getByText("Nothing waits for an answer")).toBeVisible();
  await page.getByRole("button", { name: /^What happened/ }).click();
  const bell = page.getByRole("dialog", { name: "What happened" });
  await expect(bell.getByText("notifications.history_days", { exact: false })).toBeVisible();
  await look(page, "notifications-bell");
  await page.keyboard.press("Escape");

  // Deleting says what goes with it.
  await page.getByRole("tab", { name: "Services" }).click();
  await page.getByRole("button", { name: "Acts on The server" }).click();
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await expect(page.getByText("Proofs, Settings that change", { exact: false })).toBeVisible();
  await page.getByRole("button", { name: "Delete it" }).click();
  await expect(page.getByText("Nobody is told anything yet")).toBeVisible();
  hook.close();
}

/** E-mail: what is wrong is said beside its field, and a template shows what it will look like. */
async function mail(page: Page) {
  await go(page, "E-mail");
  await page.getByRole("radio", { name: /^SendGrid/ }).click();
  await page.getByRole("textbox", { name: "From", exact: true }).fill("nobody");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("is no address", { exact: false })).toBeVisible();
  await look(page, "email");
  await page.getByRole("link", { name: "Backup failed" }).click();
  const frame = page.frameLocator('iframe[title="How the mail looks"]');
  await expect(frame.getByText("A backup failed").first()).toBeVisible();
  await page.getByRole("textbox", { name: "Subject" }).fill("{{ nonsense }}");
  await expect(page.getByText("nonsense is not known here", { exact: false })).toBeVisible();
  await page.getByRole("textbox", { name: "Subject" }).fill("Look at ");
  await page.getByRole("button", { name: /^Insert host/ }).click();
  await expect(page.getByText("Look at nas")).toBeVisible();
  await look(page, "email-template");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByRole("button", { name: "Default text" }).click();
  await page.getByRole("button", { name: "Take the default" }).click();
  await expect(page.getByRole("textbox", { name: "Subject" })).toHaveValue(/FAILED/);
}

/** Through the wizard, over what is there. */
async function putBack(page: Page, name: string, shot?: string) {
  const wizard = page.getByRole("dialog");
  await wizard.getByRole("radio", { name: "Overwrite" }).check();
  await wizard.getByRole("button", { name: "See what would happen" }).click();
  await expect(wizard.getByText("Nothing was changed yet.", { exact: false })).toBeVisible();
  if (shot) await look(page, shot);
  await wizard.getByRole("button", { name: "Restore 1 workflow, inactive" }).click();
  await expect(wizard.getByText("Overwritten", { exact: true })).toBeVisible({ timeout: 30_000 });
  await expect(wizard.getByRole("button", { name: `Undo for ${name}` })).toBeVisible();
  await wizard.getByRole("button", { name: "Close", exact: true }).last().click();
}

test("from the setup link to a proven, downloaded backup", async ({ page }) => {
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(String(error)));
  page.on("console", (message) => {
    if (/content security policy/i.test(message.text())) failures.push(message.text());
  });

  // The first run.
  const link = process.env.FLOWKEEP_SETUP_LINK ?? "/setup";
  await page.goto(link);
  await expect(page.getByRole("heading", { name: "Welcome" })).toBeVisible();
  await look(page, "setup");
  await page.getByRole("textbox", { name: "Password", exact: true }).fill("short");
  await page.getByRole("textbox", { name: "Password", exact: true }).fill(PASSWORD);
  await page.getByRole("textbox", { name: "Password again" }).fill(PASSWORD);
  await page.getByRole("button", { name: "Make the administrator" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();
  await expect(page.getByText("Begin with your n8n")).toBeVisible();
  await look(page, "overview-empty");

  // Something to back up.
  await go(page, "n8n");
  await page.getByRole("button", { name: "Use the sample" }).click();
  await expect(page.getByText("Connected", { exact: true })).toBeVisible();
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await expect(page.getByText("It works")).toBeVisible();
  await expect(page.getByText("The key is right", { exact: false })).toBeVisible();
  await look(page, "n8n");

  // A wrong database is told with its remedy, and nothing is saved.
  await page.getByLabel("Database URL").fill("mysql://root@localhost/x");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await expect(page.getByText("does not begin with postgres://", { exact: false })).toBeVisible();
  await page.getByLabel("Database URL").fill("");

  // Back up, watch, see the proof.
  await go(page, "Backups");
  await look(page, "backups-empty");
  await page.getByRole("button", { name: "Back up now" }).click();
  await expect(page.getByRole("cell", { name: "Proven" })).toBeVisible({ timeout: 60_000 });
  await look(page, "backups");
  await page.getByRole("link", { name: /n8n database #/ }).click();
  await expect(page.getByText(/all \d+ tables hold exactly the rows they should/)).toBeVisible();
  await expect(page.getByText("Credentials open", { exact: true })).toBeVisible();
  await expect(page.getByText("142 tables", { exact: true })).toBeVisible();
  await page.getByLabel("Search tables").fill("workflow_entity");
  await expect(page.getByRole("cell", { name: "workflow_entity", exact: true })).toBeVisible();
  await page.getByLabel("Search tables").fill("");
  await expect(page.getByText(/zstd -dc .* \| pg_restore/)).toBeVisible();
  await look(page, "backup");
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download" }).click();
  const file = await download;
  expect(file.suggestedFilename()).toMatch(/^n8n-\d{8}T\d{6}Z-[0-9a-f]{8}\.dump\.zst$/);
  expect(statSync(await file.path()).size).toBeGreaterThan(10_000);

  // Deleting the last good one asks twice.
  await page.getByRole("button", { name: "Delete" }).click();
  await expect(page.getByText("There is nothing newer to go back to")).toBeVisible();
  await expect(page.getByRole("button", { name: "Delete the file" })).toBeDisabled();
  await page.getByRole("button", { name: "Keep it" }).click();

  await go(page, "Overview");
  await expect(page.getByText("Last proven restore")).toBeVisible();
  await expect(page.getByText("was restored and held exactly", { exact: false })).toBeVisible();
  await look(page, "overview");

  await workflows(page);

  await shell(page);
  await notifications(page);
  await mail(page);

  // It happens by itself.
  await go(page, "Schedules");
  await expect(page.getByText("Nothing happens by itself yet")).toBeVisible();
  await page.getByRole("button", { name: "New schedule" }).click();
  const draft = page.getByRole("dialog");
  await draft.getByLabel("Name").fill("Every night");
  await draft.getByLabel("Hour").fill("99");
  await draft.getByRole("button", { name: "Save" }).click();
  await expect(draft.getByText("must be between 0 and 23")).toBeVisible();
  await draft.getByLabel("Hour").fill("3");
  await draft.getByRole("button", { name: "Save" }).click();
  await expect(page.getByRole("cell", { name: "every day at 03:15" })).toBeVisible();
  await expect(page.getByText("The coming week")).toBeVisible();
  await page.getByRole("button", { name: "Acts on Every night" }).click();
  await page.getByRole("menuitem", { name: "Run now" }).click();
  await expect(page.getByText("Backup 2 has begun.")).toBeVisible();
  await expect(page.getByText("All 2 backups stay.")).toBeVisible({ timeout: 60_000 });
  await page.getByLabel("Days", { exact: true }).fill("1");
  await page.getByRole("button", { name: "Save retention" }).click();
  await expect(page.getByText("made by hand this week").first()).toBeVisible();
  await look(page, "schedules");
  await page.getByRole("button", { name: "Acts on Every night" }).click();
  await page.getByRole("menuitem", { name: "Pause" }).click();
  await expect(page.getByRole("cell", { name: "Paused" })).toBeVisible();

  // A second place for the backups.
  await go(page, "Destinations");
  await expect(page.getByText("Backups lie in one place only")).toBeVisible();
  await page.getByRole("button", { name: "Add a destination" }).click();
  await page.getByLabel("Name").fill("Second disk");
  await page.getByRole("textbox", { name: "Folder" }).fill("/no/such/folder");
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText("mount the share first", { exact: false })).toBeVisible();
  await page.getByRole("textbox", { name: "Folder" }).fill(mkdtempSync(join(tmpdir(), "flowkeep-e2e-place-")));
  await page.getByRole("button", { name: "Add", exact: true }).click();
  await expect(page.getByText(/[12] copies/)).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: "Test" }).click();
  await expect(page.getByText("Second disk can be used.")).toBeVisible();
  await look(page, "destinations");
  // A bucket whose server cannot be: the field is named, and nothing is kept.
  await page.getByRole("button", { name: "Add a destination" }).click();
  const adding = page.getByRole("dialog", { name: "Add a destination" });
  await adding.getByText("S3 bucket").click();
  await adding.getByRole("textbox", { name: "Name" }).fill("Cloud");
  await adding.getByRole("textbox", { name: "Server" }).fill("ftp://nas");
  await adding.getByLabel("Bucket", { exact: true }).fill("backups");
  await adding.getByLabel("Access key", { exact: true }).fill("key");
  await adding.getByRole("textbox", { name: "Secret access key" }).fill("secret");
  await adding.getByRole("button", { name: "Add", exact: true }).click();
  await expect(adding.getByText("write it as https://", { exact: false })).toBeVisible();
  await look(page, "destination-s3");
  await adding.getByText("SFTP", { exact: true }).click();
  await expect(adding.getByLabel("Or a private key")).toBeVisible();
  await adding.getByRole("button", { name: "Leave it" }).click();

  // Every proof, and a backup that stays.
  await go(page, "Backups");
  await expect(page.getByRole("heading", { name: "The last three months" })).toBeVisible();
  await look(page, "backups");
  await page.getByRole("link", { name: "Every proof" }).click();
  await expect(page.getByRole("cell", { name: "Proven" }).first()).toBeVisible({ timeout: 60_000 });
  await look(page, "proofs");
  await page.getByRole("link", { name: "#1" }).click();
  await page.getByRole("button", { name: "Pin" }).click();
  await expect(page.getByText("Pinned", { exact: true })).toBeVisible();

  // Put back beside n8n, let it take over, and undo that.
  await page.getByRole("button", { name: "Restore", exact: true }).click();
  await expect(page.getByText("n8n goes on with what it has", { exact: false })).toBeVisible();
  await page.getByRole("button", { name: "Restore beside" }).click();
  const isItYou = page.getByRole("dialog", { name: "Is it you?" });
  await isItYou.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await isItYou.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Restores" })).toBeVisible();
  await expect(page.getByText("Ready to take over")).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: "Let n8n use it" }).click();
  await page.getByRole("button", { name: "Swap them" }).click();
  await expect(page.getByText("In use by n8n")).toBeVisible({ timeout: 60_000 });
  await look(page, "restores");
  await page.getByRole("button", { name: "Undo", exact: true }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Undo" }).click();
  await expect(page.getByText("Undone", { exact: true })).toBeVisible();

  // Settings.
  await go(page, "Settings");
  await page.getByLabel("Compression level").fill("99");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("must be a whole number between 1 and 19", { exact: false })).toBeVisible();
  await page.getByLabel("Compression level").fill("5");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("the default is 3", { exact: false })).toBeVisible();
  await page.getByLabel("n8n's configuration").fill("not/whole");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("write it from the root", { exact: false })).toBeVisible();
  await page.getByLabel("n8n's configuration").fill("/etc/hostname");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("the default is nothing", { exact: false })).toBeVisible();
  await look(page, "settings");

  // Encrypted backups.
  await page.getByRole("button", { name: "Encrypt backups" }).click();
  const encrypting = page.getByRole("dialog", { name: "Encrypt new backups?" });
  await encrypting.getByLabel("Further public keys").fill("age1nonsense");
  await encrypting.getByRole("button", { name: "Encrypt", exact: true }).click();
  await expect(encrypting.getByText("no public key of age", { exact: false })).toBeVisible();
  await encrypting.getByLabel("Further public keys").fill("");
  await encrypting.getByRole("button", { name: "Encrypt", exact: true }).click();
  await expect(page.getByText("New backups are encrypted to", { exact: false })).toBeVisible();

  // The file of version 2 is looked at, with its bad lines.
  await page.getByRole("button", { name: "Take a file over" }).click();
  const takeOver = page.getByRole("dialog", { name: "Take version 2's file over" });
  await takeOver.getByLabel("The file").fill("BACKUP_SCHEDULE=*/5 * * * *");
  await takeOver.getByRole("button", { name: "Look at it" }).click();
  await expect(takeOver.getByText("line 1 (BACKUP_SCHEDULE)", { exact: false })).toBeVisible();
  await takeOver.getByLabel("The file").fill("TZ=Europe/Berlin\nBACKUP_RETENTION_DAYS=9");
  await takeOver.getByRole("button", { name: "Look at it" }).click();
  await expect(takeOver.getByText("daily backups stay for 9 days")).toBeVisible();
  await takeOver.getByRole("button", { name: "Take it over" }).click();
  await expect(page.getByRole("button", { name: "Give it back" })).toBeVisible({ timeout: 60_000 });
  await page.getByRole("button", { name: "Give it back" }).click();
  await expect(page.getByRole("button", { name: "Take a file over" })).toBeVisible({ timeout: 60_000 });

  // The kit for a lost box; the password was asked for again a moment ago.
  await page.getByRole("button", { name: "Make a kit" }).click();
  const kitDialog = page.getByRole("dialog", { name: "Make a recovery kit" });
  await kitDialog.getByLabel("Passphrase", { exact: true }).fill("five random words are good");
  await kitDialog.getByLabel("Passphrase again").fill("five random words are good");
  const kit = page.waitForEvent("download");
  await kitDialog.getByRole("button", { name: "Make and download" }).click();
  expect((await kit).suggestedFilename()).toBe("flowkeep-kit.tar.age");
  await expect(page.getByText("The newest was made", { exact: false })).toBeVisible();

  // The other kinds of backup.
  await go(page, "Backups");
  for (const kind of ["n8n workflows", "n8n configuration", "whole server"]) {
    await page.getByRole("button", { name: "Other backups" }).click();
    await page.getByRole("menuitem", { name: "Choose…" }).click();
    await page.getByRole("dialog").getByRole("combobox", { name: "What" }).click();
    await page.getByRole("option", { name: kind }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Back up" }).click();
    const row = page.getByRole("row", { name: new RegExp(kind) });
    await expect(row.getByText("Proven")).toBeVisible({ timeout: 90_000 });
  }
  await look(page, "backups-kinds");

  // Two-step sign-in, with the password asked again.
  await go(page, "Security");
  await look(page, "security");
  await page.getByRole("button", { name: "Set up" }).click();
  const secret = (await page.getByTestId("totp-secret").innerText()).trim();
  await page.getByLabel("The code it shows").fill(totp(secret));
  await page.getByRole("button", { name: "Turn on" }).click();
  const codes = page.getByTestId("recovery-codes").locator("pre, code");
  await expect(codes.first()).toBeVisible();
  const recovery = (await codes.first().innerText()).trim();
  await page.getByRole("button", { name: "I have kept them" }).click();
  await expect(page.getByText("on", { exact: true })).toBeVisible();

  // Out and in again: the code of before is used up, a recovery code works.
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await expect(page.getByRole("heading", { name: "Sign in" })).toBeVisible();
  await look(page, "login");
  await page.getByLabel("User name").fill("admin");
  await page.getByRole("textbox", { name: "Password", exact: true }).fill(PASSWORD);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("Code of your authenticator app").fill("000000");
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("alert")).toBeVisible();
  await page.getByRole("button", { name: "Use a recovery code" }).click();
  await page.getByLabel("Recovery code").fill(recovery);
  await page.getByRole("button", { name: "Sign in" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Overview" })).toBeVisible();

  await machine(page);

  // All of it is in the log.
  await go(page, "Audit log");
  for (const action of ["backup.requested", "verification.finished", "settings.changed", "auth.totp_enabled"]) {
    await expect(page.getByRole("button", { name: action }).first()).toBeVisible();
  }
  await page.getByRole("button", { name: "settings.changed" }).first().click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await page.keyboard.press("Escape");
  await look(page, "audit");

  // Dark, and on a phone.
  await page.emulateMedia({ colorScheme: "dark" });
  for (const [name, path] of [
    ["overview", "/"],
    ["backups", "/backups"],
    ["security", "/security"],
    ["n8n", "/n8n"],
    ["schedules", "/schedules"],
    ["host", "/host"],
    ["watchdog", "/watchdog"],
    ["notifications", "/notifications/rules"],
    ["email", "/email"],
    ["email-template", "/email/templates/backup_failed"],
    ["acknowledge", "/acknowledge#token=nonsense"],
  ] as const) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    await look(page, `${name}-dark`);
  }
  await page.setViewportSize({ width: 390, height: 844 });
  for (const path of [
    "/",
    "/backups",
    "/schedules",
    "/host",
    "/watchdog",
    "/proofs",
    "/restores",
    "/destinations",
    "/settings",
    "/notifications/services",
    "/notifications/rules",
    "/notifications/history",
    "/notifications/alerts",
    "/email",
    "/email/templates/backup_failed",
    "/security",
    "/audit",
  ]) {
    await page.goto(path);
    await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
    expect(await overflow(page), `${path} is wider than a phone`).toBeLessThanOrEqual(0);
    await look(page, `phone${path.replaceAll("/", "-")}`);
  }
  expect(failures).toEqual([]);
});
