import { ActionIcon, AppShell, Badge, Burger, Group, Menu, NavLink, Text, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconArrowBackUp,
  IconBell,
  IconBook2,
  IconBox,
  IconCalendarClock,
  IconDatabase,
  IconHistory,
  IconLayoutDashboard,
  IconLogout,
  IconMail,
  IconMoon,
  IconPlugConnected,
  IconServer2,
  IconSettings,
  IconShieldLock,
  IconSitemap,
  IconSun,
  IconSunMoon,
  IconUser,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { api } from "../api/client";
import { useLive } from "../api/live";
import { queries, queryClient } from "../api/queries";
import { Logo } from "../components/Logo";
import { Bell } from "../features/notifications/Bell";
import classes from "./Shell.module.css";

const LINKS = [
  { to: "/", label: "Overview", icon: IconLayoutDashboard },
  { to: "/backups", label: "Backups", icon: IconDatabase },
  { to: "/restores", label: "Restores", icon: IconArrowBackUp },
  { to: "/flows", label: "Workflows", icon: IconSitemap },
  { to: "/schedules", label: "Schedules", icon: IconCalendarClock },
  { to: "/destinations", label: "Destinations", icon: IconServer2 },
  { to: "/n8n", label: "n8n", icon: IconPlugConnected },
  { to: "/containers", label: "Containers", icon: IconBox },
  { to: "/notifications", label: "Notifications", icon: IconBell },
  { to: "/email", label: "E-mail", icon: IconMail },
  { to: "/settings", label: "Settings", icon: IconSettings },
  { to: "/security", label: "Security", icon: IconShieldLock },
  { to: "/audit", label: "Audit log", icon: IconHistory },
] as const;

export function Shell() {
  const [isOpen, { toggle, close }] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  const live = useLive();
  const running = Object.keys(live.backups).length + Object.keys(live.verifications).length;
  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !isOpen } }}
      padding="lg"
    >
      <a href="#main" className={classes.skip}>
        Skip to the content
      </a>
      <AppShell.Header className={classes.header}>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={isOpen} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <Logo />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Health />
            <Bell />
            <ThemeMenu />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" className={classes.navbar} aria-label="Main">
        {LINKS.map(({ to, label, icon: Icon }) => {
          const isActive = to === "/" ? path === "/" : path.startsWith(to);
          return (
            <NavLink
              key={to}
              component={Link}
              to={to}
              label={label}
              leftSection={<Icon size={18} stroke={1.7} aria-hidden />}
              rightSection={
                to === "/backups" && running > 0 ? (
                  <Badge size="sm" variant="filled">
                    {running}
                  </Badge>
                ) : null
              }
              active={isActive}
              aria-current={isActive ? "page" : undefined}
              onClick={close}
              className={classes.link}
            />
          );
        })}
        <NavLink
          component="a"
          href="/api/docs/"
          label="API"
          leftSection={<IconBook2 size={18} stroke={1.7} aria-hidden />}
          className={classes.link}
          mt="auto"
        />
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <div className={classes.content}>
          <Outlet />
        </div>
      </AppShell.Main>
    </AppShell>
  );
}

function Health() {
  const { data } = useQuery(queries.health());
  if (!data || data.status === "ok") return null;
  const down = Object.entries(data.parts).filter(([, part]) => part.status !== "ok");
  return (
    <Badge color="orange" variant="light" title={down.map(([name, part]) => `${name}: ${part.detail}`).join("\n")}>
      {data.status}
    </Badge>
  );
}

function ThemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = { light: IconSun, dark: IconMoon, auto: IconSunMoon }[colorScheme];
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Colours">
          <Icon size={19} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {(["light", "dark", "auto"] as const).map((scheme) => (
          <Menu.Item key={scheme} onClick={() => setColorScheme(scheme)}>
            {{ light: "Light", dark: "Dark", auto: "As the system" }[scheme]}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function UserMenu() {
  const { data } = useQuery(queries.session());
  const navigate = useNavigate();
  const logout = async () => {
    await api.post("/api/auth/logout");
    queryClient.clear();
    await navigate({ to: "/login" });
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Account">
          <IconUser size={19} stroke={1.7} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          <Text size="sm" fw={600}>
            {data?.user.username}
          </Text>
        </Menu.Label>
        <Menu.Item component={Link} to="/security" leftSection={<IconShieldLock size={16} />}>
          Security
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={logout}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
