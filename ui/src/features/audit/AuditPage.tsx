import { Card, Code, Drawer, Group, Select, Stack, Table, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconHistory } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Older } from "../../components/Older";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { dateTime } from "../../lib/format";

type Entry = Schemas["AuditEntry"];

export function AuditPage() {
  const [action, setAction] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text, 250);
  const [shown, setShown] = useState<Entry>();
  const actions = useQuery(queries.auditActions());
  const list = useInfiniteQuery(queries.audit({ action: action ?? undefined, q: search || undefined }));
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const groups = [...new Set((actions.data?.items ?? []).map((name) => `${name.split(".")[0]}.*`))];
  return (
    <Page title="Audit log" about="Who did what, and from where. Nothing is ever removed from it.">
      <Group mb="md">
        <Select
          aria-label="Action"
          placeholder="Every action"
          clearable
          searchable
          data={[
            { group: "Groups", items: groups },
            { group: "Actions", items: actions.data?.items ?? [] },
          ]}
          value={action}
          onChange={setAction}
        />
        <TextInput
          aria-label="Search"
          placeholder="Search"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      </Group>
      {list.isPending ? <Loading lines={6} /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconHistory size={40} stroke={1.3} />} title="Nothing is like that">
            Change the filter.
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? (
        <Card withBorder p={0}>
          <Table.ScrollContainer
            minWidth={640}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Audit log" } }}
          >
            <Table verticalSpacing="xs" horizontalSpacing="md" highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>When</Table.Th>
                  <Table.Th>Who</Table.Th>
                  <Table.Th>Did</Table.Th>
                  <Table.Th>To</Table.Th>
                  <Table.Th>From</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {rows.map((entry) => (
                  <Table.Tr key={entry.id}>
                    <Table.Td style={{ whiteSpace: "nowrap" }}>{dateTime(entry.created_at)}</Table.Td>
                    <Table.Td>{entry.username ?? "–"}</Table.Td>
                    <Table.Td>
                      <UnstyledButton onClick={() => setShown(entry)}>
                        <Text size="sm" td="underline">
                          {entry.action}
                        </Text>
                      </UnstyledButton>
                    </Table.Td>
                    <Table.Td>
                      {entry.resource_type ? `${entry.resource_type} ${entry.resource_id ?? ""}` : "–"}
                    </Table.Td>
                    <Table.Td>{entry.ip_address ?? "–"}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </Card>
      ) : null}
      <Older list={list} />
      <Drawer opened={shown !== undefined} onClose={() => setShown(undefined)} position="right" title={shown?.action}>
        {shown ? (
          <Stack>
            <Text size="sm">
              {dateTime(shown.created_at)}, {shown.username ?? "nobody known"} from {shown.ip_address ?? "this machine"}
            </Text>
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
              {shown.user_agent}
            </Text>
            <Code block>{JSON.stringify(shown.details ?? {}, null, 2)}</Code>
          </Stack>
        ) : null}
      </Drawer>
    </Page>
  );
}
