import { defineConfig } from "@playwright/test";

/** Against a running Flowkeep: FLOWKEEP_URL, and FLOWKEEP_SETUP_LINK for the first sign-in. */
export default defineConfig({
  testDir: "e2e",
  timeout: 600_000,
  expect: { timeout: 30_000 },
  workers: 1,
  retries: 0,
  reporter: [["line"]],
  use: {
    baseURL: process.env.FLOWKEEP_URL ?? "http://127.0.0.1:3333",
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
    contextOptions: { reducedMotion: "reduce" },
    viewport: { width: 1280, height: 860 },
    trace: "off",
    actionTimeout: 20_000,
  },
});
