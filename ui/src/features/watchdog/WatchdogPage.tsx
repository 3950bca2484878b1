import { Alert, Anchor, Badge, Button, Card, Group, Menu, Stack, Table, Text, Title } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBellOff,
  IconCheck,
  IconClockPause,
  IconExternalLink,
  IconMoodSmile,
} from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api } from "../../api/client";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { dateTime } from "../../lib/format";
import { ExecutionsCard } from "./ExecutionsCard";
import { type Incident, type Mute, refresh, type Watched, watchdogQueries } from "./queries";
import { blindness, howItEnded, KINDS, muteInWords, why } from "./words";

/** What goes wrong in n8n's workflows, and what their runs take. */
export function WatchdogPage() {
  const now = useQuery(watchdogQueries.now());
  const { data } = now;
  return (
    <Page
      title="Watchdog"
      about="Workflows that fail, hang, or did not run when their schedule says. n8n's database is only read."
    >
      {now.isPending ? <Loading lines={4} /> : null}
      {now.isError ? <Failed error={now.error} retry={() => void now.refetch()} /> : null}
      {data ? (
        <Stack>
          {data.is_stale ? (
            <Alert
              color="red"
              icon={<IconAlertTriangle size={18} />}
              title="n8n's workflows are not watched"
              role="alert"
            >
              <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                {blindness(data)} What is below is from before.{" "}
                <Anchor component={Link} to="/n8n" size="sm" underline="always">
                  Test n8n's connection
                </Anchor>
              </Text>
            </Alert>
          ) : data.looked_at == null ? (
            <Alert color="blue" title="Nothing was looked at yet">
              <Text size="sm">
                Executions are looked at once a minute, as soon as n8n's database is connected on the{" "}
                <Anchor component={Link} to="/n8n" size="sm" underline="always">
                  n8n page
                </Anchor>
                .
              </Text>
            </Alert>
          ) : null}
          <Open incidents={data.open} mutes={data.mutes} lookedAt={data.is_stale ? null : (data.looked_at ?? null)} />
          {data.mutes.length > 0 ? <Mutes mutes={data.mutes} watched={data.watched} /> : null}
          <ExecutionsCard />
          <Schedules watched={data.watched} zone={data.time_zone} isKnown={data.time_zone_is_known} />
          <Resolved />
        </Stack>
      ) : null}
    </Page>
  );
}

function Open({ incidents, mutes, lookedAt }: { incidents: Incident[]; mutes: Mute[]; lookedAt: string | null }) {
  if (incidents.length === 0) {
    return lookedAt == null ? null : (
      <Card withBorder>
        <Empty icon={<IconMoodSmile size={40} stroke={1.3} />} title="Every workflow runs well">
          Last looked at: <Time at={lookedAt} />.
        </Empty>
      </Card>
    );
  }
  return (
    <Stack component="ul" p={0} m={0} aria-label="What is wrong now">
      {incidents.map((incident) => (
        <OpenIncident
          key={incident.id}
          incident={incident}
          mute={mutes.find((one) => one.workflow_id === incident.workflow_id)}
        />
      ))}
    </Stack>
  );
}

function OpenIncident({ incident, mute }: { incident: Incident; mute: Mute | undefined }) {
  const acknowledge = useMutation({
    mutationFn: () => api.post<Incident>(`/api/watchdog/incidents/${incident.id}/acknowledge`),
    onSuccess: refresh,
    onError: tellError,
  });
  const kind = KINDS[incident.kind] ?? { label: incident.kind, color: "gray" };
  return (
    <Card withBorder component="li" style={{ listStyle: "none" }}>
      <Group justify="space-between" align="flex-start" gap="sm">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h4" style={{ overflowWrap: "anywhere" }}>
              {incident.workflow_name}
            </Title>
            <Badge color={kind.color} variant="light">
              {kind.label}
              {incident.count > 1 ? `, ${incident.count} times` : ""}
            </Badge>
            {mute ? (
              <Badge color="gray" variant="light">
                muted
              </Badge>
            ) : null}
          </Group>
          <Text mt={4} style={{ overflowWrap: "anywhere" }}>
            {why(incident)}
          </Text>
          <Text size="sm" c="dimmed" mt={4}>
            First <Time at={incident.first_seen_at} />, last <Time at={incident.last_seen_at} />
            {incident.acknowledged_at ? (
              <>
                ; {incident.acknowledged_by ?? "somebody"} has looked at it <Time at={incident.acknowledged_at} />
              </>
            ) : null}
          </Text>
        </div>
        <Group gap="xs">
          {incident.link ? (
            <Button
              component="a"
              href={incident.link}
              target="_blank"
              rel="noreferrer"
              size="xs"
              variant="default"
              leftSection={<IconExternalLink size={14} />}
            >
              Open in n8n
            </Button>
          ) : null}
          {incident.acknowledged_at ? null : (
            <Button
              size="xs"
              variant="default"
              leftSection={<IconCheck size={14} />}
              loading={acknowledge.isPending}
              onClick={() => acknowledge.mutate()}
              aria-label={`I look after ${incident.workflow_name}`}
            >
              I look after it
            </Button>
          )}
          {mute ? null : <MuteMenu incident={incident} />}
        </Group>
      </Group>
    </Card>
  );
}

