import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const backend = process.env.FLOWKEEP_URL ?? "http://127.0.0.1:3333";

export default defineConfig({
  plugins: [react()],
  server: { port: 5173, proxy: { "/api": { target: backend }, "/metrics": { target: backend } } },
  build: {
    outDir: "dist",
    emptyOutDir: true,
    sourcemap: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // From these on light-dark() is understood; rewritten for older ones it would lose its colours, for what it
    // is rewritten to needs a color-scheme that is set in the same file.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
  },
  test: {
    environment: "jsdom",
    globals: false,
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/test/setup.ts"],
    css: false,
    // A test that waits for what never comes still fails; one on a slow machine does not.
    testTimeout: 30_000,
  },
});
