import { Alert, Badge, Button, Card, Grid, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import {
  IconArrowBackUp,
  IconDownload,
  IconFileDescription,
  IconPin,
  IconPinnedOff,
  IconShieldCheck,
  IconSitemap,
  IconTrash,
} from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { useLive } from "../../api/live";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { CopyLine } from "../../components/Copy";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { backupType, bytes, count, dateTime, duration } from "../../lib/format";
import { RestoreDialog } from "../restores/RestoreDialog";
import { useDeleteBackup, usePin, useVerify } from "./actions";
import { BackupStatus, ProofStatus, RunningBackup, RunningVerification } from "./status";

const DELETED_BY: Record<string, string> = {
  manual: "hand",
  retention_policy: "the retention policy",
  storage_limit: "the size limit",
  found_bad: "retention, because it was found bad",
};

type Detail = Schemas["BackupDetail"];
type Verification = Schemas["Verification"];

export function BackupPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const backup = useQuery(queries.backup(Number(id)));
  if (backup.isPending) return <Loading lines={6} />;
  if (backup.isError) return <Failed error={backup.error} retry={() => void backup.refetch()} />;
  return <Shown backup={backup.data} />;
}

function Shown({ backup }: { backup: Detail }) {
  const live = useLive();
  const verify = useVerify(backup.id);
  const pin = usePin(backup.id);
  const [isDeleting, setDeleting] = useState(false);
  const [isRestoring, setRestoring] = useState(false);
  const running = live.backups[backup.id];
  const proving = Object.values(live.verifications).find((progress) => progress.backup_id === backup.id);
  const isThere = backup.status === "success" && backup.is_file_present && !backup.deleted_at;
  return (
    <Page
      title={`${backupType(backup.backup_type)} #${backup.id}`}
      about={
        <Group gap="xs">
          <BackupStatus backup={backup} />
          {backup.status === "success" ? <ProofStatus status={backup.verification_status} /> : null}
          {backup.is_last_good ? <Badge variant="outline">Newest good</Badge> : null}
          {backup.is_pinned ? <Badge variant="outline">Pinned</Badge> : null}
          {backup.is_last_verified ? <Badge variant="outline">Newest proven</Badge> : null}
          <Text size="sm" span>
            <Time at={backup.started_at} />
          </Text>
        </Group>
      }
      action={
        isThere ? (
          <Group gap="xs">
            <Button
              leftSection={<IconShieldCheck size={16} />}
              variant="light"
              loading={verify.isPending}
              disabled={Boolean(proving)}
              onClick={() => verify.mutate()}
            >
              Prove again
            </Button>
            <Button
              component="a"
              href={`/api/backups/download/${backup.id}`}
              download
              leftSection={<IconDownload size={16} />}
            >
              Download
            </Button>
            {backup.backup_type === "postgres_n8n" ? (
              <Button variant="light" leftSection={<IconArrowBackUp size={16} />} onClick={() => setRestoring(true)}>
                Restore
              </Button>
            ) : null}
            {["postgres_n8n", "postgres_full", "flows"].includes(backup.backup_type) ? (
              <Button
                component={Link}
                to="/flows/in/$place"
                params={{ place: `backup-${backup.id}` } as never}
                variant="light"
                leftSection={<IconSitemap size={16} />}
              >
                Workflows in it
              </Button>
            ) : null}
            <Button
              variant="default"
              leftSection={backup.is_pinned ? <IconPinnedOff size={16} /> : <IconPin size={16} />}
              loading={pin.isPending}
              title={backup.is_pinned ? "Retention may delete it again" : "It stays whatever the retention says"}
              onClick={() => pin.mutate(!backup.is_pinned)}
            >
              {backup.is_pinned ? "Unpin" : "Pin"}
            </Button>
            <Button
              variant="subtle"
              color="red"
              leftSection={<IconTrash size={16} />}
              onClick={() => setDeleting(true)}
            >
              Delete
            </Button>
          </Group>
        ) : null
      }
    >
      <Stack>
        {running ? (
          <Card withBorder>
            <RunningBackup progress={running} />
          </Card>
        ) : null}
        {proving ? (
          <Card withBorder>
            <RunningVerification progress={proving} />
          </Card>
        ) : null}
        {backup.error_message ? (
          <Alert color="red" title="Why it failed" role="alert">
            {backup.error_message}
          </Alert>
        ) : null}
        {backup.deleted_at ? (
          <Alert color="gray" title="The file was deleted">
            {dateTime(backup.deleted_at)}, by {DELETED_BY[backup.deleted_by ?? ""] ?? backup.deleted_by}. This record
            stays.
          </Alert>
        ) : null}
        <Grid>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <Facts backup={backup} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 6 }}>
            <Proofs backupId={backup.id} />
          </Grid.Col>
        </Grid>
        {isThere ? (
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Restore it without Flowkeep
            </Title>
            <Text size="sm" c="dimmed" mb="sm">
              {backup.backup_type === "n8n_config"
                ? "On n8n's machine, while n8n is stopped. It puts each file back where it was."
                : backup.backup_type === "flows"
                  ? "Where n8n runs, in its own container or on its machine. Imported workflows are inactive."
                  : "On any machine with PostgreSQL's programs; then point n8n at the new database, with the same encryption key."}
            </Text>
            <CopyLine text={backup.restore_command} label="Copy the restore command" />
            <Text size="sm" c="dimmed" mt="sm">
              SHA-256 <code style={{ overflowWrap: "anywhere" }}>{backup.checksum}</code>
            </Text>
          </Card>
        ) : null}
        <Copies backup={backup} />
        {backup.tables.length > 0 ? <Tables tables={backup.tables} /> : null}
      </Stack>
      {isRestoring ? <RestoreDialog backupId={backup.id} close={() => setRestoring(false)} /> : null}
      <DeleteDialog backup={backup} isOpen={isDeleting} close={() => setDeleting(false)} />
    </Page>
  );
}

