/** What was chosen last, newest first. Kept by this browser: ids only, no names. */

const KEY = "flowkeep.recent";
const MOST = 6;

/** Pure. */
export const remember = (recent: readonly string[], id: string) =>
  [id, ...recent.filter((one) => one !== id)].slice(0, MOST);

export function recentIds(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one) => typeof one === "string").slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function keepRecent(id: string) {
  try {
    localStorage.setItem(KEY, JSON.stringify(remember(recentIds(), id)));
  } catch {
    // A browser that keeps nothing forgets this too.
  }
}
