import { Anchor, Card, Group, Select, Table, Text } from "@mantine/core";
import { IconShieldCheck } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { type ProofFilter, queries } from "../../api/queries";
import { Older } from "../../components/Older";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { duration } from "../../lib/format";
import { ProofStatus } from "./status";

const STATUSES = [
  { value: "passed", label: "Proven" },
  { value: "failed", label: "Bad" },
  { value: "could_not_verify", label: "Could not be tried" },
  { value: "queued", label: "Waiting" },
  { value: "running", label: "Running" },
];

const ordinal = (n: number) => ["first", "second", "third", "fourth"][n - 1] ?? `${n}th`;

/** Every trial restore that was made, newest first. */
export function ProofsPage() {
  const [filter, setFilter] = useState<ProofFilter>({});
  const list = useInfiniteQuery(queries.proofs(filter));
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Page title="Proofs" about="Every backup that was restored on trial, and what came of it.">
      <Group mb="md">
        <Select
          aria-label="Outcome"
          placeholder="Every outcome"
          clearable
          data={STATUSES}
          value={filter.status ?? null}
          onChange={(value) => setFilter({ status: value ?? undefined })}
        />
      </Group>
      {list.isPending ? <Loading /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconShieldCheck size={40} stroke={1.3} />} title="No proof is here">
            {filter.status ? "Change the filter." : "Each new backup is restored on trial unless the settings say no."}
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? (
        <Card withBorder p={0}>
          <Table.ScrollContainer
            minWidth={720}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Proofs" } }}
          >
            <Table verticalSpacing="sm" horizontalSpacing="md">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Backup</Table.Th>
                  <Table.Th>Outcome</Table.Th>
                  <Table.Th>What was found</Table.Th>
                  <Table.Th ta="right">Restore took</Table.Th>
                  <Table.Th>When</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((run) => (
                  <Table.Tr key={run.id}>
                    <Table.Td>
                      <Anchor
                        component={Link}
                        to="/backups/$id"
                        params={{ id: String(run.backup_id) } as never}
                        fw={600}
                      >
                        #{run.backup_id}
                      </Anchor>
                    </Table.Td>
                    <Table.Td>
                      <ProofStatus status={run.status} />
                    </Table.Td>
                    <Table.Td>
                      <Text size="sm">{run.message ?? (run.not_before ? "Tried again" : "–")}</Text>
                      {run.not_before && run.status === "queued" ? (
                        <Text size="xs" c="dimmed">
                          at <Time at={run.not_before} />, for the {ordinal(run.attempt)} time
                        </Text>
                      ) : null}
                      {run.engine_note ? (
                        <Text size="xs" c="dimmed">
                          {run.engine_note}
                        </Text>
                      ) : null}
                      {run.remedy ? (
                        <Text size="xs" c="dimmed">
                          {run.remedy}
                        </Text>
                      ) : null}
                    </Table.Td>
                    <Table.Td ta="right">{duration(run.restore_ms)}</Table.Td>
                    <Table.Td>
                      <Time at={run.completed_at ?? run.queued_at} />
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
