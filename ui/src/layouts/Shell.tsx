import { ActionIcon, AppShell, Badge, Burger, Group, Menu, NavLink, Text, useMantineColorScheme } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconBook2,
  IconKeyboard,
  IconLogout,
  IconMoon,
  IconShieldLock,
  IconSun,
  IconSunMoon,
  IconUser,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useLive } from "../api/live";
import { queries } from "../api/queries";
import { Logo } from "../components/Logo";
import { tellError } from "../components/notify";
import { signOut } from "../features/auth/signOut";
import { Bell } from "../features/notifications/Bell";
import { Commands } from "./Commands";
import { openCommand } from "./commands";
import { NewerVersion } from "./NewerVersion";
import { NAVIGATION } from "./navigation";
import classes from "./Shell.module.css";

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
            <Commands />
            <Bell />
            <ThemeMenu />
            <UserMenu />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="sm" className={classes.navbar} aria-label="Main">
        {NAVIGATION.map(({ to, label, icon: Icon }) => {
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
          <NewerVersion />
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
  const leave = () => void signOut(() => navigate({ to: "/login" })).catch(tellError);
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
        <Menu.Item leftSection={<IconKeyboard size={16} />} onClick={() => openCommand("help")}>
          Keyboard
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={leave}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
