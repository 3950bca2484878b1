import { Alert, Anchor, Button, Card, Group, Table, Tabs, Text, TextInput } from "@mantine/core";
import { IconArrowBackUp, IconDownload, IconPackageOff, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading, NotFound } from "../../components/States";
import { Time } from "../../components/Time";
import { useExport } from "./actions";
import { FlowTable, matching } from "./FlowTable";
import { RestoreWizard } from "./RestoreWizard";
import { ScrolledTabs } from "./ScrolledTabs";
import { fromPlace } from "./versions";
import { plural } from "./wizard";

/** What is in a backup or an uploaded archive. */
export function PlacePage() {
  const { place } = useParams({ strict: false }) as { place: string };
  const source = fromPlace(place);
  return source ? <Shown key={source} source={source} /> : <NotFound />;
}

function Shown({ source }: { source: string }) {
  const [kind = "", id = ""] = source.split(":");
  const contents = useQuery(queries.flowContents(source));
  const archives = useQuery({ ...queries.flowArchives(), enabled: kind === "archive" });
  const name = archives.data?.items.find((archive) => String(archive.id) === id)?.name;
  const { data } = contents;
  return (
    <Page
      title={name ? `Workflows in ${name}` : `Workflows in ${kind} ${id}`}
      about={
        data ? (
          <>
            {data.n8n_version ? `n8n ${data.n8n_version}, ` : ""}
            <Time at={data.taken_at} />.{" "}
            {kind === "backup" ? (
              <Anchor component={Link} to="/backups/$id" params={{ id } as never} inherit underline="always">
                To the backup
              </Anchor>
            ) : (
              <Anchor component={Link} to="/flows" search={{ tab: "archives" } as never} inherit underline="always">
                To the archives
              </Anchor>
            )}
          </>
        ) : undefined
      }
    >
      {contents.isPending ? <Loading lines={6} /> : null}
      {contents.isError ? <Failed error={contents.error} retry={() => void contents.refetch()} /> : null}
      {data ? <Contents source={source} contents={data} /> : null}
    </Page>
  );
}

function Contents({ source, contents }: { source: string; contents: Schemas["FlowContents"] }) {
  const { items, credentials, variables, tags, projects, unreadable } = contents;
  return (
    <>
      {unreadable.length > 0 ? (
        <Alert color="orange" mb="md" title={`${plural(unreadable.length, "workflow")} cannot be read by any n8n`}>
          {unreadable.join(", ")}
        </Alert>
      ) : null}
      <Tabs defaultValue="workflows" keepMounted={false}>
        <ScrolledTabs label="What is in it">
          <Tabs.Tab value="workflows">Workflows ({items.length})</Tabs.Tab>
          <Tabs.Tab value="credentials">Credentials ({credentials.length})</Tabs.Tab>
          <Tabs.Tab value="variables">Variables ({variables.length})</Tabs.Tab>
          <Tabs.Tab value="tags">Tags ({tags.length})</Tabs.Tab>
          <Tabs.Tab value="projects">Projects ({projects.length})</Tabs.Tab>
        </ScrolledTabs>
        <Tabs.Panel value="workflows" pt="md">
          <Workflows source={source} items={items} />
        </Tabs.Panel>
        <Tabs.Panel value="credentials" pt="md">
          <Rows
            label="Credentials"
            heads={["Credential", "Type"]}
            rows={credentials.map(({ id, name, type }) => ({ key: id, cells: [name, type] }))}
          />
        </Tabs.Panel>
        <Tabs.Panel value="variables" pt="md">
          <Rows
            label="Variables"
            heads={["Variable"]}
            note="Names alone; values are not shown."
            rows={variables.map((name) => ({ key: name, cells: [name] }))}
          />
        </Tabs.Panel>
        <Tabs.Panel value="tags" pt="md">
          <Rows label="Tags" heads={["Tag"]} rows={tags.map((name) => ({ key: name, cells: [name] }))} />
        </Tabs.Panel>
        <Tabs.Panel value="projects" pt="md">
          <Rows
            label="Projects"
            heads={["Project", "Type"]}
            rows={projects.map(({ id, name, type }) => ({ key: id, cells: [name, type] }))}
          />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

function Workflows({ source, items }: { source: string; items: Schemas["FlowSummary"][] }) {
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(new Set<string>());
  const [isRestoring, setRestoring] = useState(false);
  const take = useExport(source);
  const shown = matching(items, text);
  const flows = items.filter(({ id }) => chosen.has(id));
  const many = flows.length === 0 ? "" : ` ${plural(flows.length, "workflow")}`;
  if (items.length === 0) return <Nothing title="There is no workflow in it" />;
  return (
    <>
      <Group mb="md" justify="space-between">
        <TextInput
          aria-label="Filter workflows"
          placeholder="Name, tag, folder, node"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Group gap="xs">
          <Button
            variant="light"
            leftSection={<IconDownload size={16} />}
            disabled={flows.length === 0}
            loading={take.isPending}
            onClick={() => take.mutate(flows.map(({ id }) => id))}
          >
            Export{many}
          </Button>
          <Button
            leftSection={<IconArrowBackUp size={16} />}
            disabled={flows.length === 0}
            onClick={() => setRestoring(true)}
          >
            Restore{many}
          </Button>
        </Group>
      </Group>
      {shown.length > 0 ? (
        <FlowTable flows={shown} chosen={chosen} choose={setChosen} label="Workflows in it" />
      ) : (
        <Nothing title="No workflow is like that" />
      )}
      {isRestoring ? <RestoreWizard source={source} flows={flows} close={() => setRestoring(false)} /> : null}
    </>
  );
}

function Nothing({ title }: { title: string }) {
  return (
    <Card withBorder>
      <Empty icon={<IconPackageOff size={40} stroke={1.3} />} title={title} />
    </Card>
  );
}

function Rows({
  label,
  heads,
  rows,
  note,
}: {
  label: string;
  heads: string[];
  rows: { key: string; cells: string[] }[];
  note?: string;
}) {
  if (rows.length === 0) return <Nothing title={`There are no ${label.toLowerCase()} in it`} />;
  return (
    <Card withBorder p={0}>
      {note ? (
        <Text size="sm" c="dimmed" px="md" pt="sm">
          {note}
        </Text>
      ) : null}
      <Table verticalSpacing="sm" horizontalSpacing="md" aria-label={label}>
        <Table.Thead>
          <Table.Tr>
            {heads.map((head) => (
              <Table.Th key={head}>{head}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map(({ key, cells }) => (
            <Table.Tr key={key}>
              {cells.map((cell, at) => (
                <Table.Td key={heads[at]} style={{ overflowWrap: "anywhere" }}>
                  {cell}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Card>
  );
}
