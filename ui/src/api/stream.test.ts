import { act, renderHook } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { useStats } from "../features/containers/stats";
import { useLiveSamples } from "../features/host/queries";
import { useLive } from "./live";
import { openStream } from "./stream";

/** A stream that the test opens, speaks on and ends. */
class Fake {
  static readonly CLOSED = 2;
  static all: Fake[] = [];
  readyState = 0;
  onopen?: () => void;
  onerror?: () => void;
  listeners = new Map<string, (event: { data: string }) => void>();
  constructor(readonly url: string) {
    Fake.all.push(this);
  }
  addEventListener(name: string, listener: (event: { data: string }) => void) {
    this.listeners.set(name, listener);
  }
  close() {
    this.readyState = 2;
  }
  say(name: string, data: unknown) {
    this.listeners.get(name)?.({ data: JSON.stringify(data) });
  }
  /** As the browser ends it after a 502. */
  refuse() {
    this.readyState = 2;
    this.onerror?.();
  }
  static get last(): Fake {
    const last = Fake.all.at(-1);
    if (!last) throw new Error("no stream was opened");
    return last;
  }
}

beforeEach(() => {
  Fake.all = [];
  vi.useFakeTimers();
  vi.stubGlobal("EventSource", Fake);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a stream", () => {
  it("is opened again after a refusal, later each time, and soon again once it was open", () => {
    const heard: unknown[] = [];
    const close = openStream("/x", { told: (data: never) => heard.push(data) });
    for (const wait of [2_000, 4_000, 8_000]) {
      Fake.last.refuse();
      const before = Fake.all.length;
      vi.advanceTimersByTime(wait - 1);
      expect(Fake.all.length).toBe(before);
      vi.advanceTimersByTime(1);
      expect(Fake.all.length).toBe(before + 1);
    }
    Fake.last.onopen?.();
    Fake.last.say("told", 7);
    expect(heard).toEqual([7]);
    Fake.last.refuse();
    vi.advanceTimersByTime(2_000);
    expect(Fake.all.length).toBe(5);
    close();
  });

  it("is left to the browser while that tries by itself, and ends when nobody wants it", () => {
    const broken = vi.fn();
    const close = openStream("/x", {}, broken);
    Fake.last.onerror?.();
    vi.advanceTimersByTime(120_000);
    expect(Fake.all.length).toBe(1);
    expect(broken).toHaveBeenCalledOnce();
    Fake.last.refuse();
    close();
    vi.advanceTimersByTime(120_000);
    expect(Fake.all.length).toBe(1);
  });
});

describe("what is followed goes on after Flowkeep was restarted", () => {
  it("on work under way", () => {
    const { result, unmount } = renderHook(() => useLive());
    act(() => Fake.last.say("snapshot", { backups: [], verifications: [] }));
    expect(result.current.isConnected).toBe(true);
    act(() => Fake.last.refuse());
    expect(result.current.isConnected).toBe(false);
    act(() => void vi.advanceTimersByTime(2_000));
    act(() => Fake.last.say("snapshot", { backups: [], verifications: [] }));
    expect(result.current.isConnected).toBe(true);
    unmount();
  });

  it("on what containers use", () => {
    const { result, unmount } = renderHook(() => useStats());
    act(() => Fake.last.say("stats", { at: "2026-03-01T00:00:00Z", items: [] }));
    act(() => Fake.last.refuse());
    act(() => void vi.advanceTimersByTime(2_000));
    act(() => Fake.last.say("stats", { at: "2026-03-01T00:00:02Z", items: [] }));
    expect(result.current.samples.length).toBe(2);
    unmount();
  });

  it("on the machine, and says when its numbers are no longer those of now", () => {
    const { result, unmount } = renderHook(() => useLiveSamples());
    act(() => Fake.last.say("sample", { at: "2026-03-01T00:00:00Z" }));
    expect(result.current.isStale).toBe(false);
    act(() => Fake.last.refuse());
    act(() => void vi.advanceTimersByTime(10_000));
    expect(result.current.isStale).toBe(true);
    act(() => Fake.last.say("sample", { at: "2026-03-01T00:00:12Z" }));
    expect(result.current).toMatchObject({ isStale: false, samples: [{}, {}] });
    unmount();
  });
});
