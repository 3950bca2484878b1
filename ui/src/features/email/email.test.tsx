/** The pages of e-mail with what the API may answer. */
import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { EmailPage } from "./EmailPage";
import { draftOf, requestOf } from "./providers";
import { lineSpan } from "./TemplateForm";
import { TemplatePage } from "./TemplatePage";

const CONFIG = {
  is_set: true,
  provider: "mailgun" as const,
  is_enabled: true,
  from_email: "flowkeep@example.com",
  from_name: "Flowkeep",
  reply_to: null,
  to: ["admin@example.com"],
  smtp_host: null,
  smtp_port: null,
  security: null,
  username: "postmaster@mg.example.com",
  has_password: true,
  region: "eu",
  is_iam_key: false,
  verify_certificate: true,
  effective_host: "smtp.eu.mailgun.org",
  effective_port: 587,
  effective_security: "starttls" as const,
  updated_at: "2026-11-20T10:00:00Z",
};
const TEMPLATE = {
  key: "backup_failed",
  name: "Backup failed",
  description: "Sent when a backup could not be made.",
  category: "backup",
  subject: "Failed on {{ host }}",
  enabled: true,
  is_customized: true,
  updated_at: "2026-11-20T10:00:00Z",
  html_body: "<p>one</p>\n<p>two</p>",
  text_body: "one\ntwo",
  variables: [{ name: "host", description: "The machine.", sample: "nas", is_optional: false }],
};
const BASE = {
  "GET /api/email/config": CONFIG,
  "GET /api/email/templates": { items: [TEMPLATE] },
  "GET /api/email/test-history": { items: [], next_cursor: null },
};

describe("e-mail", () => {
  it("sends only what a provider needs, and no password that is kept", () => {
    const draft = draftOf(CONFIG);
    expect(requestOf(draft)).toMatchObject({ username: "postmaster@mg.example.com", region: "eu" });
    expect(requestOf(draft)).not.toHaveProperty("password");
    const other = requestOf({ ...draft, provider: "sendgrid", password: "SG.x" });
    expect(other).toMatchObject({ username: null, region: null, password: "SG.x" });
    expect(requestOf({ ...draft, provider: "gmail_relay", password: "x" })).not.toHaveProperty("password");
    expect(requestOf({ ...draft, region: "" })).toMatchObject({ region: "us" });
  });

  it("asks for what the chosen provider needs, and shows what is wrong beside it", async () => {
    const fields = { password: "give an API key" };
    answering({
      ...BASE,
      "PUT /api/email/config": { status: 422, body: { error: { code: "invalid_input", message: "no", fields } } },
    });
    show(EmailPage);
    expect(await screen.findByLabelText("SMTP login")).toBeTruthy();
    expect(screen.getByPlaceholderText("kept; type to replace")).toBeTruthy();
    fireEvent.click(screen.getByRole("radio", { name: /^SendGrid/ }));
    expect(screen.queryByLabelText("SMTP login")).toBeNull();
    expect(await screen.findByLabelText("API key")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("give an API key")).toBeTruthy();
  });

  it("says what a test came to, and which field is at fault", async () => {
    const sent = answering({
      ...BASE,
      "POST /api/email/test": {
        id: 1,
        status: "failed",
        provider: "mailgun",
        recipient: "me@example.com",
        response_time_ms: 80,
        error: "The login was refused.",
        smtp_response: "535 5.7.8 no",
        smtp_code: 535,
        field: "username",
        is_transient: false,
        refused: [],
        is_welcomed: false,
      },
    });
    show(EmailPage);
    const card = (await screen.findByRole("heading", { name: "Does it work?" })).closest(".mantine-Card-root");
    const inCard = within(card as HTMLElement);
    fireEvent.change(inCard.getByLabelText("To"), { target: { value: "me@example.com" } });
    fireEvent.click(inCard.getByRole("button", { name: "Send a test" }));
    expect(await screen.findByText("Not sent, 80 ms")).toBeTruthy();
    expect(screen.getByText("535 5.7.8 no")).toBeTruthy();
    // In the outcome, and beside the field.
    expect(screen.getAllByText("The login was refused.")).toHaveLength(2);
    expect(sent.find(({ path }) => path === "/api/email/test")?.body).toEqual({
      to: "me@example.com",
      template_key: "test_email",
    });
  });

  it("opens what is folded away when a check finds a fault there", async () => {
    answering({
      ...BASE,
      "POST /api/email/check": {
        is_ok: false,
        response_time_ms: 120,
        smtp_response: null,
        error: "It does not offer STARTTLS.",
        field: "security",
      },
    });
    show(EmailPage);
    const more = await screen.findByRole("button", { name: "More" });
    fireEvent.click(screen.getByRole("button", { name: "Check connection" }));
    expect(await screen.findByText("It cannot be used, 120 ms")).toBeTruthy();
    await waitFor(() => expect(more.getAttribute("aria-expanded")).toBe("true"));
    await waitFor(() => expect(screen.getAllByText("It does not offer STARTTLS.")).toHaveLength(2));
  });

  it("says that switching on waits for saving, and that a password goes in the clear", async () => {
    answering({
      ...BASE,
      "GET /api/email/config": {
        ...CONFIG,
        provider: "smtp",
        smtp_host: "mail.example.com",
        region: null,
        security: "none",
      },
    });
    show(EmailPage);
    expect(await screen.findByText(/whoever is in between can read it/)).toBeTruthy();
    expect(screen.queryByText("From when you save.")).toBeNull();
    fireEvent.click(screen.getByRole("switch", { name: "Switched on" }));
    expect(await screen.findByText("From when you save.")).toBeTruthy();
    fireEvent.change(screen.getByLabelText("User name"), { target: { value: "" } });
    await waitFor(() => expect(screen.queryByText(/whoever is in between/)).toBeNull());
  });

  it("shows of each test what was sent, by whom, who did not get it and what the server said", async () => {
    const row = {
      id: 3,
      status: "success",
      provider: "mailgun",
      provider_config: null,
      recipient: "admin@example.com, gone@example.com",
      template_key: "backup_failed",
      response_time_ms: 80,
      error: "refused: gone@example.com: 550 5.1.1 No such mailbox",
      smtp_response: "250 queued",
      smtp_code: null,
      tested_by: 1,
      tested_by_name: "ann",
      tested_at: "2026-11-20T10:00:00Z",
    };
    answering({ ...BASE, "GET /api/email/test-history": { items: [row], next_cursor: null } });
    show(EmailPage);
    const cells = within((await screen.findByText(row.recipient, {}, { timeout: 3000 })).closest("tr") as HTMLElement);
    for (const said of ["Backup failed", "ann", row.error, "250 queued"]) {
      expect(await cells.findByText(said)).toBeTruthy();
    }
  });
});