/** Where else it lies. */
function Copies({ backup }: { backup: Detail }) {
  const copies = useQuery(queries.copies(backup.id));
  const fetch = useMutation({
    mutationFn: () => api.post(`/api/backups/history/${backup.id}/fetch`),
    onSuccess: () => {
      for (const key of ["backup", "backups", "overview"]) void queryClient.invalidateQueries({ queryKey: [key] });
      tell("The file is back.");
    },
    onError: tellError,
  });
  const items = (copies.data?.items ?? []).filter((copy) => copy.status !== "removed");
  if (items.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Copies
      </Title>
      <Stack gap={6}>
        {items.map((copy) => (
          <Group key={copy.destination_id} gap="sm">
            <Badge variant="light" color={copy.status === "copied" ? "teal" : copy.error ? "red" : "blue"}>
              {copy.status === "copied" ? "copied" : copy.error ? "failed" : "waiting"}
            </Badge>
            <Text size="sm">
              {copy.destination}
              {copy.copied_at ? (
                <>
                  , <Time at={copy.copied_at} />
                </>
              ) : null}
              {copy.error ? `: ${copy.error}` : ""}
            </Text>
          </Group>
        ))}
      </Stack>
      {!backup.is_file_present && backup.status === "success" && items.some((copy) => copy.status === "copied") ? (
        <Button mt="sm" variant="default" loading={fetch.isPending} onClick={() => fetch.mutate()}>
          Fetch the file back
        </Button>
      ) : null}
    </Card>
  );
}

function Facts({ backup }: { backup: Detail }) {
  const facts: [string, string][] = [
    ["Database", `${backup.database_name ?? "–"}${backup.is_sample ? " (sample)" : ""}`],
    ["n8n", backup.n8n_version ?? "–"],
    ["PostgreSQL", backup.postgres_version ?? "–"],
    ["Tables", count(backup.table_count)],
    ["Rows", count(backup.row_count)],
    ["On disk", `${bytes(backup.compressed_size)} (${backup.compression}${backup.encryption ? ", encrypted" : ""})`],
    ["Uncompressed", bytes(backup.file_size)],
    ["Took", duration(backup.duration_ms)],
    ["Started", `${dateTime(backup.started_at)} (${backup.trigger})`],
    ["File", backup.filename],
  ];
  return (
    <Card withBorder h="100%">
      <Title order={2} size="h4" mb="xs">
        What it is
      </Title>
      <Table variant="vertical" layout="fixed" withRowBorders={false} verticalSpacing={5}>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th w={120} bg="transparent" fw={500}>
                {name}
              </Table.Th>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {backup.manifest ? (
        <Button
          component="a"
          href={`/api/backups/download/${backup.id}/manifest`}
          download
          size="xs"
          variant="subtle"
          mt="xs"
          leftSection={<IconFileDescription size={14} />}
        >
          Manifest
        </Button>
      ) : null}
    </Card>
  );
}

const CHECKS: Record<string, string> = {
  checksum: "File is as written",
  opens: "Opens with the key",
  restore: "Restores",
  row_counts: "Rows are exact",
  workflows_json: "Workflows readable",
  unpack: "Every file is as written",
  encryption_key: "Encryption key",
  database: "Database restores",
  credentials_decrypt: "Credentials open",
  n8n_starts: "n8n starts on it",
};

function Proofs({ backupId }: { backupId: number }) {
  const list = useQuery(queries.verifications(backupId));
  const [latest, ...older] = list.data?.items ?? [];
  return (
    <Card withBorder h="100%">
      <Title order={2} size="h4" mb="xs">
        Proof
      </Title>
      {list.isPending ? <Loading lines={2} /> : null}
      {list.isError ? <Failed error={list.error} /> : null}
      {list.isSuccess && !latest ? (
        <Text size="sm" c="dimmed">
          Nobody tried to restore it yet.
        </Text>
      ) : null}
      {latest ? <Proof verification={latest} /> : null}
      {older.length > 0 ? (
        <Stack gap={4} mt="md">
          <Text size="xs" fw={600} c="dimmed">
            Before
          </Text>
          {older.map((verification) => (
            <Group key={verification.id} gap="xs">
              <ProofStatus status={verification.status} />
              <Text size="xs" c="dimmed">
                <Time at={verification.completed_at ?? verification.queued_at} /> · {verification.message}
              </Text>
            </Group>
          ))}
        </Stack>
      ) : null}
    </Card>
  );
}

