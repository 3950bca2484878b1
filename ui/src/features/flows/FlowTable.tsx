import { Anchor, Badge, Button, Card, Checkbox, Group, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Time } from "../../components/Time";
import { count } from "../../lib/format";

type Flow = Schemas["FlowSummary"];

const STEP = 200;

/** Those that a person means by some words: in name, id, tags, folder, project, nodes and credentials. */
export function matching(flows: Flow[], text: string): Flow[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return flows.filter((flow) => {
    const parts = [flow.name, flow.id, flow.folder, flow.project ?? "", ...flow.tags, ...flow.node_types];
    const all = [...parts, ...flow.credentials.map(({ name }) => name)].join("\n").toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** Workflows to choose from. */
export function FlowTable({
  flows,
  chosen,
  choose,
  label,
}: {
  flows: Flow[];
  chosen: Set<string>;
  choose: (chosen: Set<string>) => void;
  label: string;
}) {
  const [most, setMost] = useState(STEP);
  const shown = flows.slice(0, most);
  const chosenHere = flows.filter(({ id }) => chosen.has(id)).length;
  const set = (ids: string[], isChosen: boolean) => {
    const next = new Set(chosen);
    for (const id of ids) isChosen ? next.add(id) : next.delete(id);
    choose(next);
  };
  return (
    <Card withBorder p={0}>
      <Table.ScrollContainer minWidth={760} scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": label } }}>
        <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th w={48}>
                <Checkbox
                  aria-label="Choose all of them"
                  checked={chosenHere > 0 && chosenHere === flows.length}
                  indeterminate={chosenHere > 0 && chosenHere < flows.length}
                  onChange={(event) =>
                    set(
                      flows.map(({ id }) => id),
                      event.currentTarget.checked,
                    )
                  }
                />
              </Table.Th>
              <Table.Th>Workflow</Table.Th>
              <Table.Th>State</Table.Th>
              <Table.Th>Where</Table.Th>
              <Table.Th ta="right">Nodes</Table.Th>
              <Table.Th>Updated</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {shown.map((flow) => (
              <Table.Tr key={flow.id}>
                <Table.Td>
                  <Checkbox
                    aria-label={`Choose ${flow.name}`}
                    checked={chosen.has(flow.id)}
                    onChange={(event) => set([flow.id], event.currentTarget.checked)}
                  />
                </Table.Td>
                <Table.Td>
                  <Anchor component={Link} to="/flows/$id" params={{ id: flow.id } as never} fw={600}>
                    {flow.name}
                  </Anchor>
                  <Tags tags={flow.tags} />
                </Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    <Badge miw="max-content" variant="light" color={flow.is_active ? "teal" : "gray"}>
                      {flow.is_active ? "Active" : "Inactive"}
                    </Badge>
                    {flow.is_archived ? (
                      <Badge miw="max-content" variant="outline" color="gray">
                        Archived
                      </Badge>
                    ) : null}
                  </Group>
                </Table.Td>
                <Table.Td>
                  <Text size="sm">{flow.folder || "–"}</Text>
                  {flow.project ? (
                    <Text size="xs" c="dimmed">
                      {flow.project}
                    </Text>
                  ) : null}
                </Table.Td>
                <Table.Td ta="right">{count(flow.node_count)}</Table.Td>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  {flow.updated_at ? <Time at={flow.updated_at} /> : "–"}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {flows.length > most ? (
        <Group justify="center" p="sm">
          <Button variant="default" onClick={() => setMost(most + STEP)}>
            More ({count(flows.length - most)} left)
          </Button>
        </Group>
      ) : null}
    </Card>
  );
}

export function Tags({ tags }: { tags: string[] }) {
  if (tags.length === 0) return null;
  return (
    <Group gap={4} mt={4}>
      {tags.map((tag) => (
        <Badge key={tag} miw="max-content" size="sm" variant="default" tt="none">
          {tag}
        </Badge>
      ))}
    </Group>
  );
}
