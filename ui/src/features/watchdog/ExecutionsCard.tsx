import { Alert, Badge, Card, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { isNoN8n } from "../../api/client";
import { CopyLine } from "../../components/Copy";
import { Failed, Loading } from "../../components/States";
import { bytes, count } from "../../lib/format";
import { type Advice, watchdogQueries } from "./queries";
import { growthInWords } from "./words";

const SHOWN = 10;

/** What n8n's executions take, and the lines with which n8n itself keeps fewer. */
export function ExecutionsCard() {
  const found = useQuery(watchdogQueries.executions());
  if (isNoN8n(found.error)) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        What executions take
      </Title>
      {found.isPending ? <Loading lines={3} /> : null}
      {found.isError ? <Failed error={found.error} retry={() => void found.refetch()} /> : null}
      {found.data ? <Taken advice={found.data} /> : null}
    </Card>
  );
}

function Taken({ advice }: { advice: Advice }) {
  return (
    <Stack gap="sm">
      <Text size="sm">
        {growthInWords(advice)}
        {advice.disk?.days_until_full == null
          ? ""
          : ` The disk ${advice.disk.mount} is full in ${Math.max(1, Math.round(advice.disk.days_until_full))} days.`}
      </Text>
      {advice.is_unpruned ? (
        <Alert color="orange" title="n8n keeps more than it does by itself">
          <Text size="sm">
            Left alone it keeps 14 days and 10,000 runs. Its pruning is switched off, set higher, or does not keep up.
          </Text>
        </Alert>
      ) : null}
      {advice.workflows.length > 0 ? (
        <Table.ScrollContainer
          minWidth={520}
          scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Executions by workflow" } }}
        >
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Workflow</Table.Th>
                <Table.Th ta="right">Runs</Table.Th>
                <Table.Th ta="right">Size</Table.Th>
                <Table.Th ta="right">A day</Table.Th>
                <Table.Th ta="right">Oldest</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {advice.workflows.slice(0, SHOWN).map((one) => (
                <Table.Tr key={one.workflow_id}>
                  <Table.Td>{one.workflow_name ?? `${one.workflow_id} (gone)`}</Table.Td>
                  <Table.Td ta="right">{count(one.runs)}</Table.Td>
                  <Table.Td ta="right">{bytes(one.bytes + one.binary_bytes)}</Table.Td>
                  <Table.Td ta="right">{bytes(one.bytes_per_day)}</Table.Td>
                  <Table.Td ta="right">{one.oldest_days} d</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
      {advice.options.length > 0 ? (
        <>
          <Title order={3} size="h5">
            What n8n's own pruning would free
          </Title>
          <Text size="sm" c="dimmed">
            Flowkeep deletes no executions. Put the lines into n8n's environment and restart it; it prunes within the
            hour. PostgreSQL uses the room again for n8n; the files only shrink by VACUUM FULL, which locks the table
            meanwhile.
          </Text>
          {advice.options.map((option) => (
            <div key={option.title}>
              <Group gap="xs" mb={4}>
                <Text fw={600} size="sm">
                  {option.title}
                </Text>
                {option.is_advised ? (
                  <Badge size="sm" variant="light">
                    begin with this
                  </Badge>
                ) : null}
                <Text size="sm" c="dimmed">
                  {option.kind === "success"
                    ? `adds ${bytes(option.saves_bytes_per_day)} less each day`
                    : `frees ${bytes(option.frees_bytes)}, ${count(option.removes_runs)} runs`}
                </Text>
              </Group>
              <CopyLine text={option.lines.join("\n")} label={`Copy the lines: ${option.title}`} />
            </div>
          ))}
        </>
      ) : null}
    </Stack>
  );
}
