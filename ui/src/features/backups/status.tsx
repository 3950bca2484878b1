import { Badge, Group, Progress, Stack, Text } from "@mantine/core";
import {
  IconAlertTriangle,
  IconCheck,
  IconClock,
  IconLoader2,
  IconShieldCheck,
  IconShieldX,
  IconX,
} from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import type { BackupProgress, VerificationProgress } from "../../api/live";
import { backupType, bytes, count, duration } from "../../lib/format";

type Backup = Schemas["Backup"];

export function BackupStatus({ backup }: { backup: Pick<Backup, "status" | "failure_code" | "deleted_at"> }) {
  if (backup.deleted_at)
    return (
      <Badge color="gray" variant="light">
        Deleted
      </Badge>
    );
  if (backup.status === "running")
    return (
      <Badge color="blue" variant="light" leftSection={<IconLoader2 size={12} />}>
        Running
      </Badge>
    );
  if (backup.status === "failed")
    return (
      <Badge color="red" variant="light" leftSection={<IconX size={12} />}>
        {backup.failure_code === "cancelled" ? "Cancelled" : "Failed"}
      </Badge>
    );
  return (
    <Badge color="teal" variant="light" leftSection={<IconCheck size={12} />}>
      Made
    </Badge>
  );
}

export function ProofStatus({ status }: { status: string }) {
  switch (status) {
    case "passed":
      return (
        <Badge color="keep" variant="filled" leftSection={<IconShieldCheck size={12} />}>
          Proven
        </Badge>
      );
    case "failed":
      return (
        <Badge color="red.9" variant="filled" leftSection={<IconShieldX size={12} />}>
          Bad
        </Badge>
      );
    case "running":
    case "queued":
      return (
        <Badge color="blue" variant="light" leftSection={<IconLoader2 size={12} />}>
          Being proven
        </Badge>
      );
    case "skipped":
    case "could_not_verify":
      return (
        <Badge color="orange" variant="light" leftSection={<IconAlertTriangle size={12} />}>
          Not proven
        </Badge>
      );
    default:
      return (
        <Badge color="gray" variant="light" leftSection={<IconClock size={12} />}>
          Waiting for proof
        </Badge>
      );
  }
}

const PHASES: Record<string, string> = {
  preflight: "Looking at the database",
  dumping: "Dumping",
  publishing: "Publishing",
  checksum: "Checking the file's hash",
  starting_server: "Starting a throwaway PostgreSQL",
  restoring: "Restoring",
  counting: "Counting every table's rows",
  n8n_checks: "Opening workflows and credentials",
  done: "Done",
};

export function RunningBackup({ progress }: { progress: BackupProgress }) {
  const { estimated_total_bytes: total, archive_bytes: done } = progress;
  const percent = total
    ? Math.min(99, (100 * done) / total)
    : progress.tables_total
      ? (100 * progress.tables_done) / progress.tables_total
      : 0;
  return (
    <Stack gap={6} role="status" aria-label={`Backup ${progress.id}: ${PHASES[progress.phase] ?? progress.phase}`}>
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          Backing up the {backupType(progress.backup_type)}
        </Text>
        <Text size="xs" c="dimmed">
          {bytes(done)}
          {total ? ` of about ${bytes(total)}` : ""} · {bytes(progress.bytes_per_second)}/s ·{" "}
          {duration(progress.elapsed_ms)}
        </Text>
      </Group>
      <Progress value={Math.max(percent, 3)} animated striped aria-label="Backup progress" />
      <Text size="xs" c="dimmed" truncate>
        {PHASES[progress.phase] ?? progress.phase}
        {progress.current_table ? ` · ${progress.current_table}` : ""} · {count(progress.rows)} rows · table{" "}
        {progress.tables_done} of {progress.tables_total}
      </Text>
    </Stack>
  );
}

export function RunningVerification({ progress }: { progress: VerificationProgress }) {
  const percent = progress.bytes_total ? Math.min(99, (100 * progress.bytes_done) / progress.bytes_total) : 5;
  return (
    <Stack
      gap={6}
      role="status"
      aria-label={`Verification ${progress.id}: ${PHASES[progress.phase] ?? progress.phase}`}
    >
      <Group justify="space-between" gap="xs">
        <Text size="sm" fw={600}>
          Proving backup {progress.backup_id}
        </Text>
        <Text size="xs" c="dimmed">
          {duration(progress.elapsed_ms)}
        </Text>
      </Group>
      <Progress value={Math.max(percent, 3)} color="cyan.8" animated striped aria-label="Verification progress" />
      <Text size="xs" c="dimmed">
        {PHASES[progress.phase] ?? progress.phase}
      </Text>
    </Stack>
  );
}