const SPANS: { label: string; hours: number | null }[] = [
  { label: "For an hour", hours: 1 },
  { label: "For 8 hours", hours: 8 },
  { label: "For a day", hours: 24 },
  { label: "For a week", hours: 168 },
  { label: "Until I end it", hours: null },
];

function MuteMenu({ incident }: { incident: Incident }) {
  const mute = useMutation({
    mutationFn: (hours: number | null) =>
      api.put(`/api/watchdog/workflows/${encodeURIComponent(incident.workflow_id)}/mute`, { hours }),
    onSuccess: () => {
      tell(`Nobody is told of ${incident.workflow_name}. What happens to it is noted all the same.`);
      refresh();
    },
    onError: tellError,
  });
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconBellOff size={14} />}
          loading={mute.isPending}
          aria-label={`Mute ${incident.workflow_name}`}
        >
          Mute
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Tell nobody of this workflow</Menu.Label>
        {SPANS.map(({ label, hours }) => (
          <Menu.Item key={label} onClick={() => mute.mutate(hours)}>
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function Mutes({ mutes, watched }: { mutes: Mute[]; watched: Watched[] }) {
  const unmute = useMutation({
    mutationFn: (id: string) => api.remove(`/api/watchdog/workflows/${encodeURIComponent(id)}/mute`),
    onSuccess: refresh,
    onError: tellError,
  });
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Muted
      </Title>
      <Stack gap="xs">
        {mutes.map((mute) => {
          const name = watched.find((one) => one.workflow_id === mute.workflow_id)?.workflow_name ?? mute.workflow_id;
          return (
            <Group key={mute.workflow_id} justify="space-between" gap="xs">
              <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                <b>{name}</b> {muteInWords(mute)}
              </Text>
              <Button
                size="xs"
                variant="default"
                onClick={() => unmute.mutate(mute.workflow_id)}
                aria-label={`Tell of ${name} again`}
              >
                Tell again
              </Button>
            </Group>
          );
        })}
      </Stack>
    </Card>
  );
}

function Schedules({ watched, zone, isKnown }: { watched: Watched[]; zone: string; isKnown: boolean }) {
  const scheduled = watched.filter((one) => one.next_due_at || one.unreadable_rules > 0);
  if (scheduled.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Expected to run
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {isKnown
          ? `Workflows without a time zone of their own go by ${zone}.`
          : `n8n's time zone is not known yet; ${zone} is its default. Until a run shows it, schedules are only watched roughly.`}{" "}
        <Anchor component={Link} to="/settings" size="sm" underline="always">
          Set it
        </Anchor>
      </Text>
      <Table.ScrollContainer
        minWidth={480}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Expected to run" } }}
      >
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Workflow</Table.Th>
              <Table.Th>Last run</Table.Th>
              <Table.Th>Next due</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {scheduled.map((one) => (
              <Table.Tr key={one.workflow_id}>
                <Table.Td>{one.workflow_name}</Table.Td>
                <Table.Td>{one.last_run_at ? <Time at={one.last_run_at} /> : "not known"}</Table.Td>
                <Table.Td>
                  {one.next_due_at ? dateTime(one.next_due_at) : "–"}
                  {one.unreadable_rules > 0 ? (
                    <Badge ml="xs" size="sm" color="gray" variant="light" leftSection={<IconClockPause size={12} />}>
                      a rule that only n8n can work out
                    </Badge>
                  ) : null}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function Resolved() {
  const resolved = useQuery(watchdogQueries.resolved());
  const items = resolved.data?.items ?? [];
  if (resolved.isSuccess && items.length === 0) return null;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="xs">
        Over
      </Title>
      {resolved.isPending ? <Loading lines={3} /> : null}
      {resolved.isError ? <Failed error={resolved.error} retry={() => void resolved.refetch()} /> : null}
      {items.length > 0 ? (
        <Table.ScrollContainer
          minWidth={620}
          scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Incidents that are over" } }}
        >
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Workflow</Table.Th>
                <Table.Th>What</Table.Th>
                <Table.Th>From</Table.Th>
                <Table.Th>Until</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {items.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Td>{one.workflow_name}</Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>
                    {KINDS[one.kind]?.label ?? one.kind}
                    {one.count > 1 ? `, ${one.count} times` : ""}
                    <Text size="xs" c="dimmed">
                      {why(one)}
                    </Text>
                  </Table.Td>
                  <Table.Td>{dateTime(one.first_seen_at)}</Table.Td>
                  <Table.Td>
                    {dateTime(one.resolved_at)}
                    <Text size="xs" c="dimmed">
                      {howItEnded(one)}
                    </Text>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
    </Card>
  );
}
