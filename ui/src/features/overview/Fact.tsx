import { Card, Group, Text, ThemeIcon, Title } from "@mantine/core";
import type { ReactNode } from "react";

/** One thing that the overview tells. */
export function Fact({
  icon,
  color,
  title,
  children,
}: {
  icon: ReactNode;
  color: string;
  title: string;
  children: ReactNode;
}) {
  return (
    <Card withBorder>
      <Group gap="sm" mb="xs">
        <ThemeIcon variant="light" color={color} size="lg" aria-hidden>
          {icon}
        </ThemeIcon>
        <Title order={2} size="sm" c="dimmed" fw={600}>
          {title}
        </Title>
      </Group>
      {children}
    </Card>
  );
}

/** Where there is nothing to tell yet. */
export function None({ children }: { children: ReactNode }) {
  return (
    <Text c="dimmed" size="sm">
      {children}
    </Text>
  );
}
