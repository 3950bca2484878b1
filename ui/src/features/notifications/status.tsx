import { Badge } from "@mantine/core";

const STATES: Record<string, [string, string]> = {
  pending: ["Waiting", "blue"],
  sent: ["Sent", "teal"],
  failed: ["Failed", "red"],
  skipped: ["Not told", "gray"],
};

export const STATUSES = Object.entries(STATES).map(([value, [label]]) => ({ value, label }));

/** What became of a message. */
export function MessageStatus({ status }: { status: string }) {
  const [label, color] = STATES[status] ?? [status, "gray"];
  return (
    <Badge variant="light" color={color}>
      {label}
    </Badge>
  );
}
