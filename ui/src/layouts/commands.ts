/** Which of the shell's own dialogs is open; whoever likes may open one. */
import { useSyncExternalStore } from "react";

export type Command = "palette" | "help";

let opened: Command | undefined;
const listeners = new Set<() => void>();

export function openCommand(command: Command | undefined) {
  opened = command;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export const useCommand = () => useSyncExternalStore(subscribe, () => opened);
