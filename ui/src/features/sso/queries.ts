/** What the page of single sign-on reads, and what a form holds. */
import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";

export type Overview = Schemas["SsoOverview"];
export type Tool = Schemas["SsoTool"];

export const ssoQueries = {
  overview: () => queryOptions({ queryKey: ["sso"], queryFn: () => api.get<Overview>("/api/auth/sso") }),
  nginx: (slug: string) =>
    queryOptions({
      queryKey: ["sso", slug, "nginx"],
      queryFn: () => api.get<Schemas["NginxFiles"]>(`/api/auth/sso/services/${encodeURIComponent(slug)}/nginx`),
    }),
};

export const refresh = () => queryClient.invalidateQueries({ queryKey: ["sso"] });

/** What Dozzle lets people do, in words. */
export const RIGHTS = [
  { value: "shell", label: "Open a shell in a container" },
  { value: "actions", label: "Start, stop and restart containers" },
  { value: "download", label: "Download logs" },
];

export type Rights = "none" | "some" | "all";

export type Draft = {
  slug: string;
  name: string;
  place: "own" | "path";
  host: string;
  /** Beside Flowkeep. */
  path_prefix: string;
  /** On a host name of its own: all of it, unless somebody said otherwise without this form. */
  own_prefix: string;
  upstream: string;
  is_enabled: boolean;
  requires_step_up: boolean;
  step_up_minutes: number;
  rights: Rights;
  some: string[];
  remote_filter: string;
};

export const EXAMPLES = {
  dozzle: { name: "Dozzle", slug: "dozzle", upstream: "http://127.0.0.1:8080" },
  adminer: { name: "Adminer", slug: "adminer", upstream: "http://127.0.0.1:8081" },
  other: { name: "", slug: "", upstream: "http://127.0.0.1:8080" },
} as const;

export function newDraft(overview: Overview, kind: keyof typeof EXAMPLES): Draft {
  const example = EXAMPLES[kind];
  const domain = overview.parent_domain;
  return {
    ...example,
    place: domain ? "own" : "path",
    host: domain && example.slug ? `${example.slug}.${domain}` : "",
    path_prefix: example.slug ? `/${example.slug}/` : "",
    own_prefix: "/",
    is_enabled: true,
    requires_step_up: false,
    step_up_minutes: 30,
    rights: "none",
    some: [],
    remote_filter: "",
  };
}

/** Whether a login reaches it without a parent domain. */
export const isSameName = (host: string, overview: Overview) =>
  host.replace(/:\d+$/, "") === overview.host?.replace(/:\d+$/, "");

export function draftOf(tool: Tool, overview: Overview): Draft {
  const roles = tool.remote_roles;
  const rights = roles.includes("all") ? "all" : roles.includes("none") ? "none" : "some";
  // On another port of Flowkeep's name it has that address for itself.
  const isBeside = tool.host === overview.host;
  return {
    ...tool,
    place: isBeside ? "path" : "own",
    path_prefix: isBeside ? tool.path_prefix : `/${tool.slug}/`,
    own_prefix: isBeside ? "/" : tool.path_prefix,
    rights,
    some: rights === "some" ? roles : [],
    remote_filter: tool.remote_filter ?? "",
  };
}

export function requestOf(draft: Draft, overview: Overview): Schemas["SsoToolRequest"] {
  const isPath = draft.place === "path";
  return {
    name: draft.name,
    host: isPath ? (overview.host ?? "") : draft.host,
    path_prefix: isPath ? draft.path_prefix : draft.own_prefix,
    upstream: draft.upstream,
    is_enabled: draft.is_enabled,
    requires_step_up: draft.requires_step_up,
    step_up_minutes: draft.step_up_minutes,
    remote_roles: draft.rights === "some" ? draft.some : [draft.rights],
    remote_filter: draft.remote_filter,
  };
}

/** Who sees what, in a sentence. */
export function rightsInWords(tool: Tool): string {
  const words = tool.remote_roles
    .map((role) => RIGHTS.find(({ value }) => value === role)?.label.toLowerCase())
    .filter(Boolean);
  const may = tool.remote_roles.includes("all") ? "everything" : words.length > 0 ? words.join(", ") : "look only";
  return tool.remote_filter ? `${may}; only containers that match ${tool.remote_filter}` : may;
}
