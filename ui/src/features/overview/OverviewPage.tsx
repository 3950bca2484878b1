import { Alert, Anchor, Badge, Button, Card, Group, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { IconDatabase, IconPlugConnected, IconServer, IconShieldCheck } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, count, duration } from "../../lib/format";
import { RunMenu, RunningWork } from "../backups/BackupsPage";
import { ProofStatus } from "../backups/status";
import { BoxFacts } from "./Box";
import { Fact, None } from "./Fact";

const HEALTH = { ok: "teal", starting: "blue", down: "red", failed: "red" } as const;

type Overview = Schemas["Overview"];

export function OverviewPage() {
  const overview = useQuery(queries.overview());
  return (
    <Page
      title="Overview"
      about="Whether you could get n8n back today, and how the box is."
      action={overview.data?.n8n.is_configured ? <RunMenu isN8nReady /> : undefined}
    >
      {overview.isPending ? <Loading /> : null}
      {overview.isError ? <Failed error={overview.error} retry={() => void overview.refetch()} /> : null}
      {overview.data ? <Shown overview={overview.data} /> : null}
    </Page>
  );
}

function Shown({ overview }: { overview: Overview }) {
  const health = useQuery(queries.health());
  const { last_good_backup: good, last_proven_backup: proven, totals, n8n } = overview;
  const todo = overview.attention.filter((item) => item.code !== "n8n_not_connected");
  return (
    <Stack>
      {n8n.is_configured ? null : <Welcome />}
      <Notices />
      <RunningWork />
      {todo.map((item) => (
        <Alert
          key={item.code}
          color={item.severity === "error" ? "red" : item.severity === "warning" ? "orange" : "blue"}
        >
          <Group justify="space-between">
            <Text size="sm">{item.message}</Text>
            <Anchor component={Link} to={item.action} size="sm" fw={600}>
              See to it
            </Anchor>
          </Group>
        </Alert>
      ))}
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Fact icon={<IconDatabase size={20} />} color="keep" title="Last good backup of n8n">
          {good ? (
            <>
              <Text size="xl" fw={650}>
                <Anchor component={Link} to="/backups/$id" params={{ id: String(good.id) } as never} inherit>
                  <Time at={good.completed_at} />
                </Anchor>
              </Text>
              <Text size="sm" c="dimmed">
                {bytes(good.compressed_size)} · {count(good.row_count)} rows in {count(good.table_count)} tables · took{" "}
                {duration(good.duration_ms)}
              </Text>
              <Group mt="xs">
                <ProofStatus status={good.verification_status} />
              </Group>
            </>
          ) : (
            <None>There is none yet.</None>
          )}
        </Fact>
        <Fact icon={<IconShieldCheck size={20} />} color="teal" title="Last proven restore">
          {proven ? (
            <>
              <Text size="xl" fw={650}>
                <Anchor component={Link} to="/backups/$id" params={{ id: String(proven.id) } as never} inherit>
                  <Time at={proven.verification_date} />
                </Anchor>
              </Text>
              <Text size="sm" c="dimmed">
                Backup #{proven.id} was restored and held exactly its {count(proven.row_count)} rows.
              </Text>
            </>
          ) : (
            <None>No backup was restored on trial yet.</None>
          )}
        </Fact>
        <Fact icon={<IconServer size={20} />} color="gray" title="Storage">
          <Text size="xl" fw={650}>
            {bytes(totals.stored_bytes)}
          </Text>
          <Text size="sm" c="dimmed">
            in {count(totals.backups)} {totals.backups === 1 ? "backup" : "backups"} · {bytes(totals.free_bytes)} free
          </Text>
        </Fact>
        <BoxFacts />
        <Fact icon={<IconPlugConnected size={20} />} color="gray" title="Health">
          <Stack gap={6}>
            {Object.entries(health.data?.parts ?? {}).map(([name, part]) => (
              <Group key={name} gap="xs" wrap="nowrap">
                <Badge size="sm" variant="light" color={HEALTH[part.status]} style={{ flexShrink: 0 }}>
                  {part.status}
                </Badge>
                <Text size="sm">
                  {name.replaceAll("_", " ")}{" "}
                  <Text span c="dimmed">
                    {part.detail}
                  </Text>
                </Text>
              </Group>
            ))}
          </Stack>
        </Fact>
      </SimpleGrid>
    </Stack>
  );
}

/** What the owner should know; said by the daemon, for this very connection. */
function Notices() {
  const about = useQuery(queries.about());
  return (about.data?.notices ?? [])
    .filter((notice) => notice.code !== "part_down")
    .map((notice) => (
      <Alert key={notice.code + notice.message} color={notice.severity === "warning" ? "orange" : "gray"}>
        <Text size="sm">
          {notice.message}{" "}
          <Text span c="dimmed">
            {notice.remedy}
          </Text>
        </Text>
      </Alert>
    ));
}

function Welcome() {
  return (
    <Card withBorder p="xl">
      <Title order={2} size="h3">
        Begin with your n8n
      </Title>
      <Text c="dimmed" mt={4} mb="md" maw={560}>
        Flowkeep dumps n8n's database, restores each dump into a throwaway server, and counts every row. Give it the
        address of n8n's PostgreSQL, or try it on a sample first.
      </Text>
      <Group>
        <Button component={Link} to="/n8n" leftSection={<IconPlugConnected size={16} />}>
          Connect n8n
        </Button>
        <Button component={Link} to="/n8n" variant="default">
          Use the sample
        </Button>
      </Group>
    </Card>
  );
}
