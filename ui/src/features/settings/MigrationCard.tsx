import { Alert, Badge, Button, Card, Group, List, Modal, Stack, Table, Text, Textarea, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Failed } from "../../components/States";
import { dateTime } from "../../lib/format";

type Migration = Schemas["Migration"];

const COLORS: Record<string, string> = { completed: "teal", failed: "red", in_progress: "blue", rolled_back: "gray" };
const WORDS: Record<string, string> = {
  completed: "done",
  failed: "failed",
  in_progress: "running",
  rolled_back: "given back",
};

/** For whoever comes from version 2, which was configured by a file. */
export function MigrationCard() {
  const migration = useQuery(queries.migration());
  const [isAsking, setAsking] = useState(false);
  const phases = migration.data?.phases ?? [];
  const undoable = phases.find((phase) => phase.can_undo);
  const undo = useMutation({
    mutationFn: () => api.post<Migration>("/api/migration/undo"),
    onSuccess: (fresh) => {
      keep(fresh);
      tell("What was taken over from version 2 is given back.");
    },
    onError: tellError,
  });
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Coming from version 2
        </Title>
        {undoable ? (
          <Button variant="default" loading={undo.isPending} onClick={() => undo.mutate()}>
            Give it back
          </Button>
        ) : (
          <Button variant="default" onClick={() => setAsking(true)}>
            Take a file over
          </Button>
        )}
      </Group>
      {migration.isError ? <Failed error={migration.error} retry={() => void migration.refetch()} /> : null}
      <Text size="sm" c="dimmed" maw={680}>
        Version 2 was configured by a file. Its connection to n8n, schedule, retention and folder for copies are taken
        over after a backup of Flowkeep's own database.
        {undoable?.undo_until ? ` It can be given back until ${dateTime(undoable.undo_until)}.` : ""}
      </Text>
      {phases.length > 0 ? (
        <Table mt="sm" verticalSpacing={4} aria-label="Phases">
          <Table.Tbody>
            {phases.map((phase, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a phase may be there twice, after a try that failed
              <Table.Tr key={`${phase.phase}-${index}`}>
                <Table.Td w={120}>{phase.phase}</Table.Td>
                <Table.Td w={130}>
                  <Badge variant="light" color={COLORS[phase.status] ?? "gray"}>
                    {WORDS[phase.status] ?? phase.status}
                  </Badge>
                </Table.Td>
                <Table.Td>{phase.error ?? (phase.details as { kept?: string } | null)?.kept ?? ""}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : null}
      {isAsking ? <TakeOverDialog close={() => setAsking(false)} /> : null}
    </Card>
  );
}

function keep(fresh: Migration) {
  queryClient.setQueryData(queries.migration().queryKey, fresh);
  for (const key of ["settings", "schedules", "retention", "destinations", "n8n", "overview", "backups"])
    void queryClient.invalidateQueries({ queryKey: [key] });
}

function TakeOverDialog({ close }: { close: () => void }) {
  const [config, setConfig] = useState("");
  const preview = useMutation({
    mutationFn: () => api.post<Schemas["MigrationPreview"]>("/api/migration/preview", { config }),
  });
  const run = useMutation({
    mutationFn: () => api.post<Migration>("/api/migration", { config }),
    onSuccess: (fresh) => {
      keep(fresh);
      tell("Version 2's configuration is taken over. It can be given back for thirty days.");
      close();
    },
    onError: () => void queryClient.invalidateQueries({ queryKey: ["migration"] }),
  });
  const error = run.error ?? preview.error;
  const { data } = preview;
  return (
    <Modal opened onClose={close} title="Take version 2's file over" size="lg">
      <Stack>
        <Textarea
          label="The file"
          description="KEY=value lines. It is not kept; its secrets go encrypted into the settings."
          autosize
          minRows={6}
          maxRows={14}
          value={config}
          onChange={(event) => {
            setConfig(event.currentTarget.value);
            preview.reset();
            run.reset();
          }}
          data-autofocus
        />
        {error ? (
          <Alert color="red" role="alert">
            {error.message}
          </Alert>
        ) : null}
        {data ? (
          <Alert color="blue" title="This will be changed, after a backup">
            <List size="sm">
              {data.has_database ? <List.Item>n8n's connection, unless one is set already</List.Item> : null}
              {data.schedule ? <List.Item>a {data.schedule} schedule</List.Item> : null}
              {data.retention_days ? <List.Item>daily backups stay for {data.retention_days} days</List.Item> : null}
              {data.destination ? <List.Item>copies go to {data.destination}</List.Item> : null}
              {data.settings.map((title) => (
                <List.Item key={title}>{title}</List.Item>
              ))}
              {data.ignored.length > 0 ? <List.Item>left out: {data.ignored.join(", ")}</List.Item> : null}
            </List>
          </Alert>
        ) : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Leave it
          </Button>
          {data ? (
            <Button loading={run.isPending} onClick={() => run.mutate()}>
              Take it over
            </Button>
          ) : (
            <Button loading={preview.isPending} disabled={config.trim() === ""} onClick={() => preview.mutate()}>
              Look at it
            </Button>
          )}
        </Group>
      </Stack>
    </Modal>
  );
}
