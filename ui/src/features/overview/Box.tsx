import { Anchor, Badge, Group, Progress, Stack, Text } from "@mantine/core";
import { IconBox, IconCpu, IconHeartbeat, IconKey } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { bytes } from "../../lib/format";
import { type Containers, containerQueries } from "../containers/queries";
import { type Forecast, hostQueries, type Sample } from "../host/queries";
import { ssoQueries, type Tool } from "../sso/queries";
import { type Watchdog, watchdogQueries } from "../watchdog/queries";
import { blindness } from "../watchdog/words";
import { Fact, None } from "./Fact";

/** The box around n8n: its containers, the machine, what its workflows do, and the tools beside it. */
export function BoxFacts() {
  const containers = useQuery(containerQueries.all());
  const host = useQuery(hostQueries.overview());
  const forecast = useQuery(hostQueries.forecast());
  const watchdog = useQuery(watchdogQueries.now());
  const sso = useQuery(ssoQueries.overview());
  return (
    <>
      <Fact icon={<IconBox size={20} />} color="gray" title="Containers">
        <Told query={containers}>{(found) => <ContainersNow found={found} />}</Told>
      </Fact>
      <Fact icon={<IconCpu size={20} />} color="gray" title="Host">
        <Told query={host}>{(found) => <HostNow sample={found.sample} forecasts={forecast.data?.items ?? []} />}</Told>
      </Fact>
      <Fact
        icon={<IconHeartbeat size={20} />}
        color={watchdog.data?.open.length || watchdog.data?.is_stale ? "red" : "gray"}
        title="Workflows that need you"
      >
        <Told query={watchdog}>{(found) => <WorkflowsNow found={found} />}</Told>
      </Fact>
      <Fact
        icon={<IconKey size={20} />}
        color={sso.data?.items.some(isOutOfReach) ? "orange" : "gray"}
        title="Tools behind this login"
      >
        <Told query={sso}>{(found) => <ToolsNow tools={found.items} />}</Told>
      </Fact>
    </>
  );
}

function WorkflowsNow({ found }: { found: Watchdog }) {
  const { open, looked_at, is_stale } = found;
  if (!is_stale && looked_at === null) return <None>n8n's executions were not looked at yet.</None>;
  if (!is_stale && open.length === 0) return <Text size="sm">None: nothing fails, is stuck, or was missed.</Text>;
  return (
    <Stack gap={6}>
      {is_stale ? (
        <Text size="sm" c="red" style={{ overflowWrap: "anywhere" }}>
          Not known. {blindness(found)}
        </Text>
      ) : null}
      {open.slice(0, 4).map((one) => (
        <Group key={one.id} gap="xs" wrap="nowrap">
          <Badge size="sm" variant="light" color={one.kind === "failing" ? "red" : "orange"}>
            {one.kind}
          </Badge>
          <Text size="sm" truncate>
            {one.workflow_name}
          </Text>
        </Group>
      ))}
      <More to="/watchdog">
        {open.length > 4
          ? `And ${open.length - 4} more: all of them`
          : open.length > 0
            ? "What is wrong with them"
            : "What was known last"}
      </More>
    </Stack>
  );
}

const isOutOfReach = (tool: Tool) => tool.is_enabled && tool.trouble != null;

function ToolsNow({ tools }: { tools: Tool[] }) {
  const shown = tools.filter((tool) => tool.is_enabled);
  return (
    <Stack gap={6}>
      {tools.length === 0 ? (
        <None>None yet: nginx can ask Flowkeep who may open Dozzle, Adminer or others.</None>
      ) : null}
      {tools.length > 0 && shown.length === 0 ? <None>All of them are switched off.</None> : null}
      {shown.slice(0, 6).map((tool) => (
        <Group key={tool.slug} gap="xs" wrap="nowrap">
          {tool.url ? (
            <Anchor href={tool.url} size="sm" target="_blank" rel="noopener noreferrer" truncate>
              {tool.name}
            </Anchor>
          ) : (
            <Text size="sm" truncate>
              {tool.name}
            </Text>
          )}
          {isOutOfReach(tool) ? (
            <Badge size="sm" variant="light" color="orange" style={{ flexShrink: 0 }}>
              no login reaches it
            </Badge>
          ) : null}
        </Group>
      ))}
      <More to="/single-sign-on">
        {tools.length === 0 ? "Put a tool behind this login" : tools.length > 6 ? `All ${tools.length}` : "Who gets in"}
      </More>
    </Stack>
  );
}

