import { Alert, Button, Center, Loader, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { Link, useRouter } from "@tanstack/react-router";
import { type ReactNode, useEffect } from "react";
import { ApiError } from "../api/client";

export function Empty({
  icon,
  title,
  children,
  action,
}: {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Stack align="center" gap="xs" py={56} px="md" ta="center">
      <Text c="dimmed" component="div" aria-hidden>
        {icon}
      </Text>
      <Text fw={600}>{title}</Text>
      {children ? (
        <Text c="dimmed" size="sm" maw={440}>
          {children}
        </Text>
      ) : null}
      {action}
    </Stack>
  );
}

export function Failed({ error, retry }: { error: unknown; retry?: () => void }) {
  const message = error instanceof Error ? error.message : "Something went wrong.";
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title="This could not be loaded" role="alert">
      <Text size="sm">{message}</Text>
      {retry ? (
        <Button size="xs" variant="light" color="red" mt="sm" onClick={retry}>
          Try again
        </Button>
      ) : null}
    </Alert>
  );
}

export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <Stack gap="sm" role="status" aria-busy="true" aria-label="Loading">
      {Array.from({ length: lines }, (_, line) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the lines are all alike and never move
        <Skeleton key={line} height={44} radius="md" />
      ))}
    </Stack>
  );
}

export function Starting() {
  return (
    <Center mih="60vh">
      <Stack align="center" gap="sm" role="status">
        <Loader />
        <Text c="dimmed">Loading…</Text>
      </Stack>
    </Center>
  );
}

export function NotFound() {
  return (
    <Center mih="60vh">
      <Stack align="center">
        <Title order={1} size="h2">
          There is no such page
        </Title>
        <Button component={Link} to="/">
          To the overview
        </Button>
      </Stack>
    </Center>
  );
}

/** While Flowkeep starts, asks again every two seconds; other errors are shown. */
export function RouteError({ error }: { error: unknown }) {
  const router = useRouter();
  const isStarting = error instanceof ApiError && (error.status === 503 || error.status === 0);
  useEffect(() => {
    if (!isStarting) return;
    const timer = setInterval(() => void router.invalidate(), 2_000);
    return () => clearInterval(timer);
  }, [isStarting, router]);
  if (!isStarting) {
    return (
      <Center mih="60vh" p="md">
        <Failed error={error} retry={() => void router.invalidate()} />
      </Center>
    );
  }
  return (
    <Center mih="60vh" p="md">
      <Stack align="center" gap="sm" role="status">
        <Loader />
        <Title order={1} size="h3">
          Flowkeep is starting
        </Title>
        <Text c="dimmed" size="sm" ta="center">
          {error instanceof Error ? error.message : ""} This page goes on by itself.
        </Text>
      </Stack>
    </Center>
  );
}
