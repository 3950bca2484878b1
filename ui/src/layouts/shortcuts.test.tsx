import { act, fireEvent, render, screen } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { setCharacterKeys } from "./characterKeys";
import { NAVIGATION } from "./navigation";
import { type Act, pageSearch, press, SHORTCUTS, useShortcuts } from "./shortcuts";

const key = (name: string, more: Partial<KeyboardEventInit> = {}) => ({
  key: name,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...more,
});

describe("the list", () => {
  it("gives no key two meanings", () => {
    const all = SHORTCUTS.filter(({ act }) => act).map(({ keys }) => keys.join(" "));
    expect(new Set(all).size).toBe(all.length);
  });

  it("has every page of the navigation that has a letter, one sign each", () => {
    for (const { to, letter } of NAVIGATION) {
      expect(letter).toHaveLength(1);
      expect(SHORTCUTS.find(({ act }) => act?.type === "go" && act.to === to)?.keys).toEqual(["g", letter]);
    }
  });
});

describe("a key", () => {
  it("opens the palette with Ctrl, on Apple's machines with Command only", () => {
    expect(press(key("k", { ctrlKey: true }), 0, undefined, true, false).act).toEqual({ type: "palette" });
    expect(press(key("k", { metaKey: true }), 0, undefined, true, true).act).toEqual({ type: "palette" });
    // There Ctrl+K cuts to the end of the line.
    expect(press(key("k", { ctrlKey: true }), 0, undefined, true, true).act).toBeUndefined();
    expect(press(key("k", { metaKey: true }), 0, undefined, true, false).act).toBeUndefined();
  });

  it("goes to a page after g, for a while", () => {
    const { waiting } = press(key("g"), 1_000, undefined, true);
    expect(waiting).toBe(1_000);
    expect(press(key("b"), 2_400, waiting, true)).toEqual({ act: { type: "go", to: "/backups" } });
    expect(press(key("b"), 2_600, waiting, true).act).toBeUndefined();
    expect(press(key("b"), 1_100, undefined, true).act).toBeUndefined();
  });

  it("after g that means no page ends the waiting and does nothing", () => {
    expect(press(key("?"), 1_100, 1_000, true)).toEqual({ act: undefined });
  });

  it("with Ctrl, Alt or Command belongs to the browser", () => {
    for (const mod of ["ctrlKey", "altKey", "metaKey"]) {
      expect(press(key("/", { [mod]: true }), 0, undefined, true)).toEqual({});
      expect(press(key("g", { [mod]: true }), 0, undefined, true)).toEqual({});
    }
  });

  it("alone does nothing once switched off; Ctrl+K stays", () => {
    for (const one of ["?", "/", "g"]) expect(press(key(one), 0, undefined, false)).toEqual({});
    expect(press(key("k", { ctrlKey: true }), 0, undefined, false, false).act).toEqual({ type: "palette" });
  });
});

describe("on a page", () => {
  const perform = vi.fn<(act: Act) => void>();
  function Probe({ dialog = false }: { dialog?: boolean }) {
    useShortcuts(perform);
    return (
      <main id="main">
        <input aria-label="Name" />
        <input type="checkbox" aria-label="Sure" />
        <textarea aria-label="Words" />
        <input aria-label="Search tables" />
        {dialog ? <div role="dialog" aria-label="Delete it?" /> : null}
      </main>
    );
  }
  beforeEach(() => {
    perform.mockReset();
    setCharacterKeys(true);
  });

  it("keys act, and are not written where the focus goes", () => {
    render(<Probe />);
    expect(fireEvent.keyDown(document.body, { key: "/" })).toBe(false);
    fireEvent.keyDown(document.body, { key: "g" });
    fireEvent.keyDown(document.body, { key: "w" });
    expect(perform.mock.calls).toEqual([[{ type: "search" }], [{ type: "go", to: "/flows" }]]);
    expect(pageSearch()).toBe(screen.getByLabelText("Search tables"));
  });

  it("never while somebody types; a box to tick is no typing", () => {
    render(<Probe />);
    for (const field of ["Name", "Words"]) {
      expect(fireEvent.keyDown(screen.getByLabelText(field), { key: "?" })).toBe(true);
    }
    fireEvent.keyDown(document.body, { key: "?", isComposing: true });
    expect(perform).not.toHaveBeenCalled();
    fireEvent.keyDown(screen.getByLabelText("Sure"), { key: "?" });
    expect(perform).toHaveBeenCalledWith({ type: "help" });
  });

  it("never while a dialog is open, not even Ctrl+K", () => {
    render(<Probe dialog />);
    for (const one of ["?", "/", "g", "b"]) fireEvent.keyDown(document.body, { key: one });
    fireEvent.keyDown(document.body, { key: "k", ctrlKey: true });
    expect(perform).not.toHaveBeenCalled();
  });

  it("the browser remembers that they are switched off", () => {
    render(<Probe />);
    act(() => setCharacterKeys(false));
    fireEvent.keyDown(document.body, { key: "?" });
    expect(perform).not.toHaveBeenCalled();
    expect(localStorage.getItem("flowkeep.character-keys")).toBe("off");
  });
});
