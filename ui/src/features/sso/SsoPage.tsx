import { Alert, Button, Card, Menu, SimpleGrid, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconKey, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { DomainCard } from "./DomainCard";
import { NginxDialog } from "./NginxDialog";
import { type Draft, draftOf, type EXAMPLES, newDraft, ssoQueries, type Tool } from "./queries";
import { ToolCard } from "./ToolCard";
import { ToolDialog } from "./ToolDialog";

/** The tools that one login opens. */
export function SsoPage() {
  const overview = useQuery(ssoQueries.overview());
  const [edited, setEdited] = useState<{ draft: Draft; isNew: boolean }>();
  const [shown, setShown] = useState<Tool>();
  const data = overview.data;
  const begin = (kind: keyof typeof EXAMPLES) => data && setEdited({ draft: newDraft(data, kind), isNew: true });
  const add = (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button leftSection={<IconPlus size={16} />} disabled={!data?.host}>
          Add a tool
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => begin("dozzle")}>Dozzle: logs of containers</Menu.Item>
        <Menu.Item onClick={() => begin("adminer")}>Adminer: the database</Menu.Item>
        <Menu.Item onClick={() => begin("other")}>Another tool</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
  const items = data?.items ?? [];
  return (
    <Page
      title="Single sign-on"
      about="Whoever is signed in here opens the tools beside Flowkeep without another password. nginx asks Flowkeep before it lets anybody through."
      action={items.length > 0 ? add : undefined}
    >
      {overview.isPending ? <Loading /> : null}
      {overview.isError ? <Failed error={overview.error} retry={() => void overview.refetch()} /> : null}
      {data ? (
        <Stack>
          {data.host ? null : (
            <Alert color="orange" icon={<IconAlertTriangle size={18} />} title="Flowkeep does not know its own address">
              <Text size="sm">
                Start it with FLOWKEEP_PUBLIC_URL, as in https://flowkeep.example.com, and this page can be used.
              </Text>
            </Alert>
          )}
          {items.length === 0 ? (
            <Card withBorder>
              <Empty
                icon={<IconKey size={40} stroke={1.3} />}
                title="No tool is behind this login yet"
                action={data.host ? add : undefined}
              >
                Say where a tool is, paste the configuration that you are shown into nginx, and one login opens both.
              </Empty>
            </Card>
          ) : null}
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {items.map((tool) => (
              <ToolCard
                key={tool.slug}
                tool={tool}
                edit={() => setEdited({ draft: draftOf(tool, data), isNew: false })}
                showNginx={() => setShown(tool)}
              />
            ))}
          </SimpleGrid>
          {data.host ? <DomainCard key={data.parent_domain} overview={data} /> : null}
        </Stack>
      ) : null}
      {edited && data ? (
        <ToolDialog
          {...edited}
          overview={data}
          close={(saved) => {
            setEdited(undefined);
            if (saved && edited.isNew) setShown(saved);
          }}
        />
      ) : null}
      {shown ? <NginxDialog tool={shown} close={() => setShown(undefined)} /> : null}
    </Page>
  );
}
