import { Badge, Button, Card, Group, Stack, Text } from "@mantine/core";
import { IconBellCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { api } from "../../api/client";
import { tell, tellError } from "../../components/notify";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { type Alert, type EventType, notificationQueries, type Rule, refresh } from "./queries";
import { eventName, SEVERITY_COLORS } from "./words";

/** Troubles that somebody must acknowledge, those that are open first. */
export function AlertsTab() {
  const alerts = useQuery(notificationQueries.alerts());
  const types = useQuery(notificationQueries.eventTypes());
  const rules = useQuery(notificationQueries.rules());
  const items = alerts.data?.items ?? [];
  return (
    <>
      {alerts.isPending ? <Loading /> : null}
      {alerts.isError ? <Failed error={alerts.error} retry={() => void alerts.refetch()} /> : null}
      {alerts.isSuccess && items.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconBellCheck size={40} stroke={1.3} />} title="Nothing waits for an answer">
            A rule with steps for when nobody reacts makes an alert of what it tells. It is closed by whoever
            acknowledges it, or when the trouble ends.
          </Empty>
        </Card>
      ) : null}
      <Stack component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {items.map((alert) => (
          <One key={alert.id} alert={alert} types={types.data?.items ?? []} rules={rules.data?.items ?? []} />
        ))}
      </Stack>
    </>
  );
}

const STATES: Record<string, [string, string]> = {
  open: ["Open", "red"],
  acknowledged: ["Acknowledged", "teal"],
  resolved: ["Over", "gray"],
};

function One({ alert, types, rules }: { alert: Alert; types: EventType[]; rules: Rule[] }) {
  const acknowledge = useMutation({
    mutationFn: () => api.post<Alert>(`/api/notifications/alerts/${alert.id}/acknowledge`),
    onSuccess: () => {
      tell("Acknowledged. Nobody further is told.");
      refresh("alerts", "feed");
    },
    onError: (error) => {
      tellError(error);
      refresh("alerts");
    },
  });
  const [state, color] = STATES[alert.status] ?? [alert.status, "gray"];
  const rule = rules.find((one) => one.id === alert.rule_id)?.name;
  return (
    <Card withBorder component="li">
      <Group justify="space-between" align="flex-start">
        <div style={{ flex: "1 1 260px", minWidth: 0 }}>
          <Group gap="xs">
            <Badge variant="light" color={color}>
              {state}
            </Badge>
            <Badge variant="light" color={SEVERITY_COLORS[alert.severity] ?? "gray"}>
              {alert.severity}
            </Badge>
          </Group>
          <Text fw={600} mt={6} style={{ overflowWrap: "anywhere" }}>
            {alert.title}
          </Text>
          <Text size="sm" c="dimmed">
            {eventName(alert.event_type, types)}
            {rule ? ` · rule ${rule}` : ""} · since <Time at={alert.opened_at} />
            {alert.event_count > 1 ? (
              <>
                {" "}
                · {alert.event_count} times, last <Time at={alert.last_event_at} />
              </>
            ) : null}
          </Text>
          <Text size="sm">
            <Next alert={alert} />
          </Text>
        </div>
        {alert.status === "open" ? (
          <Button
            loading={acknowledge.isPending}
            onClick={() => acknowledge.mutate()}
            aria-label={`Acknowledge ${alert.title}`}
          >
            Acknowledge
          </Button>
        ) : null}
      </Group>
    </Card>
  );
}

function Next({ alert }: { alert: Alert }) {
  if (alert.status !== "open") {
    return (
      <>
        {alert.status === "resolved" ? "Ended" : "Acknowledged"} <Time at={alert.closed_at} />
        {alert.closed_by ? ` by ${alert.closed_by}` : ""}.
      </>
    );
  }
  if (!alert.next_at) return <>Everybody was told.</>;
  if (new Date(alert.next_at).getTime() - Date.now() < 60_000) return <>The next is told within a minute.</>;
  return (
    <>
      The next is told <Time at={alert.next_at} />.
    </>
  );
}
