import { Alert, Anchor, Badge, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell } from "../../components/notify";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, duration } from "../../lib/format";

type Restore = Schemas["Restore"];
type Act = "swap" | "undo" | "discard";

const STATES: Record<string, { label: string; color: string }> = {
  running: { label: "Restoring", color: "blue" },
  restored: { label: "Ready to take over", color: "teal" },
  swapping: { label: "Changing places", color: "blue" },
  undoing: { label: "Changing back", color: "blue" },
  swapped: { label: "In use by n8n", color: "teal" },
  undone: { label: "Undone", color: "gray" },
  failed: { label: "Failed", color: "red" },
  discarded: { label: "Deleted", color: "gray" },
};

const PHASES: Record<string, string> = {
  checksum: "Checking the file's hash",
  restoring: "Restoring",
  counting: "Counting every table's rows",
  n8n_checks: "Opening workflows and credentials",
};

/** Backups that were put back, and what can be done with them. */
export function RestoresPage() {
  const restores = useQuery(queries.restores());
  const items = restores.data?.items ?? [];
  return (
    <Page
      title="Restores"
      about="A backup comes back beside what n8n uses, is checked, and then takes its place. Until then nothing of n8n changes."
    >
      {restores.isPending ? <Loading /> : null}
      {restores.isError ? <Failed error={restores.error} retry={() => void restores.refetch()} /> : null}
      {restores.isSuccess && items.length === 0 ? (
        <Card withBorder>
          <Empty
            icon={<IconArrowBackUp size={40} stroke={1.3} />}
            title="Nothing was restored yet"
            action={
              <Button component={Link} to="/backups" variant="light">
                Choose a backup
              </Button>
            }
          >
            Open a backup and choose Restore.
          </Empty>
        </Card>
      ) : null}
      <Stack>
        {items.map((restore) => (
          <One key={restore.id} restore={restore} />
        ))}
      </Stack>
    </Page>
  );
}

function One({ restore }: { restore: Restore }) {
  const [asked, setAsked] = useState<Act>();
  const state = STATES[restore.status] ?? { label: restore.status, color: "gray" };
  const canUndo = restore.status === "swapped" && restore.undo_until && new Date(restore.undo_until) > new Date();
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div style={{ minWidth: 0, flex: "1 1 320px" }}>
          <Group gap="xs">
            <Title order={2} size="h4">
              Restore {restore.id}
            </Title>
            <Badge variant="light" color={state.color}>
              {state.label}
            </Badge>
          </Group>
          <Text size="sm" c="dimmed">
            {restore.backup_id ? (
              <Anchor
                component={Link}
                to="/backups/$id"
                params={{ id: String(restore.backup_id) } as never}
                inherit
                underline="always"
              >
                Backup {restore.backup_id}
              </Anchor>
            ) : (
              "A backup"
            )}{" "}
            into <code style={{ overflowWrap: "anywhere" }}>{restore.scratch_name}</code>,{" "}
            <Time at={restore.started_at} />
            {restore.restore_ms ? `, took ${duration(restore.restore_ms)}` : ""}
          </Text>
          {restore.status === "running" ? (
            <Text size="sm" mt="xs" role="status">
              {PHASES[restore.phase ?? ""] ?? "Beginning"}
              {restore.bytes_done ? ` · ${bytes(restore.bytes_done)}` : ""}
            </Text>
          ) : null}
          {restore.message ? (
            <Alert color={restore.status === "failed" ? "red" : "gray"} mt="sm">
              <Text size="sm">{restore.message}</Text>
              {restore.remedy ? (
                <Text size="sm" c="dimmed">
                  {restore.remedy}
                </Text>
              ) : null}
            </Alert>
          ) : null}
          {restore.status === "swapped" ? (
            <Text size="sm" mt="sm">
              n8n's former database is kept as <code>{restore.previous_name}</code>
              {canUndo ? (
                <>
                  ; this can be undone until <Time at={restore.undo_until} />
                </>
              ) : null}
              .
            </Text>
          ) : null}
        </div>
        <Group gap="xs">
          {restore.status === "restored" ? <Button onClick={() => setAsked("swap")}>Let n8n use it</Button> : null}
          {canUndo ? (
            <Button variant="light" onClick={() => setAsked("undo")}>
              Undo
            </Button>
          ) : null}
          {["restored", "failed", "undone", "swapped"].includes(restore.status) ? (
            <Button variant="subtle" color="red" onClick={() => setAsked("discard")}>
              {restore.status === "swapped" ? "Delete the former one" : "Delete"}
            </Button>
          ) : null}
        </Group>
      </Group>
      {asked ? <ActDialog restore={restore} act={asked} close={() => setAsked(undefined)} /> : null}
    </Card>
  );
}

function ActDialog({ restore, act, close }: { restore: Restore; act: Act; close: () => void }) {
  const settings = useQuery(queries.settings());
  const containers = settings.data?.items.find((item) => item.key === "n8n.containers")?.value;
  const names = typeof containers === "string" && containers !== "" ? containers.split(",").join(" and ") : null;
  const stop = names ? `${names} is stopped, and started again afterwards.` : "Stop n8n first.";
  const start = names ? "" : " Start n8n again.";
  const path = `/api/restores/${restore.id}`;
  const run = useMutation({
    mutationFn: async () => {
      await (act === "discard" ? api.remove(path) : api.post<Restore>(`${path}/${act}`));
    },
    onSuccess: () => {
      for (const key of ["restores", "backups", "overview"]) void queryClient.invalidateQueries({ queryKey: [key] });
      tell(
        {
          swap: `n8n uses the restored database.${start}`,
          undo: `n8n has its former database back.${start}`,
          discard: "It is deleted.",
        }[act],
      );
      close();
    },
  });
  const left = restore.status === "swapped" ? restore.previous_name : restore.scratch_name;
  const words = {
    swap: {
      title: "Let n8n use the restored database?",
      text: `${stop} A safety backup of ${restore.database_name} is made, then it is renamed, and ${restore.scratch_name} takes its name. What n8n did since the backup is not in it. It can be undone for a day.`,
      go: "Swap them",
      color: undefined,
    },
    undo: {
      title: "Give n8n its former database back?",
      text: `${stop} ${restore.previous_name} is called ${restore.database_name} again. What n8n did since the swap stays in ${restore.scratch_name}.`,
      go: "Undo",
      color: undefined,
    },
    discard: {
      title: `Delete the database ${left}?`,
      text:
        restore.status === "swapped"
          ? "This is what n8n used before. Without it the swap cannot be undone; the safety backup stays."
          : "The backup it came from stays.",
      go: "Delete the database",
      color: "red",
    },
  }[act];
  return (
    <Confirm
      title={words.title}
      act={words.go}
      color={words.color}
      isPending={run.isPending}
      error={run.error}
      close={close}
      go={() => run.mutate()}
    >
      {words.text}
    </Confirm>
  );
}
