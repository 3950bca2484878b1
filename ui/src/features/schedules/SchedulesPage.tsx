import { ActionIcon, Anchor, Badge, Button, Card, Group, Menu, Modal, Stack, Table, Text, Title } from "@mantine/core";
import { IconCalendarClock, IconDots, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { backupType, dateTime } from "../../lib/format";
import { ProofScheduleCard } from "./ProofScheduleCard";
import { RetentionCard } from "./RetentionCard";
import { ScheduleDialog } from "./ScheduleDialog";
import { inZone, type Schedule, words } from "./when";

export function SchedulesPage() {
  const schedules = useQuery(queries.schedules());
  const settings = useQuery(queries.settings());
  const [edited, setEdited] = useState<Schedule | "new">();
  const [removed, setRemoved] = useState<Schedule>();
  const [looked, setLooked] = useState<Schedule>();
  const zone = settings.data?.items.find((setting) => setting.key === "general.time_zone")?.value;
  const ownZone = typeof zone === "string" ? zone : "UTC";
  const items = schedules.data?.items ?? [];
  return (
    <Page
      title="Schedules"
      about="What happens by itself: backups, proofs, and which backups stay."
      action={
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
          New schedule
        </Button>
      }
    >
      <Stack>
        {schedules.isPending ? <Loading /> : null}
        {schedules.isError ? <Failed error={schedules.error} retry={() => void schedules.refetch()} /> : null}
        {schedules.isSuccess && items.length === 0 ? (
          <Card withBorder>
            <Empty
              icon={<IconCalendarClock size={40} stroke={1.3} />}
              title="Nothing happens by itself yet"
              action={
                <Button variant="light" onClick={() => setEdited("new")}>
                  Back up every night
                </Button>
              }
            >
              A backup that somebody must remember is missing on the day it is needed.
            </Empty>
          </Card>
        ) : null}
        {items.length > 0 ? (
          <Card withBorder p={0}>
            <Table.ScrollContainer
              minWidth={680}
              scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Schedules" } }}
            >
              <Table verticalSpacing="sm" horizontalSpacing="md">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Schedule</Table.Th>
                    <Table.Th>When</Table.Th>
                    <Table.Th>Next</Table.Th>
                    <Table.Th>Last</Table.Th>
                    <Table.Th aria-label="Acts" />
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {items.map((schedule) => (
                    <Row
                      key={schedule.id}
                      schedule={schedule}
                      edit={() => setEdited(schedule)}
                      remove={() => setRemoved(schedule)}
                      look={() => setLooked(schedule)}
                    />
                  ))}
                </Table.Tbody>
              </Table>
            </Table.ScrollContainer>
          </Card>
        ) : null}
        <Upcoming />
        <ProofScheduleCard />
        <RetentionCard />
      </Stack>
      {edited ? (
        <ScheduleDialog
          schedule={edited === "new" ? undefined : edited}
          zone={ownZone}
          close={() => setEdited(undefined)}
        />
      ) : null}
      {removed ? <RemoveDialog schedule={removed} close={() => setRemoved(undefined)} /> : null}
      {looked ? <RunsDialog schedule={looked} close={() => setLooked(undefined)} /> : null}
    </Page>
  );
}

function Row({
  schedule,
  edit,
  remove,
  look,
}: {
  schedule: Schedule;
  edit: () => void;
  remove: () => void;
  look: () => void;
}) {
  const refresh = () => void queryClient.invalidateQueries({ queryKey: ["schedules"] });
  const run = useMutation({
    mutationFn: () => api.post<{ id: number }>(`/api/backups/schedules/${schedule.id}/run`),
    onSuccess: ({ id }) => tell(`Backup ${id} has begun.`),
    onError: tellError,
  });
  const pause = useMutation({
    mutationFn: () => {
      const { id, last_run, next_run, created_at, updated_at, ...rest } = schedule;
      return api.put(`/api/backups/schedules/${id}`, { ...rest, enabled: !schedule.enabled });
    },
    onSuccess: refresh,
    onError: tellError,
  });
  const anchor = useAnchor<HTMLParagraphElement>(`schedule-${schedule.id}`);
  return (
    <Table.Tr>
      <Table.Td>
        <Text fw={600} size="sm" {...anchor}>
          {schedule.name}
        </Text>
        <Text size="xs" c="dimmed">
          {backupType(schedule.backup_type)} · {schedule.compression}
        </Text>
      </Table.Td>
      <Table.Td>
        {words(schedule)}
        <Text size="xs" c="dimmed">
          {schedule.timezone}
        </Text>
      </Table.Td>
      <Table.Td>
        {schedule.next_run ? (
          <Time at={schedule.next_run} />
        ) : (
          <Badge variant="light" color="gray">
            Paused
          </Badge>
        )}
      </Table.Td>
      <Table.Td>{schedule.last_run ? <Time at={schedule.last_run} /> : "–"}</Table.Td>
      <Table.Td ta="right">
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`Acts on ${schedule.name}`}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => run.mutate()}>Run now</Menu.Item>
            <Menu.Item onClick={look}>What it did</Menu.Item>
            <Menu.Item onClick={edit}>Change</Menu.Item>
            <Menu.Item onClick={() => pause.mutate()}>{schedule.enabled ? "Pause" : "Go on"}</Menu.Item>
            <Menu.Divider />
            <Menu.Item color="red" onClick={remove}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Table.Td>
    </Table.Tr>
  );
}

