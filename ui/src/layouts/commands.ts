/** Which of the shell's own dialogs is open; whoever likes may open one. */
import { useSyncExternalStore } from "react";

export type Command = "palette" | "help";

let opened: Command | undefined;
let origin: Element | null = null;
const listeners = new Set<() => void>();

export function openCommand(command: Command | undefined) {
  if (command && !opened) origin = document.activeElement;
  opened = command;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

/** Gives the focus back to what had it when the first of them was opened. */
export function focusOrigin() {
  if (origin instanceof HTMLElement && origin.isConnected) origin.focus({ preventScroll: true });
}

export const useCommand = () => useSyncExternalStore(subscribe, () => opened);
