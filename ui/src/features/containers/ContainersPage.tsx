import { Alert, Anchor, Button, Card, Checkbox, Group, Stack, Table, Text } from "@mantine/core";
import { IconBox, IconFileText, IconX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes } from "../../lib/format";
import { LogView } from "./LogView";
import { Acts, EngineAlert, PolicyNote, StatusBadge, UpdateBadge } from "./parts";
import { type Container, containerQueries, type Usage } from "./queries";
import { useStats } from "./stats";

export function cpu(percent: number | null | undefined): string {
  return percent == null ? "–" : `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

/** The containers of the project. */
export function ContainersPage() {
  const containers = useQuery(containerQueries.all());
  const { logs } = useSearch({ strict: false }) as { logs?: string };
  const navigate = useNavigate();
  const followed = logs ? logs.split(",") : [];
  const [chosen, setChosen] = useState<string[]>(followed);
  const stats = useStats();
  const latest = stats.samples.at(-1)?.items ?? [];
  const data = containers.data;
  const items = data?.items ?? [];
  const follow = (names: string[]) =>
    void navigate({ to: "/containers", search: names.length > 0 ? { logs: names.join(",") } : {} });
  useEffect(() => {
    // What was removed cannot stay chosen.
    const names = new Set(items.map((item) => item.name));
    if (containers.isSuccess && chosen.some((name) => !names.has(name)))
      setChosen(chosen.filter((name) => names.has(name)));
  }, [items, chosen, containers.isSuccess]);
  return (
    <Page
      title="Containers"
      about={data ? <PolicyNote policy={data.policy} /> : "What runs beside Flowkeep in Docker."}
      action={
        <Button
          leftSection={<IconFileText size={16} />}
          disabled={chosen.length === 0}
          onClick={() => follow(chosen)}
          variant="default"
        >
          {chosen.length > 1 ? `Follow ${chosen.length} logs together` : "Follow the logs of chosen ones"}
        </Button>
      }
    >
      {containers.isPending ? <Loading /> : null}
      {containers.isError ? <Failed error={containers.error} retry={() => void containers.refetch()} /> : null}
      {data ? <EngineAlert engine={data.engine} isStale={data.is_stale && items.length > 0} /> : null}
      {data && items.length === 0 && data.engine.is_reachable ? (
        <Card withBorder>
          <Empty icon={<IconBox size={40} stroke={1.3} />} title="No container of the project is there">
            <PolicyNote policy={data.policy} /> Containers of docker compose are usually named after their project, as
            in n8n-n8n-1: name the project there.
          </Empty>
        </Card>
      ) : null}
      {items.length > 0 ? (
        <Card withBorder p={0}>
          <Table.ScrollContainer minWidth={780}>
            <Table verticalSpacing="sm" highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th w={40}>
                    <Checkbox
                      aria-label="Choose all"
                      checked={chosen.length === items.length}
                      indeterminate={chosen.length > 0 && chosen.length < items.length}
                      onChange={(event) => setChosen(event.currentTarget.checked ? items.map((item) => item.name) : [])}
                    />
                  </Table.Th>
                  <Table.Th>Container</Table.Th>
                  <Table.Th>Status</Table.Th>
                  <Table.Th>Since</Table.Th>
                  <Table.Th ta="right">CPU</Table.Th>
                  <Table.Th ta="right">Memory</Table.Th>
                  <Table.Th>Do</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {items.map((item) => (
                  <Row
                    key={item.name}
                    container={item}
                    usage={latest.find((one) => one.id === item.id) ?? item.usage}
                    isReachable={data?.engine.is_reachable ?? false}
                    isChosen={chosen.includes(item.name)}
                    choose={(is) =>
                      setChosen(is ? [...chosen, item.name] : chosen.filter((name) => name !== item.name))
                    }
                  />
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </Card>
      ) : null}
      {stats.down && data?.engine.is_reachable ? (
        <Alert color="orange" mt="md" role="status">
          What containers use cannot be measured now: {stats.down.message} {stats.down.remedy}
        </Alert>
      ) : null}
      {followed.length > 0 ? (
        <Stack mt="xl" gap="sm">
          <Group justify="space-between">
            <Text component="h2" fw={600} m={0}>
              Logs of {followed.join(", ")}
            </Text>
            <Button variant="subtle" size="xs" leftSection={<IconX size={14} />} onClick={() => follow([])}>
              Close the logs
            </Button>
          </Group>
          <LogView names={followed} />
        </Stack>
      ) : null}
    </Page>
  );
}

function Row({
  container,
  usage,
  isReachable,
  isChosen,
  choose,
}: {
  container: Container;
  usage: Usage | null | undefined;
  isReachable: boolean;
  isChosen: boolean;
  choose: (is: boolean) => void;
}) {
  const isUp = container.status !== "stopped" && container.status !== "created";
  return (
    <Table.Tr>
      <Table.Td>
        <Checkbox
          aria-label={`Choose ${container.name}`}
          checked={isChosen}
          onChange={(event) => choose(event.currentTarget.checked)}
        />
      </Table.Td>
      <Table.Td>
        <Anchor component={Link} to={`/containers/${container.name}`} fw={600}>
          {container.name}
        </Anchor>
        <Group gap={6}>
          <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {container.image}
          </Text>
          <UpdateBadge update={container.update} />
        </Group>
      </Table.Td>
      <Table.Td>
        <StatusBadge container={container} />
      </Table.Td>
      <Table.Td>
        <Text size="sm">
          <Time at={isUp ? container.started_at : container.finished_at} />
        </Text>
        {container.restart_count > 0 ? (
          <Text size="xs" c="dimmed">
            restarted {container.restart_count} times
          </Text>
        ) : null}
      </Table.Td>
      <Table.Td ta="right">{isUp ? cpu(usage?.cpu_percent) : "–"}</Table.Td>
      <Table.Td ta="right">{isUp ? bytes(usage?.memory_bytes) : "–"}</Table.Td>
      <Table.Td>
        <Acts container={container} isReachable={isReachable} />
      </Table.Td>
    </Table.Tr>
  );
}
