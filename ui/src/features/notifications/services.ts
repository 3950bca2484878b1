/** A service as a form has it, and as the API takes it. Pure. */
import type { Schemas } from "../../api/client";

export type Kind = Schemas["NotificationServiceType"];
export type KindField = Schemas["NotificationField"];
type View = Schemas["NotificationServiceView"];
export type Config = {
  service: string;
  fields: Record<string, unknown>;
  kept: string[];
  verify: boolean;
  address: string;
  tags: string[];
};
/** What the API says of a service, with its configuration typed. */
export type Service = Omit<View, "config"> & { config: Config };

export type ServiceDraft = {
  name: string;
  enabled: boolean;
  priority: number;
  fields: Record<string, unknown>;
  /** Secrets that are kept, by the names of their fields. */
  kept: string[];
  /** Kept secrets that shall go. */
  removed: string[];
  verify: boolean;
  tags: string[];
};

export const servicesOf = (list: Schemas["NotificationServices"] | undefined) => (list?.items ?? []) as Service[];

export function kindOf(service: Pick<Service, "service_type" | "config">, kinds: Kind[]): Kind | undefined {
  return kinds.find((kind) => kind.service_type === service.service_type && kind.service === service.config.service);
}

export const isSecret = (field: KindField) => field.kind.type === "secret" || field.kind.type === "pairs";

export function draftOf(service: Service): ServiceDraft {
  const { fields, kept, verify, tags } = service.config;
  const { name, enabled, priority } = service;
  return { name, enabled, priority, fields: { ...fields }, kept: kept ?? [], removed: [], verify, tags: tags ?? [] };
}

export function newDraft(kind: Kind, taken: string[], fields: Record<string, unknown> = {}): ServiceDraft {
  let name = kind.name;
  for (let number = 2; taken.includes(name); number += 1) name = `${kind.name} ${number}`;
  // Whoever does not say otherwise means an encrypted connection.
  const isUsual = Object.keys(fields).length === 0 && kind.fields.some((field) => field.key === "tls");
  if (isUsual) fields = { tls: true };
  return { name, enabled: true, priority: 0, fields, kept: [], removed: [], verify: true, tags: [] };
}

const isEmpty = (value: unknown) =>
  value === undefined ||
  value === null ||
  value === "" ||
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === "object" && Object.keys(value).length === 0);

/** What is sent: kept secrets only if they are replaced, or null if they shall go. */
export function configOf(kind: Kind, draft: ServiceDraft): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const { key } of kind.fields) {
    const given = draft.fields[key];
    // The last line of a list may be empty while it is typed.
    const value = Array.isArray(given) ? given.filter(Boolean) : given;
    if (!isEmpty(value)) fields[key] = value;
    else if (draft.removed.includes(key)) fields[key] = null;
  }
  return kind.service_type === "apprise"
    ? { service: kind.service, fields, tags: draft.tags, verify: draft.verify }
    : { ...fields, verify: draft.verify };
}

export function requestOf(kind: Kind, draft: ServiceDraft): Schemas["NotificationServiceRequest"] {
  const { name, enabled, priority } = draft;
  return { name, service_type: kind.service_type, enabled, priority, config: configOf(kind, draft) };
}

/** Kinds that a search is for: by name, by id, by how their URLs begin. */
export function found(kinds: Kind[], search: string): Kind[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return kinds.filter((kind) => {
    const text = [kind.name, kind.service, ...kind.schemes.map((scheme) => `${scheme}://`)].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
