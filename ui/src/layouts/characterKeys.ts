/** Whether keys without Ctrl or the like do something (WCAG 2.1.4). Remembered by this browser. */
import { useSyncExternalStore } from "react";

const KEY = "flowkeep.character-keys";
const listeners = new Set<() => void>();

function areOn(): boolean {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true;
  }
}

let isOn = areOn();
// Another tab may switch them.
window.addEventListener("storage", ({ key }) => {
  if (key === KEY || key === null) set(areOn());
});

function set(value: boolean) {
  isOn = value;
  for (const listener of listeners) listener();
}

export function setCharacterKeys(value: boolean) {
  set(value);
  try {
    if (value) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, "off");
  } catch {
    // A browser that keeps nothing forgets this too.
  }
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const useCharacterKeys = () => useSyncExternalStore(subscribe, () => isOn);
