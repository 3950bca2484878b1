import { Button, Card, Group, Text, TextInput } from "@mantine/core";
import { IconDownload, IconSearch, IconSitemap } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../../api/queries";
import { Empty, Failed, Loading } from "../../components/States";
import { useExport } from "./actions";
import { FlowTable, matching } from "./FlowTable";
import { plural } from "./wizard";

/** What n8n has at this moment. */
export function LiveTab() {
  const list = useQuery(queries.flows());
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(new Set<string>());
  const take = useExport();
  if (list.isPending) return <Loading />;
  if (list.isError) return <Failed error={list.error} retry={() => void list.refetch()} />;
  const { items, origin } = list.data;
  const shown = matching(items, text);
  const ids = items.filter(({ id }) => chosen.has(id)).map(({ id }) => id);
  return (
    <>
      <Group mb="md" justify="space-between">
        <Group gap="sm">
          <TextInput
            aria-label="Filter workflows"
            placeholder="Name, tag, folder, node"
            leftSection={<IconSearch size={16} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Text size="sm" c="dimmed" role="status">
            {shown.length === items.length
              ? plural(items.length, "workflow")
              : `${shown.length} of ${plural(items.length, "workflow")}`}
            {origin === "api" ? ", as n8n's API tells" : ""}
          </Text>
        </Group>
        <Button
          leftSection={<IconDownload size={16} />}
          variant="light"
          disabled={ids.length === 0}
          loading={take.isPending}
          onClick={() => take.mutate(ids)}
        >
          {ids.length === 0 ? "Export" : `Export ${plural(ids.length, "workflow")}`}
        </Button>
      </Group>
      {shown.length > 0 ? (
        <FlowTable flows={shown} chosen={chosen} choose={setChosen} label="Workflows in n8n" />
      ) : (
        <Card withBorder>
          <Empty
            icon={<IconSitemap size={40} stroke={1.3} />}
            title={items.length === 0 ? "n8n has no workflow" : "No workflow is like that"}
          >
            {items.length === 0 ? "What it had before is in the time machine." : "Change the filter."}
          </Empty>
        </Card>
      )}
    </>
  );
}
