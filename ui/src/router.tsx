import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router";
import { ApiError, installHandlers } from "./api/client";
import { queries, queryClient } from "./api/queries";
import { NotFound, RouteError, Starting } from "./components/States";
import { requestReauthentication } from "./features/auth/reauthenticate";
import { Root } from "./layouts/Root";
import { Shell } from "./layouts/Shell";

const root = createRootRoute({ component: Root, notFoundComponent: NotFound, errorComponent: RouteError });

const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./features/auth/SetupPage"), "SetupPage"),
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (search: Record<string, unknown>): { back?: string; return?: string } => {
    const back = search.back;
    // A number under which the server keeps where somebody came from; never an address.
    if (typeof search.return === "string" && /^[0-9a-f]{64}$/.test(search.return)) return { return: search.return };
    // Only our own paths: never another site.
    return typeof back === "string" && /^\/(?![/\\])/.test(back) ? { back } : {};
  },
  component: lazyRouteComponent(() => import("./features/auth/LoginPage"), "LoginPage"),
});

const acknowledge = createRoute({
  getParentRoute: () => root,
  path: "/acknowledge",
  component: lazyRouteComponent(() => import("./features/notifications/AcknowledgePage"), "AcknowledgePage"),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: "shell",
  component: Shell,
  errorComponent: RouteError,
  pendingComponent: Starting,
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(queries.session());
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        const health = await queryClient.fetchQuery(queries.health());
        if (health.setup_required) throw redirect({ to: "/setup" });
        throw redirect({ to: "/login", search: location.pathname === "/" ? {} : { back: location.href } });
      }
      throw error;
    }
  },
});

const notifications = createRoute({
  getParentRoute: () => shell,
  path: "/notifications",
  component: lazyRouteComponent(() => import("./features/notifications/NotificationsPage"), "NotificationsPage"),
});

const notificationTabs = [
  createRoute({
    getParentRoute: () => notifications,
    path: "/",
    beforeLoad: () => {
      throw redirect({ to: "/notifications/services", replace: true });
    },
  }),
  createRoute({
    getParentRoute: () => notifications,
    path: "/services",
    component: lazyRouteComponent(() => import("./features/notifications/ServicesTab"), "ServicesTab"),
  }),
  createRoute({
    getParentRoute: () => notifications,
    path: "/rules",
    component: lazyRouteComponent(() => import("./features/notifications/RulesTab"), "RulesTab"),
  }),
  createRoute({
    getParentRoute: () => notifications,
    path: "/history",
    validateSearch: (search: Record<string, unknown>): { message?: number } => {
      const message = Number(search.message);
      return Number.isInteger(message) && message > 0 ? { message } : {};
    },
    component: lazyRouteComponent(() => import("./features/notifications/HistoryTab"), "HistoryTab"),
  }),
  createRoute({
    getParentRoute: () => notifications,
    path: "/alerts",
    component: lazyRouteComponent(() => import("./features/notifications/AlertsTab"), "AlertsTab"),
  }),
];

const pages = [
  notifications.addChildren(notificationTabs),
  createRoute({
    getParentRoute: () => shell,
    path: "/",
    component: lazyRouteComponent(() => import("./features/overview/OverviewPage"), "OverviewPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/backups",
    component: lazyRouteComponent(() => import("./features/backups/BackupsPage"), "BackupsPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/backups/$id",
    component: lazyRouteComponent(() => import("./features/backups/BackupPage"), "BackupPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/proofs",
    component: lazyRouteComponent(() => import("./features/backups/ProofsPage"), "ProofsPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/destinations",
    component: lazyRouteComponent(() => import("./features/backups/DestinationsPage"), "DestinationsPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/restores",
    component: lazyRouteComponent(() => import("./features/restores/RestoresPage"), "RestoresPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/flows",
    component: lazyRouteComponent(() => import("./features/flows/FlowsPage"), "FlowsPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/flows/$id",
    component: lazyRouteComponent(() => import("./features/flows/FlowPage"), "FlowPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/flows/in/$place",
    component: lazyRouteComponent(() => import("./features/flows/PlacePage"), "PlacePage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/schedules",
    component: lazyRouteComponent(() => import("./features/schedules/SchedulesPage"), "SchedulesPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/watchdog",
    component: lazyRouteComponent(() => import("./features/watchdog/WatchdogPage"), "WatchdogPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/host",
    component: lazyRouteComponent(() => import("./features/host/HostPage"), "HostPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/n8n",
    component: lazyRouteComponent(() => import("./features/n8n/N8nPage"), "N8nPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/containers",
    validateSearch: (search: Record<string, unknown>): { logs?: string } =>
      typeof search.logs === "string" ? { logs: search.logs } : {},
    component: lazyRouteComponent(() => import("./features/containers/ContainersPage"), "ContainersPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/containers/$name",
    validateSearch: (search: Record<string, unknown>): { tab?: string; search?: string; ask?: string } => ({
      ...(typeof search.tab === "string" ? { tab: search.tab } : {}),
      ...(typeof search.search === "string" ? { search: search.search } : {}),
      ...(typeof search.ask === "string" ? { ask: search.ask } : {}),
    }),
    component: lazyRouteComponent(() => import("./features/containers/ContainerPage"), "ContainerPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/email",
    component: lazyRouteComponent(() => import("./features/email/EmailPage"), "EmailPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/email/templates/$key",
    component: lazyRouteComponent(() => import("./features/email/TemplatePage"), "TemplatePage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/settings",
    component: lazyRouteComponent(() => import("./features/settings/SettingsPage"), "SettingsPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/security",
    component: lazyRouteComponent(() => import("./features/security/SecurityPage"), "SecurityPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/single-sign-on",
    component: lazyRouteComponent(() => import("./features/sso/SsoPage"), "SsoPage"),
  }),
  createRoute({
    getParentRoute: () => shell,
    path: "/audit",
    component: lazyRouteComponent(() => import("./features/audit/AuditPage"), "AuditPage"),
  }),
];

export const router = createRouter({
  routeTree: root.addChildren([setup, login, acknowledge, shell.addChildren(pages)]),
  defaultPreload: "intent",
  scrollRestoration: true,
});

installHandlers({
  reauthenticate: requestReauthentication,
  signedOut: () => {
    const { pathname, href } = router.state.location;
    if (!["/login", "/setup", "/acknowledge"].includes(pathname)) {
      queryClient.clear();
      void router.navigate({ to: "/login", search: { back: href } });
    }
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
