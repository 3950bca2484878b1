import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { NAVIGATION } from "../../layouts/navigation";
import { router } from "../../router";
import { answering, show } from "../../test/render";
import { Palette } from "./Palette";
import { actions, PAGES, SOURCES } from "./registry";

const OVERVIEW = { n8n: { is_configured: true }, last_good_backup: { id: 7 } };
const ANSWERS = {
  "GET /api/overview": OVERVIEW,
  "GET /api/settings": {
    items: [{ key: "backups.compression_level", title: "Compression level", description: "Higher." }],
  },
  "GET /api/flows/list": {
    origin: "database",
    items: [{ id: "a/b", name: "Order intake", folder: "Shop", tags: [], is_archived: false }],
  },
  "GET /api/backups/history": {
    items: [
      {
        id: 7,
        backup_type: "postgres_n8n",
        database_name: "n8n",
        started_at: "2026-11-20T10:00:00Z",
        status: "success",
      },
    ],
    next_cursor: null,
  },
  "GET /api/backups/schedules": {
    items: [{ id: 3, name: "Every night", backup_type: "postgres_n8n", enabled: false }],
  },
  "GET /api/backups/destinations": { items: [{ id: 4, name: "Second disk", kind: "folder", path: "/mnt" }] },
  "GET /api/notifications/services": { items: [{ id: 5, name: "My phone", service_type: "ntfy" }] },
  "GET /api/notifications/rules": { items: [{ id: 6, name: "What breaks", event_type: "backup.failed" }] },
  "GET /api/watchdog": {
    open: [{ id: 9, kind: "failing", workflow_name: "Nightly report", workflow_id: "w9" }],
    mutes: [],
    watched: [],
  },
  "GET /api/containers": {
    engine: { is_reachable: true },
    items: [
      { name: "n8n_main", image: "n8nio/n8n:2", status: "running", is_own: false },
      { name: "flowkeep", image: "flowkeep", status: "running", is_own: true },
    ],
  },
  "GET /api/auth/sso": {
    items: [{ slug: "dozzle", name: "Dozzle", url: "https://logs.example.com/", is_enabled: false }],
  },
  "GET /api/email/templates": { items: [{ key: "backup_failed", name: "Backup failed", description: "Mail." }] },
};
const close = vi.fn();
const field = () => screen.findByRole("combobox", { name: "Search and do" });
const options = () => screen.getAllByRole("option").map((one) => one.textContent);
const chosen = async () => {
  const id = (await field()).getAttribute("aria-activedescendant");
  return document.getElementById(id ?? "")?.textContent;
};

beforeEach(() => {
  localStorage.clear();
  close.mockReset();
});

