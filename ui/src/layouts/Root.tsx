import { useComputedColorScheme } from "@mantine/core";
import { Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

/** Moves the focus to the page's heading after a navigation, so that screen readers say where they are. */
export function Root() {
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const hash = useRouterState({ select: (state) => state.resolvedLocation?.hash });
  const latestHash = useRef(hash);
  useEffect(() => {
    latestHash.current = hash;
  });
  useEffect(() => {
    // A place on the page that a link leads to has the focus by itself.
    if (latestHash.current && document.getElementById(latestHash.current)) return;
    if (path) document.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true });
  }, [path]);
  // The bar of the window or of the phone, also where somebody chose against the system.
  const scheme = useComputedColorScheme("light");
  useEffect(() => {
    for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
      meta.content = scheme === "dark" ? "#242424" : "#ffffff";
    }
  }, [scheme]);
  return <Outlet />;
}
