import { useComputedColorScheme } from "@mantine/core";
import { Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

/** Now or, if the page reads something first, when it is there, unless the focus went elsewhere meanwhile. */
function focusHeading(): (() => void) | undefined {
  const find = () => document.querySelector<HTMLElement>("h1[tabindex]");
  const now = find();
  if (now) {
    now.focus({ preventScroll: true });
    return undefined;
  }
  const before = document.activeElement;
  const observer = new MutationObserver(() => {
    const heading = find();
    if (!heading) return;
    observer.disconnect();
    const isFree = document.activeElement === before || document.activeElement === document.body;
    if (isFree) heading.focus({ preventScroll: true });
  });
  observer.observe(document.body, { childList: true, subtree: true });
  return () => observer.disconnect();
}

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
    return path ? focusHeading() : undefined;
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
