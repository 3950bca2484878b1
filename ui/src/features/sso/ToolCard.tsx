import { Alert, Anchor, Badge, Button, Card, Group, List, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Time } from "../../components/Time";
import { refresh, rightsInWords, type Tool } from "./queries";

const WHY: Record<string, string> = {
  allowed: "You would be let through.",
  step_up_required: "You would be asked for a code of your authenticator app first.",
  switched_off: "Nobody is let through: the tool is switched off here.",
  out_of_reach: "You would be sent to the login again and again.",
};

/** One tool: where it is, who gets in, and what nginx would be told. */
export function ToolCard({ tool, edit, showNginx }: { tool: Tool; edit: () => void; showNginx: () => void }) {
  const [isRemoving, setRemoving] = useState(false);
  const anchor = useAnchor<HTMLHeadingElement>(`tool-${tool.slug}`);
  const path = `/api/auth/sso/services/${encodeURIComponent(tool.slug)}`;
  const trial = useMutation({ mutationFn: () => api.get<Schemas["SsoTrial"]>(`${path}/check`), onError: tellError });
  const remove = useMutation({
    mutationFn: () => api.remove(path),
    onSuccess: () => {
      tell(`${tool.name} is behind this login no longer.`);
      void refresh();
    },
    onError: tellError,
  });
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start" wrap="nowrap" gap="xs">
        <div style={{ minWidth: 0 }}>
          <Title order={2} size="h4" style={{ overflowWrap: "anywhere" }} {...anchor}>
            {tool.name}
          </Title>
          {tool.url ? (
            <Anchor
              href={tool.url}
              size="sm"
              style={{ overflowWrap: "anywhere" }}
              target="_blank"
              rel="noopener noreferrer"
            >
              {tool.url}
            </Anchor>
          ) : null}
        </div>
        <Badge color={tool.is_enabled ? "keep" : "gray"} variant="light" style={{ flexShrink: 0 }}>
          {tool.is_enabled ? "on" : "off"}
        </Badge>
      </Group>
      <Stack gap={6} mt="sm">
        {tool.trouble ? (
          <Alert color="orange" title="No login reaches it">
            {tool.trouble}
          </Alert>
        ) : null}
        <Text size="sm">
          {tool.requires_step_up
            ? `Asks for a code of the authenticator app, good for ${tool.step_up_minutes} minutes.`
            : "Opens for whoever is signed in here."}
          {tool.stepped_up_until ? (
            <>
              {" "}
              Yours is good: <Time at={tool.stepped_up_until} />.
            </>
          ) : null}
        </Text>
        <Text size="sm">In Dozzle: {rightsInWords(tool)}.</Text>
        <Text size="xs" c="dimmed">
          Since Flowkeep started: {tool.allowed} let through, {tool.refused} turned away. In nginx it is called{" "}
          {tool.slug}.
        </Text>
      </Stack>
      {trial.data ? (
        <Alert color={trial.data.status === 200 ? "keep" : "orange"} mt="sm" role="status">
          <Text size="sm">
            nginx would be told {trial.data.status}. {WHY[trial.data.why] ?? trial.data.why}
          </Text>
          {trial.data.headers.length > 0 ? (
            <List size="xs" mt={4} listStyleType="none">
              {trial.data.headers.map(({ name, value }) => (
                <List.Item key={name} style={{ overflowWrap: "anywhere" }}>
                  {name}: {value}
                </List.Item>
              ))}
            </List>
          ) : null}
        </Alert>
      ) : null}
      <Group mt="md" gap="xs">
        <Button size="xs" onClick={showNginx} aria-label={`Show nginx configuration of ${tool.name}`}>
          nginx configuration
        </Button>
        <Button
          size="xs"
          variant="default"
          loading={trial.isPending}
          onClick={() => trial.mutate()}
          aria-label={`Test ${tool.name}`}
        >
          Test
        </Button>
        <Button size="xs" variant="default" onClick={edit} aria-label={`Edit ${tool.name}`}>
          Edit
        </Button>
        <Button
          size="xs"
          variant="subtle"
          color="red"
          onClick={() => setRemoving(true)}
          aria-label={`Remove ${tool.name}`}
        >
          Remove
        </Button>
      </Group>
      <Confirm
        title={`Remove ${tool.name}?`}
        act="Remove"
        keep="Keep it"
        color="red"
        isOpen={isRemoving}
        isPending={remove.isPending}
        close={() => setRemoving(false)}
        go={() => remove.mutate()}
      >
        From that moment nginx is told to let nobody through to it. Take its part out of nginx' configuration too, or
        people see a page that says so.
      </Confirm>
    </Card>
  );
}
