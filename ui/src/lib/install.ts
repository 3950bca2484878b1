/** The browser's offer to install this page as an app, kept until somebody takes it. */

type InstallPrompt = Event & { prompt: () => Promise<unknown> };

let offer: InstallPrompt | undefined;

/** To be called at the start: browsers offer once, and soon. */
export function listenForInstall() {
  window.addEventListener("beforeinstallprompt", (event) => {
    offer = event as InstallPrompt;
  });
  window.addEventListener("appinstalled", () => {
    offer = undefined;
  });
}

/** Takes the offer, if there is one. */
export function offeredInstall(): (() => Promise<unknown>) | undefined {
  const taken = offer;
  if (!taken) return undefined;
  return () => {
    // It counts once.
    offer = undefined;
    return taken.prompt();
  };
}
