/** The page of single sign-on with what the API may answer, and the way from a tool and back. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it, vi } from "vitest";
import { answering, show } from "../../test/render";
import { Onward } from "./Onward";
import { draftOf, newDraft, type Overview, requestOf, rightsInWords, type Tool } from "./queries";
import { SsoPage } from "./SsoPage";

const TOOL: Tool = {
  slug: "dozzle",
  name: "Dozzle",
  host: "dozzle.example.com",
  path_prefix: "/",
  url: "https://dozzle.example.com/",
  upstream: "http://127.0.0.1:8080",
  is_at_home: false,
  trouble: null,
  is_enabled: true,
  requires_step_up: true,
  step_up_minutes: 15,
  stepped_up_until: null,
  remote_roles: ["actions", "download"],
  remote_filter: "name=n8n",
  allowed: 12,
  refused: 3,
  created_at: "2026-11-20T10:00:00Z",
  updated_at: "2026-11-20T10:00:00Z",
};
const OVERVIEW: Overview = {
  public_url: "https://flowkeep.example.com/",
  host: "flowkeep.example.com",
  parent_domain: "example.com",
  items: [TOOL],
};
const ID = "a".repeat(64);
const CONTINUE = "POST /api/auth/sso/continue";
const refusal = (status: number, code: string, message: string) => ({
  status,
  body: { error: { code, message, fields: {} } },
});

describe("single sign-on", () => {
  it("gives no rights that nobody chose, and a path only beside Flowkeep", () => {
    const fresh = newDraft(OVERVIEW, "dozzle");
    expect(requestOf(fresh, OVERVIEW)).toMatchObject({
      host: "dozzle.example.com",
      path_prefix: "/",
      remote_roles: ["none"],
    });
    const beside = requestOf({ ...fresh, place: "path" }, OVERVIEW);
    expect(beside).toMatchObject({ host: "flowkeep.example.com", path_prefix: "/dozzle/" });
    expect(requestOf(draftOf(TOOL, OVERVIEW), OVERVIEW)).toMatchObject({ remote_roles: ["actions", "download"] });
    expect(newDraft({ ...OVERVIEW, parent_domain: null }, "adminer").place).toBe("path");
  });

  it("a tool stays where it is when it is saved, also on another port and under a path of its own host", () => {
    const saved = (change: Partial<Tool>) => requestOf(draftOf({ ...TOOL, ...change }, OVERVIEW), OVERVIEW);
    const port = { host: "flowkeep.example.com:8443", path_prefix: "/", is_at_home: true };
    expect(saved(port)).toMatchObject({ host: "flowkeep.example.com:8443", path_prefix: "/" });
    const path = { host: "tools.example.com", path_prefix: "/dozzle/" };
    expect(saved(path)).toMatchObject(path);
    const beside = { host: "flowkeep.example.com", path_prefix: "/logs/", is_at_home: true };
    expect(saved(beside)).toMatchObject({ host: "flowkeep.example.com", path_prefix: "/logs/" });
  });

  it("asks for a parent domain only where a login needs one", async () => {
    const port = { ...TOOL, host: "flowkeep.example.com:8443", is_at_home: true };
    answering({ "GET /api/auth/sso": { ...OVERVIEW, parent_domain: null, items: [port] } });
    show(SsoPage);
    fireEvent.click(await screen.findByRole("button", { name: "Edit Dozzle" }));
    const dialog = await screen.findByRole("dialog");
    const host = within(dialog).getByLabelText(/Host name/);
    expect(within(dialog).queryByText(/Set the parent domain first/)).toBeNull();
    fireEvent.change(host, { target: { value: "dozzle.example.com" } });
    expect(within(dialog).getByText(/Set the parent domain first/)).toBeTruthy();
  });

  it("says in words what people may do", () => {
    expect(rightsInWords(TOOL)).toBe(
      "start, stop and restart containers, download logs; only containers that match name=n8n",
    );
    expect(rightsInWords({ ...TOOL, remote_roles: ["none"], remote_filter: null })).toBe("look only");
    expect(rightsInWords({ ...TOOL, remote_roles: ["all"], remote_filter: null })).toBe("everything");
  });

  it("shows what is missing where Flowkeep does not know its address", async () => {
    answering({ "GET /api/auth/sso": { public_url: null, host: null, parent_domain: null, items: [] } });
    show(SsoPage);
    expect(await screen.findByText("Flowkeep does not know its own address")).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Add a tool" })).toBeNull();
  });

  it("tests a tool, shows its files, and asks before it is removed", async () => {
    const sent = answering({
      "GET /api/auth/sso": OVERVIEW,
      "GET /api/auth/sso/services/dozzle/check": {
        status: 200,
        body: { status: 401, why: "step_up_required", headers: [] },
      },
      "GET /api/auth/sso/services/dozzle/nginx": {
        items: [{ path: "sites-enabled/dozzle.conf", about: "The tool.", is_shared: false, text: "server { }" }],
      },
    });
    show(SsoPage);
    fireEvent.click(await screen.findByRole("button", { name: "Test Dozzle" }));
    expect(await screen.findByText(/nginx would be told 401/)).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Show nginx configuration of Dozzle" }));
    expect(await screen.findByText("/etc/nginx/sites-enabled/dozzle.conf")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Copy sites-enabled/dozzle.conf" })).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Remove Dozzle", hidden: true }));
    expect(await screen.findByText("Remove Dozzle?")).toBeTruthy();
    expect(sent.some(({ method }) => method === "DELETE")).toBe(false);
  });

  it("shows a wrong host beside its field", async () => {
    const fields = { host: "is not under the parent domain example.com" };
    answering({
      "GET /api/auth/sso": OVERVIEW,
      "PUT /api/auth/sso/services/dozzle": {
        status: 422,
        body: { error: { code: "invalid_input", message: "no", fields } },
      },
    });
    show(SsoPage);
    fireEvent.click(await screen.findByRole("button", { name: "Edit Dozzle" }));
    const dialog = await screen.findByRole("dialog");
    fireEvent.click(within(dialog).getByRole("button", { name: "Save" }));
    expect(await within(dialog).findByText("is not under the parent domain example.com")).toBeTruthy();
  });
});

describe("the way back to a tool", () => {
  it("goes where the server says, once", async () => {
    const sent = answering({ [CONTINUE]: { url: "https://dozzle.example.com/" } });
    const go = vi.fn();
    show(() => <Onward id={ID} signIn={() => {}} go={go} />);
    await waitFor(() => expect(go).toHaveBeenCalledWith("https://dozzle.example.com/"));
    expect(sent.filter(({ path }) => path === "/api/auth/sso/continue")).toEqual([
      { method: "POST", path: "/api/auth/sso/continue", body: { return: ID } },
    ]);
  });

  it("asks whoever is not signed in to sign in", async () => {
    answering({ [CONTINUE]: refusal(401, "unauthenticated", "Sign in first.") });
    const signIn = vi.fn();
    show(() => <Onward id={ID} signIn={signIn} go={() => {}} />);
    await waitFor(() => expect(signIn).toHaveBeenCalled());
  });

  it("asks for a code, and for another if it is wrong", async () => {
    const answers: Record<string, unknown> = {
      [CONTINUE]: refusal(403, "step_up_required", "Dozzle asks for a code."),
    };
    const sent = answering(answers);
    show(() => <Onward id={ID} signIn={() => {}} go={() => {}} />);
    expect(await screen.findByText("Dozzle asks for a code.")).toBeTruthy();
    answers[CONTINUE] = refusal(403, "wrong_code", "The code is wrong or was used before.");
    fireEvent.change(screen.getByLabelText(/Code of your authenticator app/), { target: { value: "123456" } });
    fireEvent.click(screen.getByRole("button", { name: "Go on" }));
    expect(await screen.findByText("The code is wrong or was used before.")).toBeTruthy();
    expect(sent.at(-1)?.body).toEqual({ return: ID, code: "123456" });
  });

  it("ends where it cannot go on, and goes round in no circle", async () => {
    const sent = answering({ [CONTINUE]: refusal(409, "sent_in_circles", "Dozzle sends you back here.") });
    const go = vi.fn();
    show(() => <Onward id={ID} signIn={() => {}} go={go} />);
    expect(await screen.findByText("Dozzle sends you back here.")).toBeTruthy();
    expect(screen.getByRole("link", { name: "To the overview" })).toBeTruthy();
    expect(go).not.toHaveBeenCalled();
    expect(sent.length).toBe(1);
  });
});
