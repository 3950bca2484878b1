/** Who may sign in, and from where. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { ProfileCard } from "./ProfileCard";
import { SessionsCard } from "./SessionsCard";
import { SubnetsCard } from "./SubnetsCard";

const subnet = (id: number, cidr: string, enabled = true) => ({ id, cidr, enabled, description: null });
const list = (...items: object[]) => ({ "GET /api/auth/subnets": { items, your_ip: "10.0.0.5" } });
const LOCKED = {
  status: 409,
  body: { error: { code: "would_lock_you_out", message: "You come from 10.0.0.5.", fields: {} } },
};
const asked = () => screen.findByRole("dialog");

describe("allowed networks", () => {
  it("are removed only after it was said that the last one opens everything", async () => {
    const sent = answering({
      ...list(subnet(1, "10.0.0.0/8")),
      "DELETE /api/auth/subnets/1": { status: 204, body: null },
    });
    show(SubnetsCard);
    // The first page of a file takes longest.
    fireEvent.click(await screen.findByRole("button", { name: "Remove 10.0.0.0/8" }, { timeout: 20_000 }));
    const dialog = await asked();
    expect(dialog.textContent).toContain("open to every address");
    expect(sent.some(({ method }) => method === "DELETE")).toBe(false);
    fireEvent.click(within(dialog).getByRole("button", { name: "Remove" }));
    await waitFor(() => expect(sent.map(({ path }) => path)).toContain("/api/auth/subnets/1"));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  }, 30_000);

  it("that hold your own address are removed with a second word", async () => {
    const networks = list(subnet(1, "10.0.0.0/8"), subnet(2, "192.168.0.0/16"));
    const sent = answering({ ...networks, "DELETE /api/auth/subnets/1": LOCKED });
    show(SubnetsCard);
    fireEvent.click(await screen.findByRole("button", { name: "Remove 10.0.0.0/8" }));
    const dialog = await asked();
    expect(dialog.textContent).toContain("is shut out at once");
    fireEvent.click(within(dialog).getByRole("button", { name: "Remove" }));
    expect((await within(dialog).findByRole("alert")).textContent).toContain("You come from 10.0.0.5.");
    fireEvent.click(within(dialog).getByRole("button", { name: "Lock me out" }));
    await waitFor(() => expect(sent.map(({ path }) => path)).toContain("/api/auth/subnets/1?confirm_lockout=true"));
  });

  it("are switched on at once, unless that would shut you out", async () => {
    const networks = list(subnet(1, "10.0.0.0/8"), subnet(2, "192.168.0.0/16", false));
    const sent = answering({ ...networks, "PUT /api/auth/subnets/2": LOCKED });
    show(SubnetsCard);
    fireEvent.click(await screen.findByRole("switch", { name: "192.168.0.0/16" }));
    const dialog = await asked();
    fireEvent.click(await within(dialog).findByRole("button", { name: "Lock me out" }));
    await waitFor(() =>
      expect(sent.filter(({ method }) => method === "PUT").map(({ body }) => body)).toEqual([
        { enabled: true },
        { enabled: true, confirm_lockout: true },
      ]),
    );
  });
});

describe("sessions", () => {
  it("of others end only after it was asked", async () => {
    const session = (id: string, is_current: boolean) => ({ id, is_current, last_seen_at: "2026-03-01T00:00:00Z" });
    const sent = answering({
      "GET /api/auth/sessions": { items: [session("a", true), session("b", false)] },
      "POST /api/auth/sessions/revoke-others": { revoked: 1 },
    });
    show(SessionsCard);
    fireEvent.click(await screen.findByRole("button", { name: "End all others" }));
    const dialog = await asked();
    expect(sent.some(({ method }) => method === "POST")).toBe(false);
    fireEvent.click(within(dialog).getByRole("button", { name: "End them" }));
    await waitFor(() => expect(sent.some(({ method }) => method === "POST")).toBe(true));
  });
});

describe("the profile", () => {
  const user = { id: 1, username: "admin", email: "admin@example.com", totp_enabled: false, recovery_codes_left: 0 };
  const SESSION = { "GET /api/auth/session": { user, session: {} } };

  it("shows the address that tools are told, and takes another one or none", async () => {
    const sent = answering({ ...SESSION, "PUT /api/auth/profile": { ...user, email: null } });
    show(ProfileCard);
    const field = await screen.findByLabelText("E-mail");
    expect((field as HTMLInputElement).value).toBe("admin@example.com");
    expect(screen.getByRole("button", { name: "Save" }).hasAttribute("disabled")).toBe(true);
    fireEvent.change(field, { target: { value: " " } });
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    await waitFor(() => expect(sent.find(({ method }) => method === "PUT")?.body).toEqual({ email: null }));
  });

  it("names what is wrong with an address at its field", async () => {
    const fields = { email: "must be an address" };
    const refusal = { status: 422, body: { error: { code: "invalid_input", message: "Invalid.", fields } } };
    answering({ ...SESSION, "PUT /api/auth/profile": refusal });
    show(ProfileCard);
    fireEvent.change(await screen.findByLabelText("E-mail"), { target: { value: "x@y" } });
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("must be an address")).toBeTruthy();
  });
});
