import { Anchor, Button, Card, Checkbox, Group, Menu, Select, Stack, Table, Text } from "@mantine/core";
import { IconChevronDown, IconDatabase, IconPlayerPlay } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useLive } from "../../api/live";
import { type BackupFilter, queries } from "../../api/queries";
import { Older } from "../../components/Older";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { BACKUP_TYPES, backupType, bytes, count, duration } from "../../lib/format";
import { useCancelBackup, useRunBackup } from "./actions";
import { RunDialog } from "./RunDialog";
import { BackupStatus, ProofStatus, RunningBackup, RunningVerification } from "./status";
import { TimelineCard } from "./TimelineCard";

export function RunMenu({ isN8nReady }: { isN8nReady: boolean }) {
  const run = useRunBackup();
  const [isChoosing, setChoosing] = useState(false);
  return (
    <Group gap={0} wrap="nowrap">
      <Button
        leftSection={<IconPlayerPlay size={16} />}
        loading={run.isPending}
        disabled={!isN8nReady}
        title={isN8nReady ? undefined : "Connect n8n first"}
        onClick={() => run.mutate({ backup_type: "postgres_n8n" })}
        style={{ borderTopRightRadius: 0, borderBottomRightRadius: 0 }}
      >
        Back up now
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button
            px={8}
            aria-label="Other backups"
            style={{ borderTopLeftRadius: 0, borderBottomLeftRadius: 0, marginLeft: 1 }}
          >
            <IconChevronDown size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => run.mutate({ backup_type: "postgres_mgmt" })}>Flowkeep's own database</Menu.Item>
          <Menu.Item onClick={() => setChoosing(true)}>Choose…</Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {isChoosing ? <RunDialog close={() => setChoosing(false)} isN8nReady={isN8nReady} /> : null}
    </Group>
  );
}

/** What runs at this moment. */
export function RunningWork() {
  const live = useLive();
  const cancel = useCancelBackup();
  const backups = Object.values(live.backups);
  const verifications = Object.values(live.verifications);
  if (backups.length + verifications.length === 0) return null;
  return (
    <Card withBorder mb="lg">
      <Stack>
        {backups.map((progress) => (
          <Group key={progress.id} align="flex-start" wrap="nowrap">
            <div style={{ flex: 1, minWidth: 0 }}>
              <RunningBackup progress={progress} />
            </div>
            <Button size="xs" variant="default" onClick={() => cancel.mutate(progress.id)}>
              Cancel
            </Button>
          </Group>
        ))}
        {verifications.map((progress) => (
          <RunningVerification key={progress.id} progress={progress} />
        ))}
      </Stack>
    </Card>
  );
}

const STATUSES = [
  { value: "success", label: "Made" },
  { value: "failed", label: "Failed" },
  { value: "running", label: "Running" },
];

export function BackupsPage() {
  const [filter, setFilter] = useState<BackupFilter>({});
  const list = useInfiniteQuery(queries.backups(filter));
  const overview = useQuery(queries.overview());
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered = Object.values(filter).some(Boolean);
  const isN8nReady = overview.data?.n8n.is_configured ?? false;
  return (
    <Page
      title="Backups"
      about={
        overview.data
          ? `${count(overview.data.totals.backups)} on disk, ${bytes(overview.data.totals.stored_bytes)}`
          : undefined
      }
      action={<RunMenu isN8nReady={isN8nReady} />}
    >
      <RunningWork />
      <TimelineCard />
      <Group mb="md" gap="sm" justify="space-between">
        <Group gap="sm">
          <Select
            aria-label="Kind"
            placeholder="Every kind"
            clearable
            data={Object.entries(BACKUP_TYPES).map(([value, label]) => ({ value, label }))}
            value={filter.backup_type ?? null}
            onChange={(value) => setFilter({ ...filter, backup_type: value ?? undefined })}
          />
          <Select
            aria-label="State"
            placeholder="Every state"
            clearable
            data={STATUSES}
            value={filter.status ?? null}
            onChange={(value) => setFilter({ ...filter, status: value ?? undefined })}
          />
          <Checkbox
            label="Deleted too"
            checked={filter.include_deleted ?? false}
            onChange={(event) => setFilter({ ...filter, include_deleted: event.currentTarget.checked })}
          />
        </Group>
        <Anchor component={Link} to="/proofs" size="sm">
          Every proof
        </Anchor>
      </Group>
      {list.isPending ? <Loading /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty
            icon={<IconDatabase size={40} stroke={1.3} />}
            title={isFiltered ? "No backup is like that" : "No backup yet"}
            action={
              !isFiltered && !isN8nReady ? (
                <Button component={Link} to="/n8n" variant="light">
                  Connect n8n
                </Button>
              ) : undefined
            }
          >
            {isFiltered
              ? "Change the filter."
              : "Every backup is restored on trial at once, so that you know it works."}
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? (
        <Card withBorder p={0}>
          <Table.ScrollContainer
            minWidth={720}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Backups" } }}
          >
            <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Backup</Table.Th>
                  <Table.Th>State</Table.Th>
                  <Table.Th>Proof</Table.Th>
                  <Table.Th ta="right">Size</Table.Th>
                  <Table.Th ta="right">Rows</Table.Th>
                  <Table.Th ta="right">Took</Table.Th>
                  <Table.Th>When</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((backup) => (
                  <Table.Tr key={backup.id}>
                    <Table.Td>
                      <Anchor component={Link} to="/backups/$id" params={{ id: String(backup.id) } as never} fw={600}>
                        {backupType(backup.backup_type)} #{backup.id}
                      </Anchor>
                      <Text size="xs" c="dimmed">
                        {backup.database_name}
                        {backup.is_sample ? " (sample)" : ""}
                        {backup.n8n_version ? ` · n8n ${backup.n8n_version}` : ""}
                      </Text>
                    </Table.Td>
                    <Table.Td>
                      <BackupStatus backup={backup} />
                    </Table.Td>
                    <Table.Td>
                      {backup.status === "success" ? <ProofStatus status={backup.verification_status} /> : "–"}
                    </Table.Td>
                    <Table.Td ta="right">{bytes(backup.compressed_size)}</Table.Td>
                    <Table.Td ta="right">{count(backup.row_count)}</Table.Td>
                    <Table.Td ta="right">{duration(backup.duration_ms)}</Table.Td>
                    <Table.Td>
                      <Time at={backup.started_at} />
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </Card>
      ) : null}
      <Older list={list} />
    </Page>
  );
}
