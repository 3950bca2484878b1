import { ownEntry } from "../layouts/newer";

/** Asks the browser to keep the page that says that Flowkeep cannot be reached. Where it may not, nothing is lost. */
export function registerServiceWorker() {
  const build = ownEntry();
  if (!build || !("serviceWorker" in navigator)) return;
  window.addEventListener("load", () => {
    navigator.serviceWorker
      .register(`/sw.js?${new URLSearchParams({ build })}`, { updateViaCache: "none" })
      .catch(() => {});
  });
}
