/** Versions of workflows: their names, and those that are alike told as one. Pure. */
import type { Schemas } from "../../api/client";

export type Version = Schemas["FlowVersion"];
/** Versions that follow each other and are alike, newest first; never empty. */
export type Entry = [Version, ...Version[]];

/** `backup:12` for people. */
export function versionLabel(version: string): string {
  const [kind, id] = parts(version);
  switch (kind) {
    case "live":
      return "In n8n now";
    case "backup":
      return `Backup ${id}`;
    case "archive":
      return `Archive ${id}`;
    case "history":
      return "n8n's own history";
    case "safety":
      return `Copy kept by restore step ${id}`;
    default:
      return version;
  }
}

/** In the middle of a sentence. */
export function versionInWords(version: string): string {
  const [kind, id] = parts(version);
  if (kind === "live") return "what n8n has now";
  if (kind === "history") return "a version of n8n's own history";
  return kind === "backup" || kind === "archive" ? `${kind} ${id}` : versionLabel(version);
}

function parts(version: string): [string, string] {
  const at = version.indexOf(":");
  return at < 0 ? [version, ""] : [version.slice(0, at), version.slice(at + 1)];
}

/** The part of an address that names a backup or an archive: `backup-12` for `backup:12`. */
export function toPlace(source: string): string | undefined {
  return /^(backup|archive):\d+$/.test(source) ? source.replace(":", "-") : undefined;
}

export function fromPlace(place: string): string | undefined {
  return /^(backup|archive)-\d+$/.test(place) ? place.replace("-", ":") : undefined;
}

/** Puts versions that follow each other unchanged together. */
export function fold(versions: Version[]): Entry[] {
  const entries: Entry[] = [];
  let isSame = false;
  for (const version of versions) {
    const last = entries.at(-1);
    if (isSame && last) last.push(version);
    else entries.push([version]);
    isSame = version.is_unchanged;
  }
  return entries;
}

const plural = (count: number, word: string) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** "unchanged in 5 backups", or nothing for a version that stands alone. */
export function unchangedIn(entry: Entry): string {
  if (entry.length === 1) return "";
  const counted = (kind: string) => entry.filter(({ version }) => version.startsWith(`${kind}:`)).length;
  const found = [
    [counted("backup"), "backup"],
    [counted("archive"), "archive"],
  ] as const;
  const words = found.filter(([count]) => count > 0).map(([count, word]) => plural(count, word));
  return words.length === 0 ? "" : `unchanged in ${words.join(" and ")}`;
}

/** What of an entry can be put back: the newest that is not what n8n has anyway. */
export function restorable(entry: Entry): Version | undefined {
  return entry[0].version === "live" ? undefined : entry[0];
}

/** Which two to compare at first: the newest backup that differs from what n8n has, against that. */
export function defaultPair(entries: Entry[]): { from: string; to: string } | undefined {
  const [newest, ...older] = entries;
  if (!newest) return undefined;
  const isKept = ({ version }: Version) => version.startsWith("backup:") || version.startsWith("archive:");
  const other = older.find((entry) => entry.some(isKept)) ?? older[0];
  const to = newest[0].version;
  // With one version alone it is compared with itself, which draws it.
  return { from: other ? (other.find(isKept) ?? other[0]).version : (newest.at(-1) ?? newest[0]).version, to };
}

/** The entry that a version is in. */
export function entryOf(entries: Entry[], version: string): Entry | undefined {
  return entries.find((entry) => entry.some((one) => one.version === version));
}
