import { Outlet, useRouterState } from "@tanstack/react-router";
import { useEffect } from "react";

/** Moves the focus to the page's heading after a navigation, so that screen readers say where they are. */
export function Root() {
  const path = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  useEffect(() => {
    if (path) document.querySelector<HTMLElement>("h1[tabindex]")?.focus({ preventScroll: true });
  }, [path]);
  return <Outlet />;
}
