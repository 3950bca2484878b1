/** What every story needs: to look at a page that stands still, and codes of an authenticator app. */
import { createHmac } from "node:crypto";
import AxeBuilder from "@axe-core/playwright";
import { expect, type Page } from "@playwright/test";

const shots = process.env.FLOWKEEP_SHOTS;

/** The page itself: not its skeleton, nothing that still fades in or out. */
async function settle(page: Page) {
  await expect(page.locator('[aria-busy="true"]')).toHaveCount(0);
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every((one) => one.playState !== "running" || one.effect?.getTiming().iterations === Infinity),
  );
}

/** Nothing serious against accessibility; and a picture, where FLOWKEEP_SHOTS names a folder. */
export async function look(page: Page, name: string) {
  await settle(page);
  // In a mail's preview no script runs, and axe would wait for its own there without end.
  const axe = new AxeBuilder({ page }).exclude('iframe[sandbox=""]');
  const found = await axe.withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]).analyze();
  const serious = found.violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  expect(serious.map((v) => `${name}: ${v.id} ${v.nodes.map((n) => n.target).join(" | ")}`)).toEqual([]);
  if (shots) {
    // What is said in passing would hide the page.
    const style = ".mantine-Notifications-root { visibility: hidden }";
    await page.screenshot({ path: `${shots}/${name}.png`, fullPage: true, style });
  }
}

/** How much wider than the window the page is. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}

export async function go(page: Page, link: string) {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: link }).click();
  await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
}

/** Six digits, as an authenticator app shows them (RFC 6238). */
export function totp(secret: string, at = Date.now()): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret.replace(/=+$/, "")].map((c) => letters.indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const offset = (digest[19] ?? 0) & 15;
  return ((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).toString().padStart(6, "0");
}
