import { useRef } from "react";

type Element = HTMLInputElement | HTMLTextAreaElement;

/** Puts text where the cursor is, or was, in one of several fields. */
export function useInsert<Name extends string>(first: Name, change: (field: Name, value: string) => void) {
  const elements = useRef(new Map<Name, Element>());
  const last = useRef<Name>(first);
  const attach = (field: Name) => ({
    ref: (element: Element | null) => {
      if (element) elements.current.set(field, element);
      else elements.current.delete(field);
    },
    onFocus: () => {
      last.current = field;
    },
  });
  const insert = (text: string) => {
    const field = elements.current.has(last.current) ? last.current : first;
    const element = elements.current.get(field);
    if (!element) return;
    const from = element.selectionStart ?? element.value.length;
    const to = element.selectionEnd ?? from;
    change(field, element.value.slice(0, from) + text + element.value.slice(to));
    requestAnimationFrame(() => {
      element.focus();
      element.setSelectionRange(from + text.length, from + text.length);
    });
  };
  return { attach, insert };
}