describe("a template", () => {
  const shown = { subject: "Failed on nas", html_body: "<p>shown</p>", text_body: "shown" };

  it("is shown in a frame that may do nothing", async () => {
    answering({
      "GET /api/email/templates/backup_failed": TEMPLATE,
      "POST /api/email/templates/backup_failed/preview": shown,
    });
    show(TemplatePage, "/email/templates/backup_failed", "/email/templates/$key");
    const frame = (await screen.findByTitle("How the mail looks")) as HTMLIFrameElement;
    expect(frame.getAttribute("sandbox")).toBe("");
    expect(frame.getAttribute("srcdoc")).toBe("<p>shown</p>");
  });

  it("takes a variable where the cursor is, and names the line that is wrong", async () => {
    const fields = { html_body: "line 2: nope is not known here", html_body_line: 2 };
    answering({
      "GET /api/email/templates/backup_failed": TEMPLATE,
      "POST /api/email/templates/backup_failed/preview": shown,
      "PUT /api/email/templates/backup_failed": {
        status: 422,
        body: { error: { code: "invalid_input", message: "no", fields } },
      },
    });
    show(TemplatePage, "/email/templates/backup_failed", "/email/templates/$key");
    const subject = (await screen.findByLabelText("Subject")) as HTMLInputElement;
    subject.focus();
    subject.setSelectionRange(0, 6);
    fireEvent.click(screen.getByRole("button", { name: /^Insert host/ }));
    await waitFor(() => expect(subject.value).toBe("{{ host }} on {{ host }}"));
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    expect(await screen.findByText("line 2: nope is not known here")).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Show line 2" }));
    const area = screen.getByLabelText("Formatted text, HTML") as HTMLTextAreaElement;
    expect(area.value.slice(area.selectionStart, area.selectionEnd)).toBe("<p>two</p>");
    expect(lineSpan("a\nbc", 2)).toEqual([2, 4]);
  });

  it("keeps what is typed while it is saved, and asks before it is left behind", async () => {
    answering({
      "GET /api/email/templates/backup_failed": { ...TEMPLATE, is_customized: false },
      "POST /api/email/templates/backup_failed/preview": shown,
      "PUT /api/email/templates/backup_failed": { ...TEMPLATE, subject: "First", is_customized: true },
    });
    show(TemplatePage, "/email/templates/backup_failed", "/email/templates/$key");
    const subject = () => screen.getByLabelText("Subject") as HTMLInputElement;
    await screen.findByLabelText("Subject");
    fireEvent.change(subject(), { target: { value: "First" } });
    fireEvent.click(screen.getByRole("button", { name: "Save" }));
    fireEvent.change(subject(), { target: { value: "First and more" } });
    expect(await screen.findByRole("button", { name: "Default text" })).toBeTruthy();
    expect(subject().value).toBe("First and more");
    fireEvent.click(screen.getByRole("link", { name: "E-mail" }));
    fireEvent.click(await screen.findByRole("button", { name: "Stay here" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: "Stay here" })).toBeNull());
    expect(subject().value).toBe("First and more");
    fireEvent.click(screen.getByRole("link", { name: "E-mail" }));
    fireEvent.click(await screen.findByRole("button", { name: "Leave" }));
    await waitFor(() => expect(screen.queryByLabelText("Subject")).toBeNull());
  });

  it("asks before it takes the default again", async () => {
    const sent = answering({
      "GET /api/email/templates/backup_failed": TEMPLATE,
      "POST /api/email/templates/backup_failed/preview": shown,
      "POST /api/email/templates/backup_failed/reset": { ...TEMPLATE, is_customized: false },
    });
    show(TemplatePage, "/email/templates/backup_failed", "/email/templates/$key");
    fireEvent.click(await screen.findByRole("button", { name: "Default text" }));
    expect(sent.some(({ path }) => path.endsWith("/reset"))).toBe(false);
    fireEvent.click(await screen.findByRole("button", { name: "Take the default" }));
    await waitFor(() => expect(screen.queryByRole("button", { name: "Default text" })).toBeNull());
  });
});
