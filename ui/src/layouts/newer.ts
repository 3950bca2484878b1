/** Whether the server has another page by now than the one that is shown. */
import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";

const ENTRY = /\/assets\/index-[\w-]+\.js/;

/** The script with which this page began; none while developing. */
export const ownEntry = (root: ParentNode = document) =>
  [...root.querySelectorAll<HTMLScriptElement>("script[src]")].map(({ src }) => ENTRY.exec(src)?.[0]).find(Boolean);

/** Whether a page begins with another script. What is no page of ours says nothing. */
export function isAnother(html: string, own: string): boolean {
  const entry = ENTRY.exec(html)?.[0];
  return entry !== undefined && html.includes('id="root"') && entry !== own;
}

let isMissing = false;
const listeners = new Set<() => void>();

/** A part of this page is no longer on the server: it was upgraded. */
export function tellMissingPart() {
  isMissing = true;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Why this page is old, if it is. Asks now and then; the answer is mostly "not modified". */
export function useNewer(): "another" | "missing" | undefined {
  const own = ownEntry();
  const isGone = useSyncExternalStore(subscribe, () => isMissing);
  const { data } = useQuery({
    queryKey: ["page", own],
    queryFn: async () => {
      const answer = await fetch("/", { cache: "no-cache", credentials: "same-origin" });
      return answer.ok && own !== undefined && isAnother(await answer.text(), own);
    },
    enabled: own !== undefined,
    staleTime: 30_000,
    refetchInterval: (found) => (found.state.data ? false : 60_000),
  });
  if (isGone) return "missing";
  return data ? "another" : undefined;
}
