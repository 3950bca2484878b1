import { Tabs } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Page } from "../../components/Page";
import { ArchivesTab } from "./ArchivesTab";
import { LiveTab } from "./LiveTab";
import { FlowRestoresTab } from "./RestoresTab";
import { ScrolledTabs } from "./ScrolledTabs";
import { TimeMachineTab } from "./TimeMachineTab";

const TABS = [
  { value: "now", label: "In n8n now", Shown: LiveTab },
  { value: "past", label: "Time machine", Shown: TimeMachineTab },
  { value: "archives", label: "Archives", Shown: ArchivesTab },
  { value: "restores", label: "Restores", Shown: FlowRestoresTab },
] as const;

/** Every workflow, as n8n has it and as backups remember it. */
export function FlowsPage() {
  const search = useSearch({ strict: false }) as { tab?: string };
  const navigate = useNavigate();
  const tab = TABS.find(({ value }) => value === search.tab)?.value ?? "now";
  return (
    <Page
      title="Workflows"
      about="See what n8n has now, find what it had before, and put single workflows back. n8n goes on running."
    >
      <Tabs
        value={tab}
        onChange={(value) =>
          void navigate({ to: "/flows", search: (value === "now" ? {} : { tab: value }) as never, replace: true })
        }
        keepMounted={false}
        activateTabWithKeyboard={false}
      >
        <ScrolledTabs label="Workflows">
          {TABS.map(({ value, label }) => (
            <Tabs.Tab key={value} value={value}>
              {label}
            </Tabs.Tab>
          ))}
        </ScrolledTabs>
        {TABS.map(({ value, Shown }) => (
          <Tabs.Panel key={value} value={value} pt="md">
            <Shown />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