function RemoveDialog({ schedule, close }: { schedule: Schedule; close: () => void }) {
  const remove = useMutation({
    mutationFn: () => api.remove(`/api/backups/schedules/${schedule.id}`),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["schedules"] });
      void queryClient.invalidateQueries({ queryKey: ["overview"] });
      tell(`${schedule.name} is deleted.`);
      close();
    },
    onError: tellError,
  });
  return (
    <Confirm
      title={`Delete ${schedule.name}?`}
      act="Delete the schedule"
      keep="Keep it"
      color="red"
      isPending={remove.isPending}
      close={close}
      go={() => remove.mutate()}
    >
      No more backups are made by it. Those it made stay, and retention goes on looking after them. To stop it for a
      while, pause it instead.
    </Confirm>
  );
}

const RUN_COLORS: Record<string, string> = {
  queued: "blue",
  started: "blue",
  succeeded: "teal",
  failed: "red",
  skipped: "orange",
  missed: "orange",
};

function RunsDialog({ schedule, close }: { schedule: Schedule; close: () => void }) {
  const runs = useQuery(queries.scheduleRuns(schedule.id));
  const items = runs.data?.items ?? [];
  return (
    <Modal opened onClose={close} title={`What ${schedule.name} did`} size="lg">
      {runs.isPending ? <Loading lines={3} /> : null}
      {runs.isError ? <Failed error={runs.error} retry={() => void runs.refetch()} /> : null}
      {runs.isSuccess && items.length === 0 ? <Text c="dimmed">It was not due yet.</Text> : null}
      <Stack gap="sm">
        {items.map((run: Schemas["ScheduleRun"]) => (
          <Group key={run.id} wrap="nowrap" align="flex-start">
            <Badge variant="light" color={RUN_COLORS[run.status] ?? "gray"} style={{ flexShrink: 0 }}>
              {run.status}
            </Badge>
            <div>
              <Text size="sm">
                {dateTime(run.due_at)}{" "}
                {run.backup_id ? (
                  <Anchor
                    component={Link}
                    to="/backups/$id"
                    params={{ id: String(run.backup_id) } as never}
                    size="sm"
                    underline="always"
                  >
                    backup {run.backup_id}
                  </Anchor>
                ) : null}
                {run.attempts > 1 ? `, attempt ${run.attempts}` : ""}
              </Text>
              {run.detail ? (
                <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                  {run.detail}
                </Text>
              ) : null}
            </div>
          </Group>
        ))}
      </Stack>
    </Modal>
  );
}

/** The coming week, day by day. */
function Upcoming() {
  const upcoming = useQuery(queries.upcoming());
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const items = upcoming.data?.items ?? [];
  if (items.length === 0) return null;
  const shown = items.slice(0, 12);
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        The coming week
      </Title>
      <Text size="xs" c="dimmed" mb="sm">
        As the clocks here show it ({zone}).
      </Text>
      <Stack gap={6}>
        {shown.map((one) => (
          <Group key={`${one.kind}:${one.schedule_id}:${one.at}`} gap="sm" wrap="nowrap">
            <Text size="sm" w={150} style={{ flexShrink: 0 }}>
              {inZone(one.at, zone)}
            </Text>
            <Text size="sm">{one.name}</Text>
            {one.kind === "verification" ? (
              <Badge size="sm" variant="light">
                proof
              </Badge>
            ) : null}
          </Group>
        ))}
      </Stack>
      {items.length > shown.length ? (
        <Text size="xs" c="dimmed" mt="sm">
          and {items.length - shown.length} more
        </Text>
      ) : null}
    </Card>
  );
}
