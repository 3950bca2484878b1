import { Box, Group, Text, Title } from "@mantine/core";
import { type ReactNode, useEffect } from "react";

/** A page's heading, what it is for, and its main action. */
export function Page({
  title,
  about,
  action,
  children,
}: {
  title: string;
  about?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Flowkeep`;
  }, [title]);
  return (
    <Box>
      <Group justify="space-between" align="flex-start" mb="lg" gap="md">
        <div>
          <Title order={1} size="h2" tabIndex={-1} style={{ outline: "none", overflowWrap: "anywhere" }}>
            {title}
          </Title>
          {about ? (
            <Text c="dimmed" size="sm" mt={4} component="div">
              {about}
            </Text>
          ) : null}
        </div>
        {action}
      </Group>
      {children}
    </Box>
  );
}
