/**
 * The pages that stand in the navigation. What is added here is found by the palette too, and with a letter of its
 * own also by the keyboard.
 */
import {
  IconArrowBackUp,
  IconBell,
  IconBox,
  IconCalendarClock,
  IconCpu,
  IconDatabase,
  IconHeartbeat,
  IconHistory,
  IconKey,
  IconLayoutDashboard,
  IconMail,
  IconPlugConnected,
  IconServer2,
  IconSettings,
  IconShieldLock,
  IconSitemap,
  type TablerIcon,
} from "@tabler/icons-react";

export type NavigationItem = {
  to: string;
  label: string;
  icon: TablerIcon;
  /** What goes there after `g`. */
  letter?: string;
  /** What else people call what is there. */
  words?: string;
};

export const NAVIGATION = [
  { to: "/", label: "Overview", icon: IconLayoutDashboard, letter: "o", words: "home start dashboard" },
  { to: "/backups", label: "Backups", icon: IconDatabase, letter: "b", words: "dump download timeline" },
  { to: "/restores", label: "Restores", icon: IconArrowBackUp, letter: "r", words: "undo swap take over" },
  { to: "/flows", label: "Workflows", icon: IconSitemap, letter: "w", words: "flows n8n export" },
  {
    to: "/schedules",
    label: "Schedules",
    icon: IconCalendarClock,
    letter: "s",
    words: "new schedule cron retention keep days",
  },
  {
    to: "/destinations",
    label: "Destinations",
    icon: IconServer2,
    letter: "d",
    words: "add a destination copies s3 bucket sftp folder nas",
  },
  { to: "/containers", label: "Containers", icon: IconBox, letter: "c", words: "docker logs restart images" },
  {
    to: "/watchdog",
    label: "Watchdog",
    icon: IconHeartbeat,
    letter: "f",
    words: "failing stuck missed executions prune",
  },
  { to: "/host", label: "Host", icon: IconCpu, letter: "h", words: "system cpu memory disk network metrics" },
  { to: "/n8n", label: "n8n", icon: IconPlugConnected, letter: "n", words: "connect connection api key" },
  { to: "/notifications", label: "Notifications", icon: IconBell, letter: "t", words: "tell messages" },
  { to: "/email", label: "E-mail", icon: IconMail, letter: "e", words: "email mail smtp provider templates" },
  { to: "/settings", label: "Settings", icon: IconSettings, letter: ",", words: "preferences configuration options" },
  {
    to: "/security",
    label: "Security",
    icon: IconShieldLock,
    letter: "k",
    words: "password two-step totp sessions networks",
  },
  {
    to: "/single-sign-on",
    label: "Single sign-on",
    icon: IconKey,
    letter: "i",
    words: "sso nginx adminer dozzle login",
  },
  { to: "/audit", label: "Audit log", icon: IconHistory, letter: "a", words: "who did what" },
] as const satisfies readonly NavigationItem[];
