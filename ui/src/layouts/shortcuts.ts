/** The keys that do something everywhere: one list, and the one place that listens. */
import { useEffect, useRef } from "react";
import { useCharacterKeys } from "./characterKeys";
import { NAVIGATION, type NavigationItem } from "./navigation";

export const isApple = /Mac|iPhone|iPad|iPod/.test(navigator.platform);
export const MOD = isApple ? "⌘" : "Ctrl";

export type Act = { type: "palette" } | { type: "help" } | { type: "search" } | { type: "go"; to: string };
export type Shortcut = {
  /** As they are printed on the keys; pressed together with `+`, else one after the other. */
  keys: readonly string[];
  together?: boolean;
  label: string;
  group: "Everywhere" | "Go to" | "In the palette";
  act?: Act;
  /** Letters, digits and signs alone, which can be switched off (WCAG 2.1.4). */
  isCharacter: boolean;
};

const items: readonly NavigationItem[] = NAVIGATION;

export const SHORTCUTS: readonly Shortcut[] = [
  {
    keys: [MOD, "K"],
    together: true,
    label: "Search and do",
    group: "Everywhere",
    act: { type: "palette" },
    isCharacter: false,
  },
  { keys: ["/"], label: "To the page's search", group: "Everywhere", act: { type: "search" }, isCharacter: true },
  { keys: ["?"], label: "This help", group: "Everywhere", act: { type: "help" }, isCharacter: true },
  { keys: ["Esc"], label: "Close what is open", group: "Everywhere", isCharacter: false },
  ...items.flatMap(({ to, label, letter }): Shortcut[] =>
    letter ? [{ keys: ["g", letter], label, group: "Go to", act: { type: "go", to }, isCharacter: true }] : [],
  ),
  { keys: ["↓", "↑"], label: "The next, the one before", group: "In the palette", isCharacter: false },
  { keys: ["Enter"], label: "Go there, or do it", group: "In the palette", isCharacter: false },
];

/** How long a `g` waits for its letter. */
const PATIENCE_MS = 1_500;

export type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey">;
/** When `g` was pressed, in milliseconds, if it still waits. */
export type Waiting = number | undefined;

/** What a key does. Pure: whether it may do anything at this moment is the caller's to know. */
export function press(
  event: Pressed,
  now: number,
  waiting: Waiting,
  hasCharacters: boolean,
  onApple = isApple,
): { act?: Act; waiting?: number } {
  const { key, ctrlKey, metaKey, altKey } = event;
  const hasMod = onApple ? metaKey && !ctrlKey : ctrlKey && !metaKey;
  if (hasMod && !altKey && key.toLowerCase() === "k") return { act: { type: "palette" } };
  // AltGr is Ctrl and Alt, and writes signs; but nobody needs it for these.
  if (ctrlKey || metaKey || altKey || !hasCharacters) return {};
  // Shift is on the way to its letter or sign.
  if (key === "Shift") return { waiting };
  if (waiting !== undefined && now - waiting <= PATIENCE_MS) {
    const found = SHORTCUTS.find(({ keys: [first, second] }) => first === "g" && second === key.toLowerCase());
    return { act: found?.act };
  }
  if (key === "g") return { waiting: now };
  return { act: SHORTCUTS.find(({ keys, isCharacter }) => isCharacter && keys.length === 1 && keys[0] === key)?.act };
}

const WITHOUT_TEXT = ["button", "checkbox", "color", "file", "image", "radio", "range", "reset", "submit"];

/** Whether somebody writes there, or chooses by the first letter. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.closest('[contenteditable=""], [contenteditable="true"]')) return true;
  if (target instanceof HTMLInputElement) return !WITHOUT_TEXT.includes(target.type);
  return target.matches('textarea, select, [role="textbox"], [role="combobox"], [role="listbox"], [role="tree"]');
}

const isShown = (element: Element) => element.checkVisibility?.() ?? true;

/** Whether a dialog or a menu has the say. */
export function isDialogOpen(): boolean {
  return [...document.querySelectorAll('[role="dialog"], [role="alertdialog"], [role="menu"]')].some(isShown);
}

const SEARCHES = ['[type="search"]', '[aria-label^="Search"]', '[aria-label^="Filter"]', '[placeholder^="Search"]'];

/** The page's own search, if it has one: a field for searching, or one whose name begins so. */
export function pageSearch(): HTMLInputElement | undefined {
  const all = document.querySelectorAll<HTMLInputElement>(SEARCHES.map((one) => `#main input${one}`).join(", "));
  return [...all].find((input) => !input.disabled && isShown(input));
}

/** Listens for as long as the component is there. */
export function useShortcuts(perform: (act: Act) => void) {
  const hasCharacters = useCharacterKeys();
  const waiting = useRef<Waiting>(undefined);
  const latest = useRef(perform);
  useEffect(() => {
    latest.current = perform;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing || event.repeat) return;
      const next = press(event, Date.now(), waiting.current, hasCharacters && !isTyping(event.target));
      if ((next.act || next.waiting !== undefined) && isDialogOpen()) {
        waiting.current = undefined;
        return;
      }
      waiting.current = next.waiting;
      if (!next.act) return;
      // The key would be written into the field that gets the focus, and browsers have their own Ctrl+K.
      event.preventDefault();
      latest.current(next.act);
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [hasCharacters]);
}
