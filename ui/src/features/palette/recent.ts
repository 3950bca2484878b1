/** What was chosen last, newest first. Kept by this browser: ids only, no names. */
import { useLocalStorage } from "@mantine/hooks";

const MOST = 6;

/** Pure. */
export const remember = (recent: readonly string[], id: string) =>
  [id, ...recent.filter((one) => one !== id)].slice(0, MOST);

export function useRecent() {
  const [recent, set] = useLocalStorage<string[]>({
    key: "flowkeep.recent",
    defaultValue: [],
    getInitialValueInEffect: false,
    deserialize: (text) => {
      try {
        const value: unknown = JSON.parse(text ?? "[]");
        return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
      } catch {
        return [];
      }
    },
  });
  return { recent, keep: (id: string) => set((before) => remember(before, id)) };
}
