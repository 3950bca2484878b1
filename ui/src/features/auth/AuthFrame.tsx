import { Center, Paper, Stack, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";
import { Logo } from "../../components/Logo";

export function AuthFrame({ title, about, children }: { title: string; about?: string; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Flowkeep`;
  }, [title]);
  return (
    <Center mih="100vh" p="md" component="main">
      <Stack w="100%" maw={420} gap="lg">
        <Center>
          <Logo size={38} />
        </Center>
        <Paper withBorder radius="lg" p="xl" shadow="sm">
          <Title order={1} size="h3" tabIndex={-1} style={{ outline: "none" }}>
            {title}
          </Title>
          {about ? (
            <Text size="sm" c="dimmed" mt={4} mb="md">
              {about}
            </Text>
          ) : null}
          {children}
        </Paper>
      </Stack>
    </Center>
  );
}
