import { Anchor, Badge, Card, Group, Stack, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Failed, Loading } from "../../components/States";
import { emailQueries } from "./queries";

/** What mail says. */
export function TemplatesCard() {
  const templates = useQuery(emailQueries.templates());
  const items = templates.data?.items ?? [];
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Templates
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        What mail says of news in the usual words. Each has a subject, a text with formats, and a plain one. Other news,
        and what a rule says in words of its own, goes out with title and text in the same dress.
      </Text>
      {templates.isPending ? <Loading lines={3} /> : null}
      {templates.isError ? <Failed error={templates.error} retry={() => void templates.refetch()} /> : null}
      <Stack component="ul" p={0} m={0} gap="sm" style={{ listStyle: "none" }}>
        {items.map((template) => (
          <li key={template.key}>
            <Group gap="xs">
              <Anchor component={Link} to={`/email/templates/${template.key}`} fw={550} size="sm">
                {template.name}
              </Anchor>
              {template.is_customized ? (
                <Badge size="sm" variant="light">
                  Changed
                </Badge>
              ) : null}
              {template.enabled ? null : (
                <Badge size="sm" variant="light" color="gray">
                  Not used
                </Badge>
              )}
            </Group>
            <Text size="xs" c="dimmed">
              {template.description}
            </Text>
          </li>
        ))}
      </Stack>
    </Card>
  );
}