/** What was found, or why it was not; the rest of the page does not wait for it. */
function Told<T>({
  query,
  children,
}: {
  query: { data: T | undefined; isPending: boolean; error: Error | null };
  children: (found: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.isPending) return <None>Looking…</None>;
  return <None>{query.error?.message ?? "It could not be read."}</None>;
}

function More({ to, children }: { to: string; children: ReactNode }) {
  return (
    <Anchor component={Link} to={to as never} size="sm">
      {children}
    </Anchor>
  );
}

const WELL = ["running", "created", "paused"];

function ContainersNow({ found }: { found: Containers }) {
  const { items, engine } = found;
  const running = items.filter((one) => one.status === "running").length;
  const ill = items.filter((one) => !WELL.includes(one.status));
  const newer = items.filter((one) => one.update?.state === "available").length;
  if (!engine.is_reachable && items.length === 0) {
    return (
      <Stack gap={6}>
        <None>{engine.message ?? "The Docker engine does not answer."}</None>
        <More to="/containers">What helps</More>
      </Stack>
    );
  }
  return (
    <Stack gap={6}>
      <Text size="xl" fw={650}>
        <Anchor component={Link} to={"/containers" as never} inherit>
          {running} of {items.length} running
        </Anchor>
      </Text>
      {engine.is_reachable ? null : <None>As it was known last: {engine.message}</None>}
      {ill.slice(0, 4).map((one) => (
        <Group key={one.name} gap="xs" wrap="nowrap">
          <Badge size="sm" variant="light" color={one.status === "unhealthy" ? "red" : "orange"}>
            {one.status}
          </Badge>
          <Text size="sm" truncate>
            {one.name}
          </Text>
        </Group>
      ))}
      {newer > 0 ? (
        <Text size="sm" c="dimmed">
          {newer === 1 ? "One has a newer image." : `${newer} have newer images.`}
        </Text>
      ) : null}
    </Stack>
  );
}

function HostNow({ sample, forecasts }: { sample: Sample; forecasts: Forecast[] }) {
  const fullest = [...sample.disks].sort((a, b) => b.percent - a.percent)[0];
  const soonest = forecasts
    .filter((one) => one.outcome === "full" && one.days != null)
    .sort((a, b) => (a.days ?? 0) - (b.days ?? 0))[0];
  return (
    <Stack gap={8}>
      <Meter name="CPU" percent={sample.cpu.percent ?? 0} detail={`load ${sample.cpu.load[0]?.toFixed(2) ?? "?"}`} />
      <Meter
        name="Memory"
        percent={sample.memory.percent}
        detail={`${bytes(sample.memory.available_bytes)} of ${bytes(sample.memory.total_bytes)} left`}
      />
      {fullest ? (
        <Meter name={`Disk ${fullest.mount}`} percent={fullest.percent} detail={`${bytes(fullest.free_bytes)} left`} />
      ) : null}
      {sample.failing_disks.map((disk) => (
        <Text size="sm" c="red" key={disk.mount}>
          Disk {disk.mount}: {disk.problem}
        </Text>
      ))}
      {soonest?.days != null ? (
        <Text size="sm" c={soonest.days < 14 ? "red" : "dimmed"}>
          {soonest.mount} is full in about {Math.max(1, Math.round(soonest.days))} days if it goes on like this.
        </Text>
      ) : null}
      <More to="/host">Charts and shares</More>
    </Stack>
  );
}

function Meter({ name, percent, detail }: { name: string; percent: number; detail: string }) {
  const color = percent >= 95 ? "red" : percent >= 85 ? "orange" : "teal";
  return (
    <div>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Text size="sm">{name}</Text>
        <Text size="sm" c="dimmed">
          {Math.round(percent)} %, {detail}
        </Text>
      </Group>
      <Progress value={percent} color={color} size="sm" aria-label={`${name} in use`} />
    </div>
  );
}
