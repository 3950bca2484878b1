import { Alert, Badge, Button, Code, Drawer, Group, Stack, Table, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { dateTime, duration } from "../../lib/format";
import { notificationQueries, refresh } from "./queries";
import { MessageStatus } from "./status";
import { eventName, SEVERITY_COLORS } from "./words";

type Details = Schemas["NotificationMessageDetails"];

/** A message with all that is known of it, and a way to send it again. */
export function MessageDrawer({ id, close }: { id: number; close: () => void }) {
  const message = useQuery(notificationQueries.message(id));
  return (
    <Drawer opened onClose={close} position="right" size="lg" title={message.data?.title ?? "Message"}>
      {message.isPending ? <Loading /> : null}
      {message.isError ? <Failed error={message.error} retry={() => void message.refetch()} /> : null}
      {message.data ? <Shown message={message.data} /> : null}
    </Drawer>
  );
}

function Shown({ message }: { message: Details }) {
  const types = useQuery(notificationQueries.eventTypes());
  const retry = useMutation({
    mutationFn: () => api.post<Details>(`/api/notifications/retry/${message.id}`),
    onSuccess: (fresh) => {
      queryClient.setQueryData(notificationQueries.message(message.id).queryKey, fresh);
      refresh("history");
      tell("It is sent again.");
    },
    onError: tellError,
  });
  const canRetry = message.status === "failed" || message.status === "skipped";
  const facts: [string, string | null | undefined][] = [
    ["Event", eventName(message.event_type, types.data?.items ?? [])],
    ["Happened", dateTime(message.occurred_at)],
    ["About", message.subject],
    ["To", message.service_name ?? "a service that is gone"],
    ["Rule", message.rule_name],
    ["Priority", message.priority],
    ["Events in it", message.event_count > 1 ? String(message.event_count) : null],
    ["In the place of", message.fallback_of ? `message ${message.fallback_of}` : null],
    ["Alert", message.alert_id ? String(message.alert_id) : null],
    ["Step", message.escalation_step ? `${message.escalation_step} of the escalation` : null],
    ["Sent", message.sent_at ? dateTime(message.sent_at) : null],
    ["Failed attempts", message.retry_count > 0 ? String(message.retry_count) : null],
    ["Tried again", message.next_retry ? dateTime(message.next_retry) : null],
    ["Answer", message.response_status ? String(message.response_status) : null],
    ["Took", message.duration_ms == null ? null : duration(message.duration_ms)],
    ["Delivery", message.delivery_id],
  ];
  return (
    <Stack>
      <Group justify="space-between">
        <Group gap="xs" role="status">
          <MessageStatus status={message.status} />
          <Badge variant="light" color={SEVERITY_COLORS[message.severity] ?? "gray"}>
            {message.severity}
          </Badge>
        </Group>
        {canRetry ? (
          <Button size="xs" loading={retry.isPending} onClick={() => retry.mutate()}>
            {message.status === "skipped" ? "Send it after all" : "Send it again"}
          </Button>
        ) : null}
      </Group>
      {message.error_message ? (
        <Alert color={message.status === "failed" ? "red" : "gray"}>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {message.error_message}
          </Text>
        </Alert>
      ) : null}
      <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {message.message}
      </Text>
      <Table verticalSpacing={4} variant="vertical" layout="fixed">
        <Table.Tbody>
          {facts
            .filter(([, value]) => value)
            .map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={140}>{name}</Table.Th>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
              </Table.Tr>
            ))}
        </Table.Tbody>
      </Table>
      <Block title="What was sent" text={pretty(message.payload)} />
      <Block title="What the service said" text={message.response_text} />
      <Attempts attempts={message.attempts} />
      <Block title="The event's data" text={message.event_data ? JSON.stringify(message.event_data, null, 2) : null} />
    </Stack>
  );
}

/** JSON on many lines; anything else as it is. */
function pretty(payload: string | null | undefined) {
  if (!payload) return null;
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}

/** Each attempt, when there was more than one. */
function Attempts({ attempts }: { attempts: Details["attempts"] }) {
  if (attempts.length < 2) return null;
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        Attempts
      </Title>
      <Stack component="ol" gap={6} p={0} m={0} style={{ listStyle: "none" }}>
        {attempts.map((attempt) => (
          <li key={attempt.at}>
            <Text size="sm">
              {[
                dateTime(attempt.at),
                attempt.outcome === "sent" ? "taken" : "not taken",
                attempt.duration_ms == null ? "" : duration(attempt.duration_ms),
              ]
                .filter(Boolean)
                .join(" · ")}
            </Text>
            {(attempt.error ?? attempt.response_text) ? (
              <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                {attempt.error ?? attempt.response_text}
              </Text>
            ) : null}
          </li>
        ))}
      </Stack>
    </div>
  );
}

function Block({ title, text }: { title: string; text: string | null | undefined }) {
  if (!text) return null;
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        {title}
      </Title>
      <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {text}
      </Code>
    </div>
  );
}
