import { Badge, Code, Table, Text, Title } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Older } from "../../components/Older";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { duration } from "../../lib/format";
import { PROVIDERS, type Provider } from "./providers";
import { emailQueries } from "./queries";

/** What earlier tests came to. */
export function TestHistory() {
  const list = useInfiniteQuery(emailQueries.tests());
  const templates = useQuery(emailQueries.templates());
  const nameOf = (key: string | null | undefined) =>
    templates.data?.items.find((template) => template.key === key)?.name ?? key;
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div>
      <Title order={3} size="h6" mb={4}>
        Tests
      </Title>
      {list.isPending ? <Loading lines={2} /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Text size="sm" c="dimmed">
          None was sent yet.
        </Text>
      ) : null}
      {rows.length > 0 ? (
        <Table.ScrollContainer
          minWidth={640}
          scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Tests" } }}
        >
          <Table verticalSpacing={6}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>When</Table.Th>
                <Table.Th>To</Table.Th>
                <Table.Th>What</Table.Th>
                <Table.Th>By</Table.Th>
                <Table.Th>What became of it</Table.Th>
                <Table.Th ta="right">Took</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rows.map((row) => (
                <Table.Tr key={row.id}>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    <Time at={row.tested_at} />
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{row.recipient}</Table.Td>
                  <Table.Td>
                    {nameOf(row.template_key)}
                    <Text size="xs" c="dimmed">
                      over {PROVIDERS[row.provider as Provider]?.name ?? row.provider}
                    </Text>
                  </Table.Td>
                  <Table.Td>{row.tested_by_name ?? "–"}</Table.Td>
                  <Table.Td>
                    <Badge variant="light" color={row.status === "success" ? "teal" : "red"}>
                      {row.status === "success" ? "Sent" : "Failed"}
                    </Badge>
                    {row.error ? (
                      <Text size="xs" maw={320} style={{ overflowWrap: "anywhere" }}>
                        {row.error}
                      </Text>
                    ) : null}
                    {row.smtp_response ? (
                      <Text size="xs" c="dimmed" maw={320} style={{ overflowWrap: "anywhere" }}>
                        The server said: <Code>{row.smtp_response}</Code>
                      </Text>
                    ) : null}
                  </Table.Td>
                  <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                    {duration(row.response_time_ms)}
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
      <Older list={list} />
    </div>
  );
}
