import { Alert, Badge, Button, Card, Group, SimpleGrid, Stack, Table, Tabs, Text, Title } from "@mantine/core";
import { IconChartLine, IconCloudDownload, IconFileText, IconInfoCircle } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { api } from "../../api/client";
import { Chart } from "../../components/Chart";
import { tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes } from "../../lib/format";
import { cpu } from "./ContainersPage";
import { LogView } from "./LogView";
import { Acts, StatusBadge, UpdateBadge, VERBS } from "./parts";
import { type Container, containerQueries, type Details, refreshContainers, type Update } from "./queries";
import { seriesOf, useStats } from "./stats";

/** One container. */
export function ContainerPage() {
  const { name = "" } = useParams({ strict: false }) as { name?: string };
  const {
    tab = "overview",
    search,
    ask,
  } = useSearch({ strict: false }) as { tab?: string; search?: string; ask?: string };
  const navigate = useNavigate();
  const details = useQuery(containerQueries.one(name));
  const container = details.data?.container;
  const go = (value: string | null) =>
    void navigate({
      to: "/containers/$name",
      params: { name },
      search: value && value !== "overview" ? { tab: value } : {},
      replace: true,
    });
  return (
    <Page
      title={name}
      about={
        container ? (
          <Group gap="xs">
            <StatusBadge container={container} />
            <span>{container.image}</span>
          </Group>
        ) : undefined
      }
      action={
        container ? (
          <Acts
            key={`${name} ${ask}`}
            container={container}
            first={VERBS.find((verb) => verb === ask)}
            onAnswered={() => ask && go(tab)}
          />
        ) : undefined
      }
    >
      {details.isPending ? <Loading /> : null}
      {details.isError ? <Failed error={details.error} retry={() => void details.refetch()} /> : null}
      {details.data || tab === "logs" ? (
        <Tabs value={tab} onChange={go} keepMounted={false}>
          <Tabs.List mb="md">
            <Tabs.Tab value="overview" leftSection={<IconInfoCircle size={15} />}>
              Overview
            </Tabs.Tab>
            <Tabs.Tab value="logs" leftSection={<IconFileText size={15} />}>
              Logs
            </Tabs.Tab>
            <Tabs.Tab value="stats" leftSection={<IconChartLine size={15} />}>
              Use
            </Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="overview">{details.data ? <Overview details={details.data} /> : null}</Tabs.Panel>
          <Tabs.Panel value="logs">
            <LogView names={[name]} search={search} />
          </Tabs.Panel>
          <Tabs.Panel value="stats">{container ? <Use container={container} /> : null}</Tabs.Panel>
        </Tabs>
      ) : null}
    </Page>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th w={170} style={{ verticalAlign: "top" }}>
        {label}
      </Table.Th>
      <Table.Td style={{ overflowWrap: "anywhere" }}>{children}</Table.Td>
    </Table.Tr>
  );
}

