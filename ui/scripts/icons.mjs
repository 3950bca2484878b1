// Draws public/icons from public/favicon.svg: `node scripts/icons.mjs`, after the logo has changed.
import { readFileSync } from "node:fs";
import { chromium } from "@playwright/test";

const logo = readFileSync("public/favicon.svg", "utf8");
const browser = await chromium.launch({
  args: ["--no-sandbox"],
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
});
const page = await browser.newPage();

/** Full: to every edge, the drawing within the circle that every mask leaves (80 %), for systems that cut icons themselves. */
async function draw(name, size, isFull) {
  const svg = isFull ? logo.replace("<svg ", '<svg class="full" ') : logo;
  await page.setViewportSize({ width: size, height: size });
  await page.setContent(`<style>
    body { margin: 0; width: 100vw; height: 100vh; display: grid; place-content: center }
    body:has(.full) { background: #0f766e }
    svg { width: 100vw; height: 100vh }
    .full { width: 82vw; height: 82vh }
  </style>${svg}`);
  await page.screenshot({ path: `public/icons/${name}.png`, omitBackground: !isFull });
}

await draw("192", 192, false);
await draw("512", 512, false);
await draw("maskable-192", 192, true);
await draw("maskable-512", 512, true);
await draw("apple-touch-icon", 180, true);
await browser.close();
