import { Tabs } from "@mantine/core";
import { Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { Page } from "../../components/Page";
import { ScrolledTabs } from "../flows/ScrolledTabs";

const TABS = [
  { to: "/notifications/services", label: "Services" },
  { to: "/notifications/rules", label: "Rules" },
  { to: "/notifications/history", label: "History" },
  { to: "/notifications/alerts", label: "Alerts" },
] as const;

/** Who is told what, what was told, and what nobody has answered yet. */
export function NotificationsPage() {
  const path = useRouterState({ select: (state) => state.location.pathname });
  const navigate = useNavigate();
  const tab = TABS.find(({ to }) => path.startsWith(to))?.to ?? TABS[0].to;
  return (
    <Page title="Notifications" about="Services carry messages, rules say what is told to whom.">
      <Tabs
        value={tab}
        onChange={(to) => void navigate({ to: to as (typeof TABS)[number]["to"] })}
        keepMounted={false}
        activateTabWithKeyboard={false}
      >
        <ScrolledTabs label="Notifications">
          {TABS.map(({ to, label }) => (
            <Tabs.Tab key={to} value={to}>
              {label}
            </Tabs.Tab>
          ))}
        </ScrolledTabs>
        {TABS.map(({ to }) => (
          <Tabs.Panel key={to} value={to} pt="md">
            <Outlet />
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
