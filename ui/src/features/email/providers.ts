/** Who carries the mail, and what each needs. Pure. */
import type { Schemas } from "../../api/client";
import type { EmailConfig } from "./queries";

export type Provider = Schemas["Provider"];
type Security = Schemas["Security"];
type Line = { label: string; help?: string; placeholder?: string };

export type Needs = {
  name: string;
  about: string;
  /** Where to find what it asks for. */
  help: string;
  username?: Line;
  password?: Line;
  region?: Line & { choices?: { value: string; label: string }[] };
  /** Whether its server is to be named; the others have their own. */
  hasOwnServer?: boolean;
  takesIamKey?: boolean;
};

export const PROVIDERS: Record<Provider, Needs> = {
  smtp: {
    name: "Mail server",
    about: "Any server that speaks SMTP.",
    help: "The server, port and login are under “outgoing mail” in the help of whoever has your mailbox.",
    hasOwnServer: true,
    username: { label: "User name", help: "Empty if the server takes mail without a login." },
    password: { label: "Password" },
  },
  gmail: {
    name: "Gmail",
    about: "One Google account.",
    help: "Google account, Security, 2-Step Verification, App passwords: make one for Flowkeep. The usual password does not work.",
    password: { label: "App password", placeholder: "abcd efgh ijkl mnop" },
  },
  gmail_relay: {
    name: "Google Workspace",
    about: "The relay of a company, without a password.",
    help: "Admin console, Apps, Google Workspace, Gmail, Routing, SMTP relay service: allow the public address of this machine.",
  },
  sendgrid: {
    name: "SendGrid",
    about: "With an API key.",
    help: "SendGrid, Settings, API Keys: make one with the right Mail Send. The sender must be verified there.",
    password: { label: "API key", placeholder: "SG.…" },
  },
  mailgun: {
    name: "Mailgun",
    about: "With the login of a domain.",
    help: "Mailgun, Sending, Domain settings, SMTP credentials.",
    username: { label: "SMTP login", placeholder: "postmaster@mg.example.com" },
    password: { label: "SMTP password" },
    region: {
      label: "Where the domain was made",
      choices: [
        { value: "us", label: "United States" },
        { value: "eu", label: "European Union" },
      ],
    },
  },
  ses: {
    name: "Amazon SES",
    about: "Amazon's mail service.",
    help: "SES, SMTP settings, Create SMTP credentials; or an IAM user with the right ses:SendRawEmail. The sender must be verified there.",
    username: { label: "SMTP user name", placeholder: "AKIA…" },
    password: { label: "SMTP password" },
    region: { label: "Region", placeholder: "eu-west-1" },
    takesIamKey: true,
  },
};

export type EmailDraft = {
  provider: Provider;
  is_enabled: boolean;
  from_email: string;
  from_name: string;
  reply_to: string;
  to: string[];
  smtp_host: string;
  smtp_port: number | null;
  security: Security | null;
  username: string;
  password: string;
  region: string;
  is_iam_key: boolean;
  verify_certificate: boolean;
};

export function draftOf(config: EmailConfig): EmailDraft {
  return {
    provider: config.provider,
    // Whoever sets it up wants it.
    is_enabled: config.is_set ? config.is_enabled : true,
    from_email: config.from_email,
    from_name: config.from_name ?? "",
    reply_to: config.reply_to ?? "",
    to: config.to,
    smtp_host: config.smtp_host ?? "",
    smtp_port: config.smtp_port ?? null,
    security: config.security ?? null,
    username: config.username ?? "",
    password: "",
    region: config.region ?? "",
    is_iam_key: config.is_iam_key,
    verify_certificate: config.verify_certificate,
  };
}

/** What belongs to a provider, and means nothing to another. */
export const EMPTY_SERVER = {
  smtp_host: "",
  smtp_port: null,
  security: null,
  username: "",
  password: "",
  region: "",
  is_iam_key: false,
} satisfies Partial<EmailDraft>;

export function serverOf(draft: EmailDraft): Partial<EmailDraft> {
  const { provider, smtp_host, smtp_port, security, username, password, region, is_iam_key } = draft;
  return { provider, smtp_host, smtp_port, security, username, password, region, is_iam_key };
}

const orNull = (text: string) => text.trim() || null;

/** What is sent: only what the provider needs, and the password only if it is a new one. */
export function requestOf(draft: EmailDraft): Schemas["EmailConfigRequest"] {
  const needs = PROVIDERS[draft.provider];
  const region = needs.region?.choices ? draft.region || needs.region.choices[0]?.value : orNull(draft.region);
  return {
    provider: draft.provider,
    is_enabled: draft.is_enabled,
    from_email: draft.from_email.trim(),
    from_name: orNull(draft.from_name),
    reply_to: orNull(draft.reply_to),
    to: draft.to,
    smtp_host: orNull(draft.smtp_host),
    smtp_port: draft.smtp_port,
    security: draft.security,
    username: needs.username ? orNull(draft.username) : null,
    ...(needs.password && draft.password ? { password: draft.password } : {}),
    region: needs.region ? region : null,
    is_iam_key: needs.takesIamKey ? draft.is_iam_key : false,
    verify_certificate: draft.verify_certificate,
  };
}

export const SECURITIES: Record<Security, string> = {
  starttls: "STARTTLS",
  tls: "TLS from the first byte",
  none: "Not encrypted",
};
