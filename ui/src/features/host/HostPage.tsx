import {
  Alert,
  Anchor,
  Badge,
  Card,
  Group,
  Progress,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { isNoN8n, type Schemas } from "../../api/client";
import { Chart } from "../../components/Chart";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, count } from "../../lib/format";
import {
  degrees,
  forecastInWords,
  historyOf,
  type Lines,
  linesOf,
  milliseconds,
  percentOf,
  rate,
  size,
  summary,
  traffic,
  withHighest,
} from "./lines";
import { hostQueries, type Range, type Sample, useLiveSamples } from "./queries";

type Overview = Schemas["SystemOverview"];

const RANGES: { value: Range; label: string }[] = [
  { value: "live", label: "Live" },
  { value: "1h", label: "1 hour" },
  { value: "24h", label: "24 hours" },
  { value: "7d", label: "7 days" },
  { value: "30d", label: "30 days" },
];

/** The machine: how it stands, how it stood, and how long its disks last. */
export function HostPage() {
  const overview = useQuery(hostQueries.overview());
  const { samples, isStale } = useLiveSamples();
  const [range, setRange] = useState<Range>("1h");
  const stored = overview.data?.sample;
  const last = samples.at(-1);
  // While the stream is away the minute's sample is newer, sooner or later.
  const now = last && !(isStale && stored && stored.at > last.at) ? last : stored;
  return (
    <Page title="Host" about="The machine that n8n and Flowkeep are on.">
      {overview.isPending ? <Loading lines={4} /> : null}
      {overview.isError ? <Failed error={overview.error} retry={() => void overview.refetch()} /> : null}
      {overview.data && now ? (
        <Stack>
          {isStale ? (
            <Text size="sm" c="dimmed" role="status">
              Not live at the moment; it is tried again. These are the numbers of <Time at={now.at} />.
            </Text>
          ) : null}
          <Conditions overview={overview.data} now={now} />
          <Figures now={now} overview={overview.data} />
          <Card withBorder>
            <Group justify="space-between" mb="sm">
              <Title order={2} size="h4">
                Over time
              </Title>
              <SegmentedControl
                aria-label="How far back"
                data={RANGES}
                value={range}
                onChange={(value) => setRange(value as Range)}
                size="xs"
                style={{ maxWidth: "100%", overflowX: "auto" }}
              />
            </Group>
            {now.network_is_own ? (
              <Text size="sm" c="dimmed" mb="sm">
                A container sees only its own network: the traffic is Flowkeep's, and the machine's is not known.
              </Text>
            ) : null}
            {range === "live" ? <LiveCharts samples={samples} /> : <PastCharts range={range} />}
          </Card>
          <Disks now={now} />
          {now.shares.length > 0 ? <Shares now={now} /> : null}
          {now.temperatures.length > 0 ? <Temperatures now={now} /> : null}
          <N8nDatabase />
          <Thresholds thresholds={overview.data.thresholds} />
        </Stack>
      ) : null}
    </Page>
  );
}

function conditionInWords(condition: Schemas["SystemCondition"]): string {
  const [what, where] = condition.name.split(/:(.*)/s);
  const why = condition.detail ? `: ${condition.detail}` : "";
  switch (what) {
    case "cpu":
      return "The processor has been busy for a while.";
    case "memory":
      return "Memory is nearly used up.";
    case "disk_warning":
      return `${where} is filling up.`;
    case "disk_critical":
      return `${where} is nearly full.`;
    case "share_warning":
      return `The share ${where} is filling up.`;
    case "share_critical":
      return `The share ${where} is nearly full.`;
    case "share":
      return `The share ${where} ${condition.state === "disconnected" ? "is gone" : "fails"}${why}.`;
    default:
      return `n8n does not answer${why}.`;
  }
}

function Conditions({ overview, now }: { overview: Overview; now: Sample }) {
  const bad = overview.conditions.filter((one) => ["raised", "disconnected", "error", "down"].includes(one.state));
  if (bad.length === 0 && now.failing_disks.length === 0) return null;
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title="Needs a look" role="alert">
      {bad.map((one) => (
        <Text size="sm" key={one.name}>
          {conditionInWords(one)}
        </Text>
      ))}
      {now.failing_disks.map((disk) => (
        <Text size="sm" key={`failing ${disk.mount}`}>
          The disk {disk.mount} fails: {disk.problem}.
        </Text>
      ))}
    </Alert>
  );
}

