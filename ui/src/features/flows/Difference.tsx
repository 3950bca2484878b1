import { Alert, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconArrowBackUp, IconCheck, IconDownload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Failed, Loading } from "../../components/States";
import { useExport } from "./actions";
import { Changes, NodeChanges } from "./ChangeList";
import { FateBadge } from "./FateBadge";
import { Graph } from "./Graph";
import { versionInWords, versionLabel } from "./versions";

/** What differs between two versions: drawn, and told. */
export function Difference({
  id,
  from,
  to,
  isOnly,
  restore,
}: {
  id: string;
  from: string;
  to: string;
  /** Whether there is nothing to compare with, so that the one version is only shown. */
  isOnly: boolean;
  restore: (version: string) => void;
}) {
  const found = useQuery(queries.flowDiff(id, from, to));
  const take = useExport(from);
  return (
    <Stack>
      <Card withBorder>
        <Group justify="space-between" align="flex-start" mb="sm">
          <div style={{ flex: "1 1 220px", minWidth: 0 }}>
            <Title order={2} size="h4">
              {isOnly ? "The workflow" : "Difference"}
            </Title>
            <Text size="sm" c="dimmed">
              {isOnly
                ? `${versionLabel(from)}. There is no other version yet.`
                : `From ${versionInWords(from)} to ${versionInWords(to)}`}
            </Text>
          </div>
          <Group gap="xs">
            <Button
              size="xs"
              variant="light"
              leftSection={<IconDownload size={14} />}
              loading={take.isPending}
              title={versionLabel(from)}
              onClick={() => take.mutate([id])}
            >
              Export this version
            </Button>
            {from === "live" ? null : (
              <Button
                size="xs"
                leftSection={<IconArrowBackUp size={14} />}
                title={versionLabel(from)}
                onClick={() => restore(from)}
              >
                Restore this version
              </Button>
            )}
          </Group>
        </Group>
        {found.isPending ? <Loading /> : null}
        {found.isError ? <Failed error={found.error} retry={() => void found.refetch()} /> : null}
        {found.data ? (
          <>
            {found.data.diff.is_same && !isOnly ? (
              <Alert color="teal" icon={<IconCheck size={18} />} mb="sm" title="Nothing differs">
                {from === to
                  ? "It is the same version. Choose another one to compare."
                  : found.data.diff.nodes.some((node) => node.is_moved)
                    ? "Only places on the canvas."
                    : "Both versions do the same."}
              </Alert>
            ) : null}
            <Graph key={`${from} ${to}`} comparison={found.data} />
          </>
        ) : null}
      </Card>
      {found.data && !found.data.diff.is_same ? <Told diff={found.data.diff} /> : null}
      {found.data?.diff.is_static_data_changed ? (
        <Text size="sm" c="dimmed">
          What its nodes remember between runs differs too. It changes by itself.
        </Text>
      ) : null}
    </Stack>
  );
}

function Told({ diff }: { diff: Schemas["FlowDiff"] }) {
  const nodes = diff.nodes.filter((node) => node.fate !== "same");
  const connections = diff.connections.filter((one) => one.fate !== "same");
  return (
    <>
      {nodes.length > 0 ? (
        <Card withBorder>
          <Title order={2} size="h4" mb="xs">
            Nodes
          </Title>
          <Stack gap="lg">
            {nodes.map((node) => (
              <NodeChanges key={`${node.fate} ${node.name}`} node={node} />
            ))}
          </Stack>
        </Card>
      ) : null}
      {connections.length > 0 ? (
        <Card withBorder>
          <Title order={2} size="h4" mb="xs">
            Connections
          </Title>
          <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
            {connections.map((one) => (
              <li key={`${one.fate} ${one.from} ${one.kind} ${one.output} ${one.to} ${one.input}`}>
                <Group gap="xs" wrap="nowrap" align="flex-start">
                  <FateBadge fate={one.fate} />
                  <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                    {one.from}
                    {one.output > 0 ? ` (output ${one.output + 1})` : ""} → {one.to}
                    {one.input > 0 ? ` (input ${one.input + 1})` : ""}
                    {one.kind === "main" ? "" : `, ${one.kind}`}
                  </Text>
                </Group>
              </li>
            ))}
          </Stack>
        </Card>
      ) : null}
      {diff.fields.length > 0 ? (
        <Card withBorder>
          <Title order={2} size="h4" mb="xs">
            Name, settings and the rest
          </Title>
          <Changes changes={diff.fields} />
        </Card>
      ) : null}
    </>
  );
}
