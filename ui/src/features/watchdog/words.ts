/** What incidents and advice are in words. Pure. */
import { bytes, count, dateTime } from "../../lib/format";
import type { Advice, Incident, Mute, Watchdog } from "./queries";

export const KINDS: Record<string, { label: string; color: string }> = {
  failing: { label: "fails", color: "red" },
  stuck: { label: "stuck", color: "orange" },
  missed: { label: "did not run", color: "red" },
};

const ENDS: Record<string, string> = {
  success: "a later run went well",
  ended: "it ended",
  inactive: "it was switched off, or is gone",
  unwatched: "its n8n is no longer connected",
};

export function why(incident: Incident): string {
  if (incident.detail) return incident.detail;
  const node = incident.last_node ? `${incident.last_node}: ` : "";
  return incident.last_error ? `${node}${incident.last_error}` : `${node}n8n wrote down nothing of why.`;
}

/** Why nothing is known of now; null when something is. */
export function blindness({ is_stale, looked_at, trouble }: Watchdog): string | null {
  if (!is_stale) return null;
  const since = looked_at ? `Nothing was read since ${dateTime(looked_at)}` : "Nothing was read yet";
  return trouble ? `${since}: ${trouble.problem.replace(/\.$/, "")}.` : `${since}. No daemon of Flowkeep looks.`;
}

export function howItEnded(incident: Incident): string {
  return ENDS[incident.resolution ?? ""] ?? "it is over";
}

export function muteInWords(mute: Mute): string {
  const until = mute.muted_until ? `until ${dateTime(mute.muted_until)}` : "until you end it";
  return mute.reason ? `${until}: ${mute.reason}` : until;
}

export function growthInWords(advice: Advice): string {
  const about = advice.is_estimate ? "about " : "";
  const kept = `${about}${count(advice.runs)} runs with ${bytes(advice.bytes)}`;
  const pace = advice.bytes_per_day > 0 ? `, ${bytes(advice.bytes_per_day)} more each day` : "";
  const age = advice.oldest_days === 0 ? "today" : `${advice.oldest_days} days ago`;
  const oldest = advice.runs > 0 ? `; the oldest ended ${age}` : "";
  return `n8n keeps ${kept}${pace}${oldest}. On disk its tables take ${bytes(advice.table_bytes)}.`;
}
