/** The pages of workflows, with what the API may answer. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { ApiCard } from "../n8n/ApiCard";
import { FlowPage } from "./FlowPage";
import { FlowsPage } from "./FlowsPage";
import { PlacePage } from "./PlacePage";

const FLOW = {
  id: "abc",
  name: "Order totals",
  is_active: true,
  is_archived: false,
  tags: ["shop"],
  folder: "Sales",
  project: null,
  node_count: 2,
  node_types: ["n8n-nodes-base.code"],
  credentials: [],
  updated_at: null,
  content_sha256: "1",
};
const OTHER = { ...FLOW, id: "def", name: "Nightly clean-up", is_active: false, tags: [], folder: "" };
const HIT = {
  ...FLOW,
  is_live: false,
  first_seen_at: "2026-11-20T10:00:00Z",
  last_seen_at: "2026-11-21T10:00:00Z",
  version_count: 2,
  place_count: 5,
  newest: "backup:7",
};
const CONTENTS = {
  taken_at: "2026-11-20T10:00:00Z",
  n8n_version: "2.41.1",
  items: [FLOW, OTHER],
  credentials: [{ id: "c1", name: "Shop", type: "httpHeaderAuth" }],
  variables: [],
  tags: ["shop"],
  projects: [],
  unreadable: ["Broken one"],
};
const PLAN = {
  items: [
    {
      workflow_id: "abc",
      name: "Order totals",
      action: "rename",
      way: "api",
      new_name: "Order totals (restored)",
      target_id: null,
      is_active_now: true,
      static_data: "clear",
      notes: [{ code: "webhook", is_warning: true, message: "The webhook belongs to another one." }],
      changes: null,
    },
  ],
  notes: [],
  is_newer: true,
  write_count: 1,
};
const ITEM = {
  id: 31,
  workflow_id: "abc",
  name: "Order totals",
  action: "rename",
  way: "api",
  status: "done",
  message: null,
  target_id: "xyz",
  can_undo: true,
  undone_at: null,
};
const DONE = {
  id: 12,
  source: "backup:7",
  on_conflict: "rename",
  status: "done",
  requested_at: "2026-11-21T10:00:00Z",
  finished_at: "2026-11-21T10:00:01Z",
  items: [ITEM],
};
const NO_HITS = { items: [], has_more: false, pending_backups: 0 };

describe("workflows in n8n now", () => {
  it("are filtered, chosen and exported", async () => {
    const sent = answering({
      "GET /api/flows/list": { origin: "database", items: [FLOW, OTHER] },
      "POST /api/flows/export/bulk": {},
    });
    URL.createObjectURL = () => "blob:x";
    URL.revokeObjectURL = () => {};
    show(FlowsPage, "/flows");
    fireEvent.change(await screen.findByLabelText("Filter workflows"), { target: { value: "shop" } });
    expect(screen.getByText("1 of 2 workflows")).toBeTruthy();
    expect(screen.queryByText("Nightly clean-up")).toBeNull();
    fireEvent.change(screen.getByLabelText("Filter workflows"), { target: { value: "" } });
    fireEvent.click(screen.getByLabelText("Choose all of them"));
    fireEvent.click(screen.getByRole("button", { name: "Export 2 workflows" }));
    await waitFor(() => expect(sent.some(({ method }) => method === "POST")).toBe(true));
    expect(sent.find(({ method }) => method === "POST")?.body).toEqual({ ids: ["abc", "def"], version: "live" });
  });

  it("say why they cannot be had", async () => {
    const body = { error: { code: "not_configured", message: "n8n is not connected.", fields: {} } };
    answering({ "GET /api/flows/list": { status: 409, body } });
    show(FlowsPage, "/flows");
    expect(await screen.findByText("n8n is not connected.")).toBeTruthy();
  });
});

describe("the time machine", () => {
  it("asks once for what was typed, and only for deleted ones if wanted", async () => {
    const sent = answering({ "GET /api/flows/search": { items: [HIT], has_more: false, pending_backups: 2 } });
    show(FlowsPage, "/flows?tab=past", "/flows");
    const box = await screen.findByLabelText("Search every backup");
    expect(document.activeElement).toBe(box);
    expect(await screen.findByText("Deleted")).toBeTruthy();
    expect(screen.getByText(/2 backups are still being looked into/)).toBeTruthy();
    for (const value of ["o", "or", "ord"]) fireEvent.change(box, { target: { value } });
    const asked = () => sent.filter(({ path }) => path.includes("q="));
    await waitFor(() => expect(asked()).toHaveLength(1));
    expect(asked()[0]?.path).toContain("q=ord&");
    fireEvent.click(screen.getByLabelText("Only deleted"));
    await waitFor(() => expect(asked().at(-1)?.path).toContain("deleted=true"));
  });

  it("says when nothing is found", async () => {
    answering({ "GET /api/flows/search": NO_HITS });
    show(FlowsPage, "/flows?tab=past", "/flows");
    expect(await screen.findByText("No backup has workflows yet")).toBeTruthy();
  });
});

describe("what is in a backup", () => {
  it("restores what was chosen, only after it is accepted that it is newer", async () => {
    const sent = answering({
      "GET /api/flows/from-backup/7": CONTENTS,
      "POST /api/flows/restore/preview": PLAN,
      "POST /api/flows/restore": DONE,
      "GET /api/flows/restores/12": DONE,
      "POST /api/flows/restores/items/31/undo": {
        status: 409,
        body: { error: { code: "changed_since", message: "It was changed in n8n since.", fields: {} } },
      },
    });
    show(PlacePage, "/flows/in/backup-7", "/flows/in/$place");
    expect(await screen.findByText("Broken one")).toBeTruthy();
    fireEvent.click(screen.getByLabelText("Choose Order totals"));
    fireEvent.click(screen.getByRole("button", { name: "Restore 1 workflow" }));
    const dialog = await screen.findByRole("dialog");
    expect(within(dialog).queryByLabelText("Key of the old n8n")).toBeNull();
    fireEvent.click(within(dialog).getByRole("radio", { name: /Rename/ }));
    fireEvent.click(within(dialog).getByRole("switch", { name: /Bring missing credentials/ }));
    fireEvent.change(within(dialog).getByLabelText("Key of the old n8n"), { target: { value: "old key" } });
    fireEvent.click(within(dialog).getByRole("button", { name: "See what would happen" }));

    expect(await within(dialog).findByText("The webhook belongs to another one.")).toBeTruthy();
    expect(within(dialog).getByText(/by n8n's API, with the name “Order totals \(restored\)”/)).toBeTruthy();
    const request = {
      source: "backup:7",
      workflow_ids: ["abc"],
      on_conflict: "rename",
      with_credentials: true,
      source_encryption_key: "old key",
    };
    const posts = () => sent.filter(({ method }) => method === "POST");
    expect(posts()[0]?.body).toEqual(request);
    const go = within(dialog).getByRole("button", { name: "Restore 1 workflow, inactive" });
    expect(go.hasAttribute("disabled")).toBe(true);
    fireEvent.click(within(dialog).getByLabelText(/Restore it all the same/));
    expect(go.hasAttribute("disabled")).toBe(false);
    fireEvent.click(go);

    expect(await within(dialog).findByText(/It is done/)).toBeTruthy();
    expect(posts()[1]).toMatchObject({ path: "/api/flows/restore", body: { ...request, accept_newer: true } });
    expect(within(dialog).getByRole("link", { name: "Order totals" }).getAttribute("href")).toBe("/flows/xyz");
    fireEvent.click(within(dialog).getByRole("button", { name: "Undo for Order totals" }));
    expect(within(dialog).getByText(/is deleted from n8n/)).toBeTruthy();
    fireEvent.click(within(dialog).getByRole("button", { name: "Undo it" }));
    expect(await within(dialog).findByText("It was changed in n8n since.")).toBeTruthy();
  });
});

describe("one workflow", () => {
  const version = (name: string, isUnchanged: boolean) => ({
    version: name,
    at: "2026-11-20T10:00:00Z",
    name: "Order totals",
    content_sha256: null,
    node_count: 2,
    is_active: false,
    authors: null,
    is_unchanged: isUnchanged,
  });
  const node = { kind: "n8n-nodes-base.code", is_disabled: false, is_moved: false, old_name: null };

  it("shows its versions folded, and what differs", async () => {
    const sent = answering({
      "GET /api/flows/history/abc": {
        versions: [version("live", false), version("backup:8", true), version("backup:7", false)],
      },
      "GET /api/flows/diff/abc": {
        old: {},
        new: {},
        diff: {
          is_same: false,
          nodes: [
            {
              ...node,
              name: "Add up",
              fate: "changed",
              position: [0, 0],
              changes: [{ path: "parameters.jsCode", old: "a\nb", new: "a\nc" }],
            },
            { ...node, name: "Wait", fate: "added", position: [300, 0], changes: [] },
          ],
          connections: [{ fate: "added", from: "Add up", kind: "main", output: 0, to: "Wait", input: 0 }],
          fields: [{ path: "settings.timezone", old: null, new: "Europe/Berlin" }],
          is_static_data_changed: false,
        },
      },
    });
    show(FlowPage, "/flows/abc", "/flows/$id");
    expect(await screen.findByText(/unchanged in 2 backups/)).toBeTruthy();
    const drawn = await screen.findByRole("button", { name: "Add up, code, changed" });
    expect(sent.find(({ path }) => path.includes("/diff/"))?.path).toContain("from=backup%3A8&to=live");
    expect(screen.getByRole("img", { name: /2 nodes: 1 added \(Wait\), 1 changed \(Add up\)/ })).toBeTruthy();
    expect(screen.getByText("removed:", { exact: false, selector: "span" })).toBeTruthy();
    expect(screen.getByText("settings.timezone")).toBeTruthy();
    expect(screen.getByText("nothing")).toBeTruthy();
    fireEvent.focus(drawn);
    expect(screen.getAllByText("parameters.jsCode")).toHaveLength(2);
    fireEvent.keyDown(drawn, { key: "ArrowRight" });
    expect(await screen.findByText("Only the new version has it.")).toBeTruthy();
  });

  it("says when nothing differs", async () => {
    answering({
      "GET /api/flows/history/abc": { versions: [version("live", true), version("backup:7", false)] },
      "GET /api/flows/diff/abc": {
        old: {},
        new: {},
        diff: { is_same: true, nodes: [], connections: [], fields: [], is_static_data_changed: false },
      },
    });
    show(FlowPage, "/flows/abc", "/flows/$id");
    expect(await screen.findByText("Nothing differs")).toBeTruthy();
  });
});

describe("n8n's API", () => {
  it("is tried with what was typed, and says which scopes are missing", async () => {
    const sent = answering({
      "GET /api/n8n/api": { url: null, has_key: false },
      "POST /api/n8n/api/test": {
        ok: true,
        message: null,
        missing_scopes: ["tag:create"],
        has_publish_if_active: true,
      },
    });
    show(ApiCard, "/n8n");
    fireEvent.change(await screen.findByLabelText("n8n's address"), { target: { value: "http://n8n:5678" } });
    fireEvent.change(screen.getByLabelText("API key"), { target: { value: "secret" } });
    fireEvent.click(screen.getByRole("button", { name: "Test the access" }));
    expect(await screen.findByText("It works in part")).toBeTruthy();
    expect(within(screen.getByRole("status")).getByText("tag:create")).toBeTruthy();
    expect(sent.find(({ method }) => method === "POST")?.body).toEqual({ url: "http://n8n:5678", key: "secret" });
  });
});