describe("the registry", () => {
  const facts = {
    overview: OVERVIEW as never,
    scheme: "auto",
    isDark: false,
    setScheme: () => {},
    signOut: () => {},
  } as const;

  it("has every page of the navigation, and no id twice", () => {
    for (const { to } of NAVIGATION) expect(PAGES.map(({ id }) => id)).toContain(`page:${to}`);
    const ids = [...PAGES, ...actions(facts)].map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it("leads to pages that are there", async () => {
    answering(ANSWERS);
    const found = (await Promise.all(SOURCES.map(({ load }) => load()))).flat();
    const kinds = found.map(({ kind }) => kind).filter((kind) => kind !== "Action");
    expect(new Set(kinds).size).toBe(SOURCES.length);
    for (const { does } of [...PAGES, ...found]) {
      if (typeof does === "function" || does.isServed) continue;
      const path = does.to.split(/[?#]/)[0] ?? "";
      expect(router.getMatchedRoutes(path)[2]?.id, does.to).toBeDefined();
    }
  });

  it("finds containers, tools and what is wrong with workflows by their names", async () => {
    answering(ANSWERS);
    const found = (await Promise.all(SOURCES.map(({ load }) => load()))).flat();
    const of = (label: string) => found.find((one) => one.label === label);
    expect(of("n8n_main")).toMatchObject({ kind: "Container", does: { to: "/containers/n8n_main" } });
    expect(of("Logs of n8n_main")).toMatchObject({ does: { to: "/containers/n8n_main?tab=logs" } });
    expect(of("Restart n8n_main")).toMatchObject({ does: { to: "/containers/n8n_main?ask=restart" } });
    expect(of("Start n8n_main")).toBeUndefined();
    expect(of("Restart flowkeep")).toBeUndefined();
    expect(of("Dozzle")).toMatchObject({ detail: "https://logs.example.com/ · off" });
    expect(of("Nightly report")).toMatchObject({ kind: "Open incident", does: { to: "/watchdog" } });
  });

  it("offers only what can be done", () => {
    const ids = (overview: object | undefined) =>
      actions({ ...facts, overview: overview as never }).map(({ id }) => id);
    expect(ids(OVERVIEW)).toEqual(expect.arrayContaining(["act:backup", "act:prove", "act:dark"]));
    const without = ids({ n8n: { is_configured: false }, last_good_backup: null });
    expect(without).not.toContain("act:backup");
    expect(without).not.toContain("act:prove");
    expect(ids(undefined)).toContain("act:sign-out");
  });
});

describe("the palette", () => {
  it("is used by keys alone, and tells what is chosen", async () => {
    answering(ANSWERS);
    show(() => <Palette opened close={close} />);
    const input = await field();
    await waitFor(() => expect(options()).toContain("Back up now"));
    expect(document.activeElement).toBe(input);
    expect(input.getAttribute("aria-controls")).toBe(screen.getByRole("listbox").id);
    fireEvent.change(input, { target: { value: "order" } });
    await waitFor(() => expect(options()).toEqual(["Order intakeShopWorkflow"]));
    expect(await chosen()).toBe("Order intakeShopWorkflow");
    fireEvent.change(input, { target: { value: "backup" } });
    await waitFor(() => expect(options().length).toBeGreaterThan(2));
    const [first, second] = options();
    expect(await chosen()).toBe(first);
    fireEvent.keyDown(input, { key: "ArrowDown" });
    expect(await chosen()).toBe(second);
    fireEvent.keyDown(input, { key: "ArrowUp" });
    fireEvent.keyDown(input, { key: "ArrowUp" });
    expect(await chosen()).toBe(options().at(-1));
    fireEvent.keyDown(input, { key: "k", ctrlKey: true });
    expect(close).toHaveBeenCalledOnce();
  });

  it("does what is chosen, and shows it first the next time", async () => {
    const sent = answering({ ...ANSWERS, "POST /api/backups/verification/run": { id: 1 } });
    const shown = show(() => <Palette opened close={close} />);
    fireEvent.change(await field(), { target: { value: "prove newest" } });
    await waitFor(() => expect(options()).toEqual(["Prove the newest backup#7Action"]));
    fireEvent.keyDown(await field(), { key: "Enter" });
    await waitFor(() =>
      expect(sent).toContainEqual({ method: "POST", path: "/api/backups/verification/run", body: { backup_id: 7 } }),
    );
    expect(close).toHaveBeenCalledOnce();
    shown.unmount();
    show(() => <Palette opened close={close} />);
    const used = await screen.findByRole("group", { name: "Used last" });
    expect(within(used).getByRole("option").textContent).toContain("Prove the newest backup");
    // A stray Enter does nothing.
    expect(await chosen()).toBeUndefined();
    fireEvent.keyDown(await field(), { key: "Enter" });
    expect(close).toHaveBeenCalledOnce();
    fireEvent.keyDown(await field(), { key: "ArrowDown" });
    expect(await chosen()).toContain("Prove the newest backup");
  });

  it("does not miss workflows where no n8n is connected", async () => {
    const none = { status: 409, body: { error: { code: "n8n_not_configured", message: "no n8n", fields: {} } } };
    const sent = answering({ ...ANSWERS, "GET /api/flows/list": none });
    show(() => <Palette opened close={close} />);
    await waitFor(() => expect(sent.some(({ path }) => path === "/api/flows/list")).toBe(true));
    fireEvent.change(await field(), { target: { value: "xyzzy" } });
    expect(await screen.findByText("Nothing is called “xyzzy”.")).toBeDefined();
    expect(screen.queryByText(/Could not be searched/)).toBeNull();
  });

  it("says what could not be searched, and finds the rest", async () => {
    const down = { status: 500, body: { error: { code: "n8n_unreachable", message: "n8n is down.", fields: {} } } };
    answering({ ...ANSWERS, "GET /api/flows/list": down });
    show(() => <Palette opened close={close} />);
    expect(await screen.findByText("Could not be searched: Workflows.")).toBeDefined();
    fireEvent.change(await field(), { target: { value: "second" } });
    await waitFor(() => expect(options()).toEqual(["Second disk/mntDestination"]));
    fireEvent.change(await field(), { target: { value: "xyzzy" } });
    expect(await screen.findByText("Nothing is called “xyzzy”.")).toBeDefined();
  });
});