function tone(percent: number, warning: number, critical = 101): string {
  if (percent >= critical) return "red";
  return percent >= warning ? "orange" : "teal";
}

function Figure({
  title,
  value,
  part,
  color,
  children,
}: {
  title: string;
  value: string;
  part?: number;
  color?: string;
  children: string;
}) {
  return (
    <Card withBorder>
      <Text size="sm" c="dimmed">
        {title}
      </Text>
      <Text fz={26} fw={700} style={{ fontVariantNumeric: "tabular-nums" }}>
        {value}
      </Text>
      {part == null ? null : <Progress value={part} color={color} mt={4} aria-label={`${title} in percent`} />}
      <Text size="sm" c="dimmed" mt={6}>
        {children}
      </Text>
    </Card>
  );
}

function Figures({ now, overview }: { now: Sample; overview: Overview }) {
  const { cpu, memory } = now;
  const { thresholds, n8n } = overview;
  const cores = cpu.limit_cores == null ? `${cpu.cores} cores` : `${cpu.limit_cores} of ${cpu.cores} cores`;
  const load = cpu.load.length > 0 ? `, load ${cpu.load.map((one) => one.toFixed(2)).join(" ")}` : "";
  const swap = memory.swap_total_bytes > 0 ? `, swap ${bytes(memory.swap_used_bytes)}` : "";
  const limit = memory.is_limited ? " (the container's limit)" : "";
  const sum = (pick: (one: Sample["network"][number]) => number | null | undefined) =>
    now.network.reduce((all, one) => all + (pick(one) ?? 0), 0);
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, md: n8n?.is_up == null ? 3 : 4 }}>
      <Figure
        title="Processor"
        value={cpu.percent == null ? "–" : percentOf(cpu.percent)}
        part={cpu.percent ?? 0}
        color={tone(cpu.percent ?? 0, thresholds.cpu_percent)}
      >
        {`${cores}${load}`}
      </Figure>
      <Figure
        title="Memory"
        value={percentOf(memory.percent)}
        part={memory.percent}
        color={tone(memory.percent, thresholds.memory_percent)}
      >
        {`${bytes(memory.used_bytes)} of ${bytes(memory.total_bytes)}${limit}${swap}`}
      </Figure>
      <Figure title="Network" value={rate(sum((one) => one.rx_bytes_per_second))}>
        {`in; ${rate(sum((one) => one.tx_bytes_per_second))} out, over ${now.network.map((one) => one.name).join(", ") || "nothing"}${now.network_is_own ? "; only of Flowkeep's container" : ""}`}
      </Figure>
      {n8n?.is_up == null ? null : (
        <Figure title="n8n" value={n8n.is_up ? "Answers" : "Does not answer"}>
          {n8n.is_up
            ? `in ${milliseconds(n8n.latency_ms ?? 0)}${n8n.database_bytes == null ? "" : `; its database has ${bytes(n8n.database_bytes)}`}`
            : (n8n.problem ?? "")}
        </Figure>
      )}
    </SimpleGrid>
  );
}

function LiveCharts({ samples }: { samples: Sample[] }) {
  const history = useMemo(() => historyOf(samples), [samples]);
  if (samples.length < 2) return <Loading lines={2} />;
  return <Charts history={history} />;
}

function PastCharts({ range }: { range: Exclude<Range, "live"> }) {
  const found = useQuery(hostQueries.history(range));
  if (found.isPending) return <Loading lines={4} />;
  if (found.isError) return <Failed error={found.error} retry={() => void found.refetch()} />;
  if (found.data.series.length === 0) {
    return <Text c="dimmed">Nothing is known yet. The first sample is taken within a minute.</Text>;
  }
  return <Charts history={found.data} />;
}

