import { Anchor, Badge, Button, Card, Group, Switch, Table, Text, TextInput, VisuallyHidden } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconArrowBackUp, IconSearch, IconZoomQuestion } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Older } from "../../components/Older";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { count } from "../../lib/format";
import { Tags } from "./FlowTable";
import { RestoreWizard } from "./RestoreWizard";
import { plural } from "./wizard";

/** Every workflow that some backup or archive remembers. */
export function TimeMachineTab() {
  const [text, setText] = useState("");
  const [search] = useDebouncedValue(text, 250);
  const [isDeleted, setDeleted] = useState(false);
  const [restored, setRestored] = useState<Schemas["FlowHit"]>();
  const list = useInfiniteQuery(queries.flowSearch({ q: search.trim() || undefined, deleted: isDeleted || undefined }));
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => box.current?.focus(), []);
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  const pending = list.data?.pages[0]?.pending_backups ?? 0;
  return (
    <>
      <Group mb="md" gap="md">
        <TextInput
          ref={box}
          aria-label="Search every backup"
          placeholder="Name, tag, node, credential"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          style={{ flex: "1 1 240px", maxWidth: 420 }}
        />
        <Switch
          label="Only deleted"
          checked={isDeleted}
          onChange={(event) => setDeleted(event.currentTarget.checked)}
        />
      </Group>
      {pending > 0 ? (
        <Text size="sm" c="dimmed" mb="sm" role="status">
          {plural(pending, "backup")} {pending === 1 ? "is" : "are"} still being looked into; more may be found.
        </Text>
      ) : null}
      {list.isPending ? <Loading /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty
            icon={<IconZoomQuestion size={40} stroke={1.3} />}
            title={search || isDeleted ? "No workflow is like that" : "No backup has workflows yet"}
          >
            {isDeleted && !search
              ? "n8n still has every workflow that the backups remember."
              : search
                ? "Search for another word."
                : "Make a backup of n8n, or upload an archive."}
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? <Hits rows={rows} restore={setRestored} /> : null}
      <Older list={list} />
      {restored ? (
        <RestoreWizard
          source={restored.newest}
          flows={[{ id: restored.id, name: restored.name }]}
          close={() => setRestored(undefined)}
        />
      ) : null}
    </>
  );
}

function Hits({ rows, restore }: { rows: Schemas["FlowHit"][]; restore: (hit: Schemas["FlowHit"]) => void }) {
  return (
    <Card withBorder p={0}>
      <Table.ScrollContainer
        minWidth={860}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Workflows in backups" } }}
      >
        <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Workflow</Table.Th>
              <Table.Th>n8n</Table.Th>
              <Table.Th ta="right">Versions</Table.Th>
              <Table.Th ta="right">Backups</Table.Th>
              <Table.Th>First seen</Table.Th>
              <Table.Th>Last seen</Table.Th>
              <Table.Th>
                <VisuallyHidden>Act</VisuallyHidden>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((hit) => (
              <Table.Tr key={hit.id}>
                <Table.Td>
                  <Anchor component={Link} to="/flows/$id" params={{ id: hit.id } as never} fw={600}>
                    {hit.name}
                  </Anchor>
                  <Text size="xs" c="dimmed">
                    {hit.folder ? `${hit.folder} · ` : ""}
                    {plural(hit.node_count, "node")}
                  </Text>
                  <Tags tags={hit.tags} />
                </Table.Td>
                <Table.Td>
                  <Badge miw="max-content" variant="light" color={hit.is_live ? "teal" : "orange"}>
                    {hit.is_live ? "Has it" : "Deleted"}
                  </Badge>
                </Table.Td>
                <Table.Td ta="right">{count(hit.version_count)}</Table.Td>
                <Table.Td ta="right">{count(hit.place_count)}</Table.Td>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  <Time at={hit.first_seen_at} />
                </Table.Td>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  <Time at={hit.last_seen_at} />
                </Table.Td>
                <Table.Td ta="right">
                  <Button
                    size="xs"
                    variant="light"
                    leftSection={<IconArrowBackUp size={14} />}
                    aria-label={`Restore ${hit.name}`}
                    onClick={() => restore(hit)}
                  >
                    Restore
                  </Button>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}
