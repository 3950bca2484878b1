import { Accordion, Anchor, Badge, Button, Card, Group, Text } from "@mantine/core";
import { IconArrowBackUp } from "@tabler/icons-react";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { queries } from "../../api/queries";
import { Older } from "../../components/Older";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { RestoreItems } from "./RestoreItems";
import { toPlace, versionLabel } from "./versions";
import { CONFLICTS } from "./wizard";

const STATES: Record<string, { label: string; color: string }> = {
  running: { label: "Running", color: "blue" },
  done: { label: "Done", color: "teal" },
  partly: { label: "Partly done", color: "orange" },
  failed: { label: "Failed", color: "red" },
};

/** Which workflows were put back, and when. */
export function FlowRestoresTab() {
  const list = useInfiniteQuery(queries.flowRestores());
  const [opened, setOpened] = useState<string | null>(null);
  const rows = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      {list.isPending ? <Loading /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && rows.length === 0 ? (
        <Card withBorder>
          <Empty
            icon={<IconArrowBackUp size={40} stroke={1.3} />}
            title="No workflow was put back yet"
            action={
              <Button component={Link} to="/flows" search={{ tab: "past" } as never} variant="light">
                To the time machine
              </Button>
            }
          >
            Find a workflow in the time machine and choose Restore.
          </Empty>
        </Card>
      ) : null}
      {rows.length > 0 ? (
        <Accordion variant="separated" value={opened} onChange={setOpened} order={2}>
          {rows.map((restore) => {
            const state = STATES[restore.status] ?? { label: restore.status, color: "gray" };
            const conflict = CONFLICTS.find(({ value }) => value === restore.on_conflict)?.label ?? restore.on_conflict;
            return (
              <Accordion.Item key={restore.id} value={String(restore.id)}>
                <Accordion.Control>
                  <Group gap="xs">
                    <Text fw={600} span>
                      Restore {restore.id}
                    </Text>
                    <Badge variant="light" color={state.color}>
                      {state.label}
                    </Badge>
                    <Text size="sm" c="dimmed" span>
                      {versionLabel(restore.source)}, <Time at={restore.requested_at} />. If n8n had it: {conflict}
                    </Text>
                  </Group>
                </Accordion.Control>
                <Accordion.Panel>
                  {opened === String(restore.id) ? <Detail id={restore.id} source={restore.source} /> : null}
                </Accordion.Panel>
              </Accordion.Item>
            );
          })}
        </Accordion>
      ) : null}
      <Older list={list} />
    </>
  );
}

function Detail({ id, source }: { id: number; source: string }) {
  const restore = useQuery(queries.flowRestore(id));
  const place = toPlace(source);
  if (restore.isPending) return <Loading lines={2} />;
  if (restore.isError) return <Failed error={restore.error} retry={() => void restore.refetch()} />;
  return (
    <>
      <RestoreItems items={restore.data.items} />
      {place ? (
        <Anchor component={Link} to="/flows/in/$place" params={{ place } as never} size="sm">
          What else is in {versionLabel(source).toLowerCase()}
        </Anchor>
      ) : null}
    </>
  );
}