function Charts({ history }: { history: Schemas["History"] }) {
  const charts = useMemo(() => {
    const all: { title: string; lines: Lines; format: (value: number) => string; most?: number }[] = [
      { title: "Processor", lines: withHighest(history, "cpu.percent", "Busy"), format: percentOf, most: 100 },
      { title: "Memory", lines: withHighest(history, "memory.percent", "Used"), format: percentOf, most: 100 },
      { title: "Network", lines: traffic(history), format: rate },
      { title: "Disks", lines: linesOf(history, "disk.percent"), format: percentOf, most: 100 },
      { title: "Temperatures", lines: linesOf(history, "temperature"), format: degrees },
      { title: "Shares, time to answer", lines: linesOf(history, "nfs.latency"), format: milliseconds },
      { title: "n8n's database", lines: linesOf(history, "n8n.database", "Size"), format: size },
      { title: "n8n, time to answer", lines: linesOf(history, "n8n.latency", "Answer"), format: milliseconds },
    ];
    return all.filter(({ lines }) => lines.series.some((one) => one.values.some((value) => value != null)));
  }, [history]);
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }} spacing="lg">
      {charts.map(({ title, lines, format, most }) => (
        <div key={title}>
          <Title order={3} size="h5">
            {title}
          </Title>
          <Chart
            times={lines.times}
            series={lines.series}
            format={format}
            summary={summary(title, lines, format)}
            height={180}
            most={most}
            sync="host"
          />
        </div>
      ))}
    </SimpleGrid>
  );
}

/** How full a disk or share is, and how long it lasts. */
function Room({ mount, percent, isShare }: { mount: string; percent: number; isShare: boolean }) {
  const forecasts = useQuery(hostQueries.forecast());
  const overview = useQuery(hostQueries.overview());
  const thresholds = overview.data?.thresholds;
  const forecast = forecasts.data?.items.find((one) => one.mount === mount && one.is_share === isShare);
  return (
    <>
      <Progress
        value={percent}
        color={tone(percent, thresholds?.disk_warning_percent ?? 85, thresholds?.disk_critical_percent ?? 95)}
        aria-label={`${mount} in percent`}
        my={4}
      />
      <Text size="sm" c={forecast?.outcome === "full" && (forecast.days ?? 99) < 14 ? "orange" : "dimmed"}>
        {forecasts.isError ? "How long it lasts could not be worked out." : forecast ? forecastInWords(forecast) : "…"}
      </Text>
    </>
  );
}

function Disks({ now }: { now: Sample }) {
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Disks
      </Title>
      <Stack gap="md">
        {now.disks.map((disk) => (
          <div key={disk.mount}>
            <Group justify="space-between" gap="xs">
              <Text fw={600} style={{ overflowWrap: "anywhere" }}>
                {disk.mount}{" "}
                <Text span size="sm" c="dimmed" fw={400}>
                  {disk.device}, {disk.kind}
                </Text>
              </Text>
              <Text size="sm">
                {percentOf(disk.percent)}, {bytes(disk.free_bytes)} of {bytes(disk.total_bytes)} free
              </Text>
            </Group>
            <Room mount={disk.mount} percent={disk.percent} isShare={false} />
          </div>
        ))}
        {now.failing_disks.map((disk) => (
          <Group key={disk.mount} justify="space-between" gap="xs">
            <Text fw={600} style={{ overflowWrap: "anywhere" }}>
              {disk.mount}{" "}
              <Text span size="sm" c="dimmed" fw={400}>
                {disk.device}, {disk.kind}
              </Text>
            </Text>
            <Group gap="xs">
              <Text size="sm">{disk.problem}</Text>
              <Badge variant="light" color="red">
                fails
              </Badge>
            </Group>
          </Group>
        ))}
        {now.disks.length + now.failing_disks.length === 0 ? <Text c="dimmed">No disk is mounted here.</Text> : null}
      </Stack>
    </Card>
  );
}

const SHARE_COLORS = { connected: "teal", disconnected: "red", error: "red" } as const;

