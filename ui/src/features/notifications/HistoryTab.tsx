import { Badge, Card, Group, Select, Table, Text, UnstyledButton } from "@mantine/core";
import { IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { Older } from "../../components/Older";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { EventSelect } from "./EventSelect";
import { MessageDrawer } from "./MessageDrawer";
import { type Message, notificationQueries } from "./queries";
import { servicesOf } from "./services";
import { MessageStatus, STATUSES } from "./status";
import { SEVERITY_COLORS } from "./words";

/** What was told, is to be told, and was left untold. */
export function HistoryTab() {
  const [status, setStatus] = useState<string | null>(null);
  const [eventType, setEventType] = useState<string | null>(null);
  const [serviceId, setServiceId] = useState<string | null>(null);
  const [ruleId, setRuleId] = useState<string | null>(null);
  // Messages carry links to themselves, as in ?message=22.
  const search = useSearch({ strict: false }) as { message?: number };
  const navigate = useNavigate();
  const shown = search.message;
  const setShown = (message?: number) =>
    void navigate({ to: ".", search: (message ? { message } : {}) as never, replace: true });
  const types = useQuery(notificationQueries.eventTypes());
  const services = useQuery(notificationQueries.services());
  const rules = useQuery(notificationQueries.rules());
  const filter = {
    status: status ?? undefined,
    event_type: eventType ?? undefined,
    service_id: serviceId ? Number(serviceId) : undefined,
    rule_id: ruleId ? Number(ruleId) : undefined,
  };
  const list = useInfiniteQuery(notificationQueries.history(filter));
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const isFiltered = Boolean(status || eventType || serviceId || ruleId);
  return (
    <>
      <Group mb="md">
        <Select
          aria-label="What became of it"
          placeholder="Whatever became of it"
          clearable
          clearButtonProps={{ "aria-label": "Whatever became of it" }}
          data={STATUSES}
          value={status}
          onChange={setStatus}
        />
        <EventSelect types={types.data?.items ?? []} value={eventType} change={setEventType} isFilter />
        <Select
          aria-label="Service"
          placeholder="Every service"
          clearable
          clearButtonProps={{ "aria-label": "Every service" }}
          data={servicesOf(services.data).map(({ id, name }) => ({ value: String(id), label: name }))}
          value={serviceId}
          onChange={setServiceId}
        />
        <Select
          aria-label="Rule"
          placeholder="Every rule"
          clearable
          clearButtonProps={{ "aria-label": "Every rule" }}
          data={(rules.data?.items ?? []).map(({ id, name }) => ({ value: String(id), label: name }))}
          value={ruleId}
          onChange={setRuleId}
        />
      </Group>
      {list.isPending ? <Loading lines={6} /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty
            icon={<IconHistory size={40} stroke={1.3} />}
            title={isFiltered ? "Nothing is like that" : "Nothing was told yet"}
          >
            {isFiltered ? "Change the filter." : "What a rule tells stands here, with what the service answered."}
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? <Rows rows={rows} show={setShown} /> : null}
      <Older list={list} />
      {shown !== undefined ? <MessageDrawer id={shown} close={() => setShown(undefined)} /> : null}
    </>
  );
}

function Rows({ rows, show }: { rows: Message[]; show: (id: number) => void }) {
  return (
    <Card withBorder p={0}>
      <Table.ScrollContainer
        minWidth={680}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "What was told" } }}
      >
        <Table verticalSpacing="xs" horizontalSpacing="md" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>When</Table.Th>
              <Table.Th>Message</Table.Th>
              <Table.Th>To</Table.Th>
              <Table.Th>What became of it</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.id}>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  <Time at={row.created_at} />
                </Table.Td>
                <Table.Td>
                  <UnstyledButton onClick={() => show(row.id)}>
                    <Text size="sm" td="underline" style={{ overflowWrap: "anywhere" }}>
                      {row.title}
                    </Text>
                  </UnstyledButton>
                  <Group gap={6}>
                    <Badge size="xs" variant="light" color={SEVERITY_COLORS[row.severity] ?? "gray"}>
                      {row.severity}
                    </Badge>
                    <Text size="xs" c="dimmed">
                      {[
                        row.event_count > 1 ? `${row.event_count} events` : "",
                        row.rule_name ? `rule ${row.rule_name}` : "",
                        row.fallback_of ? "as a stand-in" : "",
                      ]
                        .filter(Boolean)
                        .join(" · ")}
                    </Text>
                  </Group>
                </Table.Td>
                <Table.Td>{row.service_name ?? "a service that is gone"}</Table.Td>
                <Table.Td>
                  <MessageStatus status={row.status} />
                  {row.error_message ? (
                    <Text size="xs" c="dimmed" lineClamp={2} maw={280} style={{ overflowWrap: "anywhere" }}>
                      {row.error_message}
                    </Text>
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