function Overview({ details }: { details: Details }) {
  const { container } = details;
  return (
    <Stack>
      {details.error ? (
        <Alert color="red" title="Docker could not start it" role="alert">
          {details.error}
        </Alert>
      ) : null}
      {container.is_out_of_memory ? (
        <Alert color="red" title="It ran out of memory" role="alert">
          The kernel ended it. Give it more memory, or find out what took it: the log's last lines may tell.
        </Alert>
      ) : null}
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Card withBorder>
          <Title order={2} size="h4" mb="xs">
            What it is
          </Title>
          <Table>
            <Table.Tbody>
              <Fact label="Image">
                <Group gap="xs">
                  {container.image}
                  <UpdateCheck container={container} />
                </Group>
              </Fact>
              <Fact label="Id">{container.id.slice(0, 12)}</Fact>
              {container.compose_project ? (
                <Fact label="Compose">
                  {container.compose_project}
                  {container.compose_service ? ` / ${container.compose_service}` : ""}
                </Fact>
              ) : null}
              <Fact label="Made">
                <Time at={container.created_at} />
              </Fact>
              <Fact label="Started">
                <Time at={container.started_at} />
              </Fact>
              {container.finished_at ? (
                <Fact label="Ended last">
                  <Time at={container.finished_at} />
                  {container.exit_code != null ? `, exit code ${container.exit_code}` : ""}
                </Fact>
              ) : null}
              <Fact label="Restarts">
                {container.restart_count} by itself; policy: {details.restart_policy || "none"}
              </Fact>
              <Fact label="Time to end">{details.stop_seconds} s, then it is killed</Fact>
              <Fact label="Memory limit">
                {details.memory_limit_bytes ? bytes(details.memory_limit_bytes) : "none: all that the machine has"}
              </Fact>
              <Fact label="CPU limit">{details.cpu_limit ? `${details.cpu_limit} cores` : "none"}</Fact>
              {details.user ? <Fact label="User">{details.user}</Fact> : null}
              {details.log_driver ? <Fact label="Log driver">{details.log_driver}</Fact> : null}
            </Table.Tbody>
          </Table>
        </Card>
        <Stack>
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Ports and networks
            </Title>
            <Table>
              <Table.Tbody>
                {details.ports.map((port) => (
                  <Fact key={port.inside} label={port.inside}>
                    {port.outside.length > 0 ? port.outside.join(", ") : "inside only"}
                  </Fact>
                ))}
                {details.networks.map((network) => (
                  <Fact key={network.name} label={network.name}>
                    {network.ip_address ?? "no address"}
                  </Fact>
                ))}
              </Table.Tbody>
            </Table>
          </Card>
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Mounts
            </Title>
            {details.mounts.length === 0 ? (
              <Text size="sm" c="dimmed">
                None: what it writes goes with it.
              </Text>
            ) : (
              <Table>
                <Table.Tbody>
                  {details.mounts.map((mount) => (
                    <Fact key={mount.target} label={mount.kind}>
                      {mount.target} ← {mount.source} {mount.is_writable ? "" : "(read only)"}
                    </Fact>
                  ))}
                </Table.Tbody>
              </Table>
            )}
          </Card>
          {details.checks.length > 0 ? (
            <Card withBorder>
              <Title order={2} size="h4" mb="xs">
                Its health check
              </Title>
              <Table>
                <Table.Tbody>
                  {details.checks.map((check, index) => (
                    // biome-ignore lint/suspicious/noArrayIndexKey: replaced as a whole
                    <Table.Tr key={index}>
                      <Table.Td>
                        <Time at={check.at} />
                      </Table.Td>
                      <Table.Td>
                        <Badge color={check.exit_code === 0 ? "green" : "red"} variant="light">
                          {check.exit_code === 0 ? "well" : `code ${check.exit_code}`}
                        </Badge>
                      </Table.Td>
                      <Table.Td style={{ overflowWrap: "anywhere" }}>{check.output}</Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Card>
          ) : null}
          <Card withBorder>
            <Title order={2} size="h4" mb="xs">
              Environment
            </Title>
            <Text size="sm" c="dimmed" mb={6}>
              Names only: values may be secrets.
            </Text>
            <Text size="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
              {details.environment.join("  ") || "none"}
            </Text>
          </Card>
        </Stack>
      </SimpleGrid>
    </Stack>
  );
}

function UpdateCheck({ container }: { container: Container }) {
  const path = `/api/containers/${encodeURIComponent(container.name)}/update?refresh=true`;
  const check = useMutation({
    mutationFn: () => api.get<Update>(path),
    onSuccess: refreshContainers,
    onError: tellError,
  });
  const update = check.data ?? container.update;
  return (
    <>
      <UpdateBadge update={update} />
      <Button
        size="compact-xs"
        variant="subtle"
        leftSection={<IconCloudDownload size={13} />}
        loading={check.isPending}
        onClick={() => check.mutate()}
      >
        {update ? "Ask again" : "Is there a newer one?"}
      </Button>
      {update ? (
        <Text size="xs" c="dimmed">
          {update.message} Asked <Time at={update.checked_at} />.
        </Text>
      ) : null}
    </>
  );
}

const perSecond = (value: number) => `${bytes(value)}/s`;
const percent = (value: number) => cpu(value);

function Use({ container }: { container: Container }) {
  const stats = useStats();
  const series = useMemo(() => seriesOf(stats.samples, container.id), [stats.samples, container.id]);
  const last = stats.samples.at(-1)?.items.find((item) => item.id === container.id);
  if (stats.down)
    return (
      <Alert color="red" role="alert" title="It cannot be measured now">
        {stats.down.message} {stats.down.remedy}
      </Alert>
    );
  if (!last)
    return (
      <Text c="dimmed" role="status">
        {stats.samples.length > 0 ? "It does not run, so there is nothing to measure." : "Measuring…"}
      </Text>
    );
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Measured every two seconds while somebody looks, and not otherwise.
      </Text>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Panel title="CPU" now={`${cpu(last.cpu_percent)} of one core; ${last.cpus} cores here`}>
          <Chart
            times={series.times}
            series={[{ label: "CPU", color: "#4c6ef5", values: series.cpu }]}
            format={percent}
            summary={`CPU use of ${container.name}: ${cpu(last.cpu_percent)} now`}
          />
        </Panel>
        <Panel title="Memory" now={`${bytes(last.memory_bytes)} of ${bytes(last.memory_limit_bytes)}, without cache`}>
          <Chart
            times={series.times}
            series={[{ label: "Memory", color: "#12b886", values: series.memory }]}
            format={bytes}
            summary={`Memory of ${container.name}: ${bytes(last.memory_bytes)} now`}
          />
        </Panel>
        <Panel
          title="Network"
          now={
            last.network_rx_bytes == null
              ? "It has no network of its own"
              : `${bytes(last.network_rx_bytes)} in, ${bytes(last.network_tx_bytes)} out since it was started`
          }
        >
          <Chart
            times={series.times}
            series={[
              { label: "in", color: "#4c6ef5", values: series.rx },
              { label: "out", color: "#f76707", values: series.tx },
            ]}
            format={perSecond}
            summary={`Network of ${container.name}`}
          />
        </Panel>
        <Panel
          title="Disks"
          now={`${bytes(last.block_read_bytes)} read, ${bytes(last.block_write_bytes)} written since it was started`}
        >
          <Chart
            times={series.times}
            series={[
              { label: "read", color: "#4c6ef5", values: series.read },
              { label: "written", color: "#f76707", values: series.write },
            ]}
            format={perSecond}
            summary={`Disks of ${container.name}`}
          />
        </Panel>
      </SimpleGrid>
    </Stack>
  );
}

function Panel({ title, now, children }: { title: string; now: string; children: ReactNode }) {
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {now}
      </Text>
      {children}
    </Card>
  );
}