function Shares({ now }: { now: Sample }) {
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Network shares
      </Title>
      <Stack gap="sm">
        {now.shares.map((share) => (
          <div key={share.mount}>
            <Group justify="space-between" gap="xs">
              <Text style={{ overflowWrap: "anywhere" }}>
                {share.mount}{" "}
                <Text span size="sm" c="dimmed">
                  {share.source}, {share.kind}
                </Text>
              </Text>
              <Group gap="xs">
                <Text size="sm">{share.problem ?? shareInWords(share)}</Text>
                <Badge variant="light" color={SHARE_COLORS[share.status]}>
                  {share.status}
                </Badge>
              </Group>
            </Group>
            {share.total_bytes && share.free_bytes != null ? (
              <Room mount={share.mount} percent={usedPercent(share.total_bytes, share.free_bytes)} isShare />
            ) : null}
          </div>
        ))}
      </Stack>
    </Card>
  );
}

const usedPercent = (total: number, free: number) => (Math.max(0, total - free) / total) * 100;

function shareInWords({ latency_ms, total_bytes, free_bytes }: Sample["shares"][number]): string {
  const parts = [
    latency_ms == null ? null : milliseconds(latency_ms),
    total_bytes && free_bytes != null ? percentOf(usedPercent(total_bytes, free_bytes)) : null,
    total_bytes ? `${bytes(free_bytes)} of ${bytes(total_bytes)} free` : `${bytes(free_bytes)} free`,
  ];
  return parts.filter((part) => part !== null).join(", ");
}

function Temperatures({ now }: { now: Sample }) {
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Temperatures
      </Title>
      <Group gap="lg">
        {now.temperatures.map((one) => (
          <Text key={one.sensor} size="sm">
            {one.sensor}: <b>{degrees(one.celsius)}</b>
          </Text>
        ))}
      </Group>
    </Card>
  );
}

function N8nDatabase() {
  const report = useQuery(hostQueries.n8nDatabase());
  const { data, error } = report;
  if (isNoN8n(error)) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        n8n's database
      </Title>
      {report.isPending ? <Loading lines={3} /> : null}
      {report.isError ? <Failed error={report.error} retry={() => void report.refetch()} /> : null}
      {data ? (
        <>
          <Text size="sm" mb="xs">
            {bytes(data.database_bytes)} in all.{" "}
            {data.bytes_per_day == null
              ? "How fast it grows is known after three days."
              : data.bytes_per_day < 1
                ? "It does not grow."
                : `It grows by ${bytes(Math.round(data.bytes_per_day))} a day.`}{" "}
            {data.disk ? `It is on ${data.disk.mount}: ${forecastInWords(data.disk)} ` : ""}
            <Anchor component={Link} to="/watchdog" size="sm" underline="always">
              What executions take, and what to prune
            </Anchor>
          </Text>
          <Table.ScrollContainer
            minWidth={420}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Largest tables" } }}
          >
            <Table>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Table</Table.Th>
                  <Table.Th ta="right">Size</Table.Th>
                  <Table.Th ta="right">Indexes</Table.Th>
                  <Table.Th ta="right">Rows, about</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {data.tables.slice(0, 8).map((table) => (
                  <Table.Tr key={table.name}>
                    <Table.Td>{table.name}</Table.Td>
                    <Table.Td ta="right">{bytes(table.total_bytes)}</Table.Td>
                    <Table.Td ta="right">{bytes(table.index_bytes)}</Table.Td>
                    <Table.Td ta="right">{table.rows < 0 ? "–" : count(table.rows)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      ) : null}
    </Card>
  );
}

function Thresholds({ thresholds }: { thresholds: Overview["thresholds"] }) {
  return (
    <Text size="sm" c="dimmed">
      Somebody is told when the processor is at {thresholds.cpu_percent} %, memory at {thresholds.memory_percent} %, or
      a disk at {thresholds.disk_warning_percent} % and again at {thresholds.disk_critical_percent} %, for{" "}
      {thresholds.raise_minutes} minutes; it ends {thresholds.margin} points below, after {thresholds.clear_minutes}{" "}
      minutes.{" "}
      <Anchor component={Link} to="/settings" size="sm" underline="always">
        Change the thresholds
      </Anchor>{" "}
      or{" "}
      <Anchor component={Link} to="/notifications/rules" size="sm" underline="always">
        who is told
      </Anchor>
      .
    </Text>
  );
}
