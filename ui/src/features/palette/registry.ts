/**
 * What the palette knows. A page of the navigation is here by itself (`layouts/navigation.ts`); a feature adds
 *
 * - pages that stand in no navigation to `PAGES`,
 * - what it has many of to `SOURCES`, read when the palette opens,
 * - acts to `actions`. An act that its page asks about is not done from here: its entry leads to that page.
 */
import {
  IconAdjustments,
  IconArchive,
  IconArrowBackUp,
  IconBook2,
  IconBox,
  IconBroadcast,
  IconCalendarClock,
  IconDatabase,
  IconDeviceDesktopDown,
  IconFileText,
  IconHeartbeat,
  IconHistory,
  IconKey,
  IconKeyboard,
  IconListCheck,
  IconLogout,
  IconMail,
  IconMoon,
  IconPlayerPlay,
  IconServer2,
  IconShieldCheck,
  IconSitemap,
  IconSun,
  IconSunMoon,
  IconUrgent,
  type TablerIcon,
} from "@tabler/icons-react";
import type { FetchQueryOptions, QueryKey } from "@tanstack/react-query";
import { isNoN8n, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { openCommand } from "../../layouts/commands";
import { NAVIGATION } from "../../layouts/navigation";
import { backupType, dateTime } from "../../lib/format";
import { offeredInstall } from "../../lib/install";
import { startBackup, startProof } from "../backups/actions";
import { VERB_ICONS, verbsOf, WORDS } from "../containers/parts";
import { containerQueries } from "../containers/queries";
import { emailQueries } from "../email/queries";
import { notificationQueries } from "../notifications/queries";
import { ssoQueries } from "../sso/queries";
import { watchdogQueries } from "../watchdog/queries";
import { KINDS } from "../watchdog/words";

export type Entry = {
  /** Stays the same for as long as the thing is there: by it an entry is remembered. */
  id: string;
  /** What it is, in a word or two. */
  kind: string;
  label: string;
  detail?: string;
  /** What else people call it. */
  words?: string;
  weight?: number;
  icon: TablerIcon;
  /** A path of this page, or something that is done. A path of the server that is no page has `isServed`. */
  does: { to: string; isServed?: boolean } | (() => unknown);
};

const page = (to: string, label: string, icon: TablerIcon, words?: string): Entry => ({
  id: `page:${to}`,
  kind: "Page",
  weight: 4,
  label,
  words,
  icon,
  does: { to },
});

export const PAGES: readonly Entry[] = [
  ...NAVIGATION.map(({ to, label, icon, words }) => page(to, label, icon, words)),
  page("/flows?tab=past", "Workflows: time machine", IconHistory, "flows old versions search every backup deleted"),
  page("/flows?tab=archives", "Workflows: archives", IconArchive, "flows upload"),
  page("/flows?tab=restores", "Workflows: restores", IconArrowBackUp, "flows put back undo"),
  page("/proofs", "Proofs", IconShieldCheck, "verification trial restores"),
  page("/notifications/services", "Notification services", IconBroadcast, "add a service chat phone webhook"),
  page("/notifications/rules", "Notification rules", IconListCheck, "new rule who is told when"),
  page("/notifications/history", "Notification history", IconHistory, "messages sent failed"),
  page("/notifications/alerts", "Alerts", IconUrgent, "acknowledge escalation"),
  { ...page("/api/docs/", "API", IconBook2, "openapi documentation rest"), does: { to: "/api/docs/", isServed: true } },
];

export type Scheme = "light" | "dark" | "auto";

export type Facts = {
  overview: Schemas["Overview"] | undefined;
  /** Chosen, and what comes of it. */
  scheme: Scheme;
  isDark: boolean;
  setScheme: (scheme: Scheme) => void;
  signOut: () => unknown;
};

const act = (id: string, label: string, icon: TablerIcon, does: () => unknown, words?: string): Entry => ({
  id: `act:${id}`,
  kind: "Action",
  weight: 4,
  label,
  words,
  icon,
  does,
});

/** What can be done at this moment. */
export function actions({ overview, scheme, isDark, setScheme, signOut }: Facts): Entry[] {
  const newest = overview?.last_good_backup?.id;
  const install = offeredInstall();
  return [
    ...(overview?.n8n.is_configured
      ? [
          act(
            "backup",
            "Back up now",
            IconPlayerPlay,
            () => startBackup({ backup_type: "postgres_n8n" }),
            "backup run start n8n",
          ),
        ]
      : []),
    act(
      "backup-own",
      "Back up Flowkeep's own database",
      IconPlayerPlay,
      () => startBackup({ backup_type: "postgres_mgmt" }),
      "backup run start",
    ),
    ...(newest === undefined
      ? []
      : [
          {
            ...act(
              "prove",
              "Prove the newest backup",
              IconShieldCheck,
              () => startProof(newest),
              "verify test trial restore",
            ),
            detail: `#${newest}`,
          },
        ]),
    ...(isDark ? [] : [act("dark", "Switch to dark", IconMoon, () => setScheme("dark"), "colours theme night")]),
    ...(isDark ? [act("light", "Switch to light", IconSun, () => setScheme("light"), "colours theme day")] : []),
    ...(scheme === "auto"
      ? []
      : [act("auto", "Colours as the system", IconSunMoon, () => setScheme("auto"), "theme dark light")]),
    act("help", "Keyboard help", IconKeyboard, () => openCommand("help"), "shortcuts keys"),
    ...(install ? [act("install", "Install as an app", IconDeviceDesktopDown, install, "desktop phone home")] : []),
    act("sign-out", "Sign out", IconLogout, signOut, "log out logout leave"),
  ];
}

export type Source = {
  /** For people, many of them: what could not be read is named by it. */
  name: string;
  load: () => Promise<Entry[]>;
};

/** As its page reads it: what is known already is not asked for again for half a minute. */
function source<T, K extends QueryKey>(
  name: string,
  options: FetchQueryOptions<T, Error, T, K>,
  entries: (data: T) => Entry[],
): Source {
  const load = async () => {
    try {
      return entries(await queryClient.fetchQuery({ ...options, staleTime: 30_000 }));
    } catch (error) {
      if (isNoN8n(error)) return [];
      throw error;
    }
  };
  return { name, load };
}

export const SOURCES: readonly Source[] = [
  source("Incidents", watchdogQueries.now(), ({ open }) =>
    open.map(({ id, kind, workflow_name, workflow_id }) => ({
      id: `incident:${id}`,
      kind: "Open incident",
      label: workflow_name,
      detail: KINDS[kind]?.label ?? kind,
      words: `watchdog trouble ${kind} ${workflow_id}`,
      icon: IconHeartbeat,
      does: { to: "/watchdog" },
    })),
  ),
  source("Containers", containerQueries.all(), ({ items }) =>
    items.flatMap(({ name, image, status, is_own }) => {
      const to = `/containers/${encodeURIComponent(name)}`;
      return [
        {
          id: `container:${name}`,
          kind: "Container",
          label: name,
          detail: [status, image].filter(Boolean).join(" · "),
          words: "docker",
          icon: IconBox,
          does: { to },
        },
        {
          id: `container-logs:${name}`,
          kind: "Container",
          label: `Logs of ${name}`,
          icon: IconFileText,
          does: { to: `${to}?tab=logs` },
        },
        // Its page says what that cuts off, and asks.
        ...verbsOf({ status, is_own }).map((verb) => ({
          id: `container-${verb}:${name}`,
          kind: "Action",
          label: `${WORDS[verb].title} ${name}`,
          detail: status,
          words: "docker container",
          icon: VERB_ICONS[verb],
          does: { to: `${to}?ask=${verb}` },
        })),
      ];
    }),
  ),
  source("Tools", ssoQueries.overview(), ({ items }) =>
    items.map(({ slug, name, url, is_enabled }) => ({
      id: `tool:${slug}`,
      kind: "Tool",
      label: name,
      detail: [url, is_enabled ? "" : "off"].filter(Boolean).join(" · "),
      words: `${slug} single sign-on sso`,
      icon: IconKey,
      does: { to: `/single-sign-on#tool-${slug}` },
    })),
  ),
  source("Settings", queries.settings(), ({ items }) =>
    items.map(({ key, title, description }) => ({
      id: `setting:${key}`,
      kind: "Setting",
      label: title,
      detail: description,
      words: key,
      icon: IconAdjustments,
      does: { to: `/settings#setting-${key}` },
    })),
  ),
  source("Workflows", queries.flows(), ({ items }) =>
    items.map(({ id, name, folder, tags, is_archived }) => ({
      id: `flow:${id}`,
      kind: is_archived ? "Archived workflow" : "Workflow",
      label: name,
      detail: [folder, ...tags].filter(Boolean).join(" · "),
      words: id,
      icon: IconSitemap,
      does: { to: `/flows/${encodeURIComponent(id)}` },
    })),
  ),
  {
    name: "Backups",
    load: async () => {
      const { pages } = await queryClient.fetchInfiniteQuery({ ...queries.backups({}), staleTime: 30_000 });
      return pages
        .flatMap(({ items }) => items)
        .map(({ id, backup_type, database_name, started_at, status }) => ({
          id: `backup:${id}`,
          kind: "Backup",
          label: `${backupType(backup_type)} #${id}`,
          detail: [dateTime(started_at), database_name, status === "success" ? "" : status].filter(Boolean).join(" · "),
          words: String(id),
          icon: IconDatabase,
          does: { to: `/backups/${id}` },
        }));
    },
  },
  source("Schedules", queries.schedules(), ({ items }) =>
    items.map(({ id, name, backup_type, enabled }) => ({
      id: `schedule:${id}`,
      kind: "Schedule",
      label: name,
      detail: `${backupType(backup_type)}${enabled ? "" : " · paused"}`,
      icon: IconCalendarClock,
      does: { to: `/schedules#schedule-${id}` },
    })),
  ),
  source("Destinations", queries.destinations(), ({ items }) =>
    items.map(({ id, name, kind, path }) => ({
      id: `destination:${id}`,
      kind: "Destination",
      label: name,
      detail: path,
      words: kind,
      icon: IconServer2,
      does: { to: `/destinations#destination-${id}` },
    })),
  ),
  source("Notification services", notificationQueries.services(), ({ items }) =>
    items.map(({ id, name, service_type }) => ({
      id: `service:${id}`,
      kind: "Notification service",
      label: name,
      detail: service_type,
      icon: IconBroadcast,
      does: { to: `/notifications/services#service-${id}` },
    })),
  ),
  source("Notification rules", notificationQueries.rules(), ({ items }) =>
    items.map(({ id, name, event_type, event_pattern }) => ({
      id: `rule:${id}`,
      kind: "Notification rule",
      label: name,
      detail: event_pattern ?? event_type,
      icon: IconListCheck,
      does: { to: `/notifications/rules#rule-${id}` },
    })),
  ),
  source("E-mail templates", emailQueries.templates(), ({ items }) =>
    items.map(({ key, name, description }) => ({
      id: `template:${key}`,
      kind: "E-mail template",
      label: name,
      detail: description,
      icon: IconMail,
      does: { to: `/email/templates/${encodeURIComponent(key)}` },
    })),
  ),
];
