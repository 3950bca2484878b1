import { useRouterState } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

/** For a heading or a name: makes it a place that a link leads to (`/page#id`), also if it appears after the page did. */
export function useAnchor<T extends HTMLElement>(id: string) {
  const ref = useRef<T>(null);
  // Each time anew, also for the same place.
  const visit = useRouterState({
    select: ({ location }) => (location.hash === id ? (location.state.__TSR_key ?? "first") : undefined),
  });
  useEffect(() => {
    if (!visit) return;
    ref.current?.scrollIntoView({ block: "center" });
    ref.current?.focus({ preventScroll: true });
  }, [visit]);
  return { id, ref, tabIndex: -1 };
}
