import { Alert, Anchor, Badge, Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Schemas } from "../../api/client";
import { Time } from "../../components/Time";
import { useUndo } from "./actions";
import { ACTIONS, undoText, WAYS } from "./wizard";

type Item = Schemas["FlowRestoreItem"];

/** What became of each workflow of a restore. */
export function RestoreItems({ items }: { items: Item[] }) {
  if (items.length === 0)
    return (
      <Text size="sm" c="dimmed">
        It has no workflows.
      </Text>
    );
  return (
    <Stack gap="sm" component="ul" p={0} m={0} mb="sm" style={{ listStyle: "none" }}>
      {items.map((item) => (
        <One key={item.id} item={item} />
      ))}
    </Stack>
  );
}

function outcome(item: Item): { label: string; color: string } {
  if (item.undone_at) return { label: "Undone", color: "gray" };
  if (item.status === "failed") return { label: "Failed", color: "red" };
  if (item.status === "pending") return { label: "Waits", color: "gray" };
  if (item.status === "running") return { label: "Running", color: "blue" };
  const action = ACTIONS[item.action];
  return action ? { label: action.past, color: action.color } : { label: item.status, color: "gray" };
}

function One({ item }: { item: Item }) {
  const [isAsking, setAsking] = useState(false);
  const undo = useUndo(() => setAsking(false));
  const { label, color } = outcome(item);
  return (
    <li style={{ borderTop: "1px solid var(--mantine-color-default-border)", paddingTop: 8 }}>
      <Group justify="space-between" align="flex-start">
        <div style={{ flex: "1 1 240px", minWidth: 0 }}>
          <Group gap="xs">
            <Anchor
              component={Link}
              to="/flows/$id"
              params={{ id: item.target_id ?? item.workflow_id } as never}
              fw={600}
            >
              {item.name}
            </Anchor>
            <Badge variant="light" color={color}>
              {label}
            </Badge>
          </Group>
          {item.way && item.status === "done" ? (
            <Text size="sm" c="dimmed">
              Put {WAYS[item.way] ?? item.way}, inactive.
            </Text>
          ) : null}
          {item.message ? (
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {item.message}
            </Text>
          ) : null}
          {item.undone_at ? (
            <Text size="sm" c="dimmed">
              Undone <Time at={item.undone_at} />.
            </Text>
          ) : null}
        </div>
        {item.can_undo && !isAsking ? (
          <Button
            size="xs"
            variant="light"
            aria-label={`Undo for ${item.name}`}
            onClick={() => {
              undo.reset();
              setAsking(true);
            }}
          >
            Undo
          </Button>
        ) : null}
      </Group>
      {isAsking ? (
        <Alert color="orange" mt="xs" title={`Undo it for ${item.name}?`}>
          <Text size="sm">{undoText(item.action)}</Text>
          {undo.error ? (
            <Text size="sm" c="red" fw={600} mt="xs" role="alert">
              {undo.error.message}
            </Text>
          ) : null}
          <Group gap="xs" mt="sm">
            <Button size="xs" loading={undo.isPending} onClick={() => undo.mutate(item.id)}>
              Undo it
            </Button>
            <Button size="xs" variant="default" onClick={() => setAsking(false)}>
              Leave it
            </Button>
          </Group>
        </Alert>
      ) : null}
    </li>
  );
}
