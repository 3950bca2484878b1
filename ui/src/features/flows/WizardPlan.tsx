import { Alert, Badge, Group, Stack, Text } from "@mantine/core";
import { IconAlertTriangle, IconInfoCircle } from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import { ACTIONS, changesText, WAYS } from "./wizard";

type Planned = Schemas["PlannedFlow"];

/** What a restore would do, workflow by workflow. */
export function WizardPlan({ plan }: { plan: Schemas["FlowRestorePreview"] }) {
  return (
    <>
      {plan.notes.length > 0 ? (
        <Alert color={plan.notes.some((note) => note.is_warning) ? "orange" : "gray"} title="For all of them">
          <Notes notes={plan.notes} />
        </Alert>
      ) : null}
      <Stack gap="sm" component="ul" p={0} m={0} style={{ listStyle: "none" }}>
        {plan.items.map((item) => (
          <One key={item.workflow_id} item={item} />
        ))}
      </Stack>
    </>
  );
}

const STATIC_DATA: Record<Planned["static_data"], string> = {
  keep: "stays as n8n has it",
  restore: "comes back",
  clear: "is cleared",
};

function One({ item }: { item: Planned }) {
  const action = ACTIONS[item.action] ?? { plan: item.action, color: "gray" };
  const isWritten = ["create", "overwrite", "rename"].includes(item.action);
  return (
    <li style={{ borderTop: "1px solid var(--mantine-color-default-border)", paddingTop: 8 }}>
      <Group gap="xs">
        <Text fw={600} style={{ overflowWrap: "anywhere" }}>
          {item.name}
        </Text>
        <Badge variant="light" color={action.color}>
          {action.plan}
        </Badge>
        {item.is_active_now ? (
          <Badge variant="outline" color="orange">
            Active in n8n now
          </Badge>
        ) : null}
      </Group>
      {isWritten ? (
        <Text size="sm" c="dimmed">
          {item.way ? `Put ${WAYS[item.way] ?? item.way}` : "Put into n8n"}
          {item.new_name === item.name ? "" : `, with the name “${item.new_name}”`}. What its nodes remember{" "}
          {STATIC_DATA[item.static_data]}.
        </Text>
      ) : null}
      {item.changes && item.action === "overwrite" ? (
        <Text size="sm">Changes in n8n: {changesText(item.changes)}.</Text>
      ) : null}
      <Notes notes={item.notes} />
    </li>
  );
}

function Notes({ notes }: { notes: Schemas["Note"][] }) {
  return notes.map((note) => (
    <Group key={`${note.code} ${note.message}`} gap={6} wrap="nowrap" align="flex-start" mt={4}>
      {note.is_warning ? (
        <IconAlertTriangle
          size={16}
          role="img"
          aria-label="Warning:"
          color="light-dark(var(--mantine-color-orange-9), var(--mantine-color-orange-4))"
          style={{ flexShrink: 0, marginTop: 2 }}
        />
      ) : (
        <IconInfoCircle size={16} aria-hidden style={{ flexShrink: 0, marginTop: 2 }} />
      )}
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {note.message}
      </Text>
    </Group>
  ));
}
