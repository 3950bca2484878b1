/** What the restore of workflows asks for, and how it is told. Pure. */
import type { Schemas } from "../../api/client";

export type Chosen = { id: string; name: string };
export type Wishes = {
  onConflict: Schemas["OnConflict"];
  withCredentials: boolean;
  staticData: Schemas["StaticData"] | "usual";
  sourceKey: string;
  projectId: string;
};

export const WISHES: Wishes = {
  onConflict: "skip",
  withCredentials: false,
  staticData: "usual",
  sourceKey: "",
  projectId: "",
};

export function restoreRequest(
  source: string,
  ids: string[],
  wishes: Wishes,
  acceptNewer = false,
): Schemas["RestoreFlowsRequest"] {
  const { onConflict, withCredentials, staticData, sourceKey, projectId } = wishes;
  return {
    source,
    workflow_ids: ids,
    on_conflict: onConflict,
    with_credentials: withCredentials,
    ...(staticData === "usual" ? {} : { static_data: staticData }),
    ...(withCredentials && sourceKey !== "" ? { source_encryption_key: sourceKey } : {}),
    ...(projectId.trim() === "" ? {} : { project_id: projectId.trim() }),
    ...(acceptNewer ? { accept_newer: true } : {}),
  };
}

export const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** What the button does, exactly. */
export function restoreLabel(writeCount: number): string {
  return writeCount === 0 ? "Nothing to restore" : `Restore ${plural(writeCount, "workflow")}, inactive`;
}

export function changesText(changes: Schemas["FlowChanges"]): string {
  const parts = [
    [changes.nodes_added, "node", "added"],
    [changes.nodes_removed, "node", "removed"],
    [changes.nodes_changed, "node", "changed"],
    [changes.connections_changed, "connection", "changed"],
    [changes.fields_changed, "setting", "changed"],
  ] as const;
  const told = parts
    .filter(([count]) => count > 0)
    .map(([count, word, what]) => `${plural(count, word)} ${what}`)
    .join(", ");
  return told || "Only places on the canvas";
}

/** What is going to be done, what was done, and its colour. */
export const ACTIONS: Record<string, { plan: string; past: string; color: string }> = {
  create: { plan: "Create", past: "Created", color: "teal" },
  overwrite: { plan: "Overwrite", past: "Overwritten", color: "orange" },
  rename: { plan: "Restore as a copy", past: "Restored as a copy", color: "teal" },
  skip: { plan: "Skip", past: "Skipped", color: "gray" },
  same: { plan: "Nothing to do", past: "Was the same", color: "gray" },
  refused: { plan: "Not possible", past: "Not possible", color: "red" },
};

export const WAYS: Record<string, string> = { sql: "into n8n's database", api: "by n8n's API" };

export const CONFLICTS: { value: Schemas["OnConflict"]; label: string; about: string }[] = [
  { value: "skip", label: "Skip", about: "What n8n has stays as it is; only what is missing comes back." },
  { value: "rename", label: "Rename", about: "It comes back beside it, as a copy with another name." },
  {
    value: "overwrite",
    label: "Overwrite",
    about: "It takes the place of what n8n has; a copy of that is kept for undo.",
  },
];

/** What undoing means for one workflow. */
export function undoText(action: string): string {
  return action === "overwrite"
    ? "n8n gets back what it had before the restore, inactive. Nothing is done if it was changed since."
    : "The workflow that the restore made is deleted from n8n. Nothing is done if it was changed since, or runs.";
}