function Proof({ verification }: { verification: Verification }) {
  return (
    <Stack gap="xs">
      <Group gap="xs">
        <ProofStatus status={verification.status} />
        {verification.restore_ms != null ? (
          <Text size="sm">
            Restoring took <b>{duration(verification.restore_ms)}</b>
          </Text>
        ) : null}
        <Text size="sm" c="dimmed">
          <Time at={verification.completed_at ?? verification.queued_at} />
          {verification.status === "passed" && verification.engine === "docker" ? ", in a container" : null}
        </Text>
      </Group>
      {verification.engine_note ? (
        <Text size="xs" c="dimmed">
          {verification.engine_note}
        </Text>
      ) : null}
      {verification.message ? <Text size="sm">{verification.message}</Text> : null}
      {verification.remedy ? (
        <Alert color="orange" p="xs">
          {verification.remedy}
        </Alert>
      ) : null}
      <Table verticalSpacing={4} withRowBorders={false}>
        <Table.Tbody>
          {verification.checks.map((check) => (
            <Table.Tr key={check.name}>
              <Table.Td w={160}>{CHECKS[check.name] ?? check.name}</Table.Td>
              <Table.Td>
                <Badge
                  size="sm"
                  variant="light"
                  color={{ passed: "teal", failed: "red", skipped: "gray" }[check.status]}
                >
                  {check.status}
                </Badge>
                <Text size="xs" c="dimmed" mt={2} style={{ overflowWrap: "anywhere" }}>
                  {check.detail}
                </Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {verification.mismatches.length > 0 ? (
        <Table aria-label="Tables that differ" verticalSpacing={4}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Table</Table.Th>
              <Table.Th ta="right">Should be</Table.Th>
              <Table.Th ta="right">Is</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {verification.mismatches.map((mismatch) => (
              <Table.Tr key={`${mismatch.schema}.${mismatch.table}`}>
                <Table.Td>
                  {mismatch.schema}.{mismatch.table}
                </Table.Td>
                <Table.Td ta="right">{mismatch.expected ?? "absent"}</Table.Td>
                <Table.Td ta="right">{mismatch.actual ?? "missing"}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      ) : null}
    </Stack>
  );
}

function Tables({ tables }: { tables: Detail["tables"] }) {
  const [search, setSearch] = useState("");
  const [bySize, setBySize] = useState(true);
  const shown = tables
    .filter((table) => `${table.schema}.${table.name}`.toLowerCase().includes(search.toLowerCase()))
    .sort((a, b) =>
      bySize ? b.archive_bytes - a.archive_bytes || b.row_count - a.row_count : a.name.localeCompare(b.name),
    );
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {count(tables.length)} tables
        </Title>
        <Group gap="xs">
          <TextInput
            aria-label="Search tables"
            placeholder="Search tables"
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
          <Button variant="default" onClick={() => setBySize(!bySize)}>
            {bySize ? "By size" : "By name"}
          </Button>
        </Group>
      </Group>
      <Table.ScrollContainer
        minWidth={420}
        mah={420}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Tables" } }}
      >
        <Table stickyHeader verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Table</Table.Th>
              <Table.Th ta="right">Rows</Table.Th>
              <Table.Th ta="right">In the archive</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((table) => (
              <Table.Tr key={`${table.schema}.${table.name}`}>
                <Table.Td style={{ overflowWrap: "anywhere" }}>
                  {table.schema === "public" ? "" : `${table.schema}.`}
                  {table.name}
                </Table.Td>
                <Table.Td ta="right">{count(table.row_count)}</Table.Td>
                <Table.Td ta="right">{bytes(table.archive_bytes)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function DeleteDialog({ backup, isOpen, close }: { backup: Detail; isOpen: boolean; close: () => void }) {
  const isLast = backup.is_last_good || backup.is_last_verified;
  const [typed, setTyped] = useState("");
  const remove = useDeleteBackup(backup.id, close);
  return (
    <Confirm
      title={`Delete the file of backup ${backup.id}?`}
      act="Delete the file"
      keep="Keep it"
      color="red"
      isOpen={isOpen}
      isPending={remove.isPending}
      isDisabled={isLast && typed !== String(backup.id)}
      close={close}
      go={() => remove.mutate(isLast)}
    >
      <Text size="sm">
        {bytes(backup.compressed_size)} are freed. The file cannot be brought back; the record of it stays. n8n itself
        is not touched.
      </Text>
      {isLast ? (
        <>
          <Alert color="red" title="There is nothing newer to go back to">
            This is the newest {backup.is_last_verified ? "proven" : "good"} backup of its kind.
          </Alert>
          <TextInput
            label={`Type ${backup.id} to delete it all the same`}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        </>
      ) : null}
    </Confirm>
  );
}
