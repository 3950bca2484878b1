/** One login for the tools beside Flowkeep, through a real nginx. scripts/e2e-sso sets it up. */
import { expect, type Page, test } from "@playwright/test";
import { look, overflow, totp } from "./page";

const port = process.env.FLOWKEEP_SSO_PORT;
const password = process.env.FLOWKEEP_SSO_PASSWORD ?? "";
const flowkeep = `https://flowkeep.example.com:${port}`;
const dozzle = `https://dozzle.example.com:${port}`;

test.skip(!port, "needs nginx: run scripts/e2e-sso");
test.use({
  ignoreHTTPSErrors: true,
  launchOptions: {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--host-resolver-rules=MAP *.example.com 127.0.0.1"],
  },
});

async function signIn(page: Page) {
  await page.getByLabel("User name").fill("admin");
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

test("one login opens a tool on its own host name, with a code where it asks, until it ends everywhere", async ({
  page,
  browser,
}) => {
  // The page: the domain, a tool, and what to paste.
  await page.goto(flowkeep);
  await signIn(page);
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Single sign-on" }).click();
  await expect(page.getByText("No tool is behind this login yet")).toBeVisible();
  await look(page, "sso-empty");
  await page.getByLabel("Domain").fill("com");
  await page.getByRole("button", { name: "Save" }).click();
  const again = page.getByRole("dialog");
  await again.getByRole("textbox", { name: "Password" }).fill(password);
  await again.getByRole("button").last().click();
  await expect(page.getByText("is a public suffix", { exact: false })).toBeVisible();
  await page.getByLabel("Domain").fill("example.com");
  await page.getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("Tools under example.com can be opened by this login.")).toBeVisible();
  await page.getByRole("button", { name: "Add a tool" }).click();
  await page.getByRole("menuitem", { name: /^Dozzle/ }).click();
  const form = page.getByRole("dialog", { name: "Add a tool" });
  await form.getByRole("textbox", { name: "Host name" }).fill(`dozzle.example.com:${port}`);
  await form.getByText("Some things").click();
  await form.getByLabel("Start, stop and restart containers").check();
  await form.getByLabel("Which containers they see in Dozzle").fill("name=n8n");
  await look(page, "sso-form");
  await form.getByRole("button", { name: "Add", exact: true }).click();
  const files = page.getByRole("dialog", { name: "nginx for Dozzle" });
  await expect(files.getByText("set $flowkeep_service dozzle;", { exact: false })).toBeVisible();
  await look(page, "sso-nginx");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Test Dozzle" }).click();
  await expect(page.getByText("nginx would be told 200.", { exact: false })).toBeVisible();
  await look(page, "sso-page");
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.evaluate(() => localStorage.setItem("mantine-color-scheme-value", "dark"));
  await page.reload();
  await expect(page.getByRole("button", { name: "Test Dozzle" })).toBeVisible();
  expect(await overflow(page)).toBeLessThanOrEqual(0);
  await look(page, "sso-phone-dark");
  await page.setViewportSize({ width: 1280, height: 860 });

  // Somebody else's browser: from the tool to the login and back to where they were.
  const guest = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  await guest.goto(`${dozzle}/show?name=n8n&b=c%20d`);
  await expect(guest.getByText("Then you go back to where you came from.")).toBeVisible();
  expect(guest.url()).toMatch(/\/login\?return=[0-9a-f]{64}$/);
  await look(guest, "sso-login");
  await signIn(guest);
  await expect(guest).toHaveURL(`${dozzle}/show?name=n8n&b=c%20d`);
  await expect(guest.getByRole("heading", { name: "The tool", exact: true })).toBeVisible();
  const told = await guest.locator("pre").innerText();
  expect(told).toContain("Remote-User: admin");
  expect(told).toContain("Remote-Roles: actions");
  expect(told).toContain("Remote-Filter: name=n8n");
  expect(told).not.toContain("flowkeep_");
  const cookies = await guest.context().cookies();
  const shared = cookies.find(({ name }) => name === "__Secure-flowkeep_sso");
  expect(shared).toMatchObject({ domain: ".example.com", httpOnly: true, secure: true, sameSite: "Lax" });
  expect(cookies.find(({ name }) => name === "__Host-flowkeep_session")?.domain).toBe("flowkeep.example.com");

  // Who is signed in already goes through without a word.
  await page.goto(`${dozzle}/second`);
  await expect(page.locator("#path")).toHaveText("/second");

  // A code.
  await page.goto(`${flowkeep}/security`);
  const setup = await page.evaluate(async () =>
    (
      await fetch("/api/auth/totp/setup", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: "{}",
      })
    ).json(),
  );
  const first = totp(setup.secret);
  const enabled = await page.evaluate(
    async (given) =>
      (
        await fetch("/api/auth/totp/enable", {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ code: given }),
        })
      ).status,
    first,
  );
  expect(enabled).toBe(200);
  await page.goto(`${flowkeep}/single-sign-on`);
  await page.getByRole("button", { name: "Edit Dozzle" }).click();
  await page.getByLabel("Ask for a code of the authenticator app").check();
  await page.getByRole("dialog").getByRole("button", { name: "Save" }).click();
  await expect(page.getByText("good for 30 minutes", { exact: false })).toBeVisible();
  await page.goto(`${dozzle}/third`);
  await expect(page.getByRole("heading", { name: "One more step" })).toBeVisible();
  await look(page, "sso-step-up");
  const field = page.getByLabel("Code of your authenticator app");
  await field.fill(first);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText("The code is wrong or was used before.", { exact: false })).toBeVisible();
  // The next step's code is taken too: clocks differ.
  await field.fill(totp(setup.secret, Date.now() + 30_000));
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.locator("#path")).toHaveText("/third");

  // And the end of all of it.
  await page.goto(`${flowkeep}/security`);
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  const sure = page.getByRole("dialog", { name: "Sign out everywhere?" });
  await expect(sure.getByText("Every session of yours ends", { exact: false })).toBeVisible();
  await look(page, "sso-logout-everywhere");
  await sure.getByRole("button", { name: "Sign out everywhere" }).click();
  await expect(page.getByLabel("User name")).toBeVisible();
  await page.goto(`${dozzle}/fourth`);
  await expect(page.getByLabel("User name")).toBeVisible();
});
