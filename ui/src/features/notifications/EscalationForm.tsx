import { ActionIcon, Button, Group, NumberInput, Select, Stack, Text } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import type { Part } from "./RuleDialog";

type Step = Schemas["EscalationStep"];

/** Who is told next when nobody acknowledges. */
export function EscalationForm({ draft, must, wrong, services }: Part) {
  const steps = draft.conditions.escalation ?? [];
  const edit = (at: number, change: Partial<Step>) =>
    must({ escalation: steps.map((one, other) => (other === at ? { ...one, ...change } : one)) });
  return (
    <Stack gap="xs">
      <Text size="sm" c="dimmed">
        A trouble that is told becomes an alert, and one after the other is told until somebody acknowledges it or the
        trouble ends. What comes as a digest is one alert. Messages carry a link for that if Flowkeep knows its own
        address: set FLOWKEEP_PUBLIC_URL. Without it, acknowledge under Alerts.
      </Text>
      {steps.map((step, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the form holds no state of its own
        <Group key={at} gap="xs" align="flex-end">
          <NumberInput
            label={at === 0 ? "After minutes" : "Then after minutes"}
            flex="1 1 130px"
            min={1}
            clampBehavior="none"
            allowDecimal={false}
            value={step.after_minutes}
            onChange={(value) => edit(at, { after_minutes: Number(value) })}
            error={wrong(`conditions.escalation.${at}.after_minutes`)}
          />
          <Select
            label="Tell"
            flex="2 1 160px"
            allowDeselect={false}
            data={services.map(({ id, name }) => ({ value: String(id), label: name }))}
            value={String(step.service_id)}
            onChange={(value) => edit(at, { service_id: Number(value) })}
            error={wrong(`conditions.escalation.${at}.service_id`)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={`Remove step ${at + 1}`}
            onClick={() => must({ escalation: steps.filter((_, other) => other !== at) })}
          >
            <IconX size={16} />
          </ActionIcon>
        </Group>
      ))}
      {wrong("conditions.escalation") ? (
        <Text size="sm" c="var(--mantine-color-error)">
          {wrong("conditions.escalation")}
        </Text>
      ) : null}
      <div>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={14} />}
          onClick={() =>
            must({ escalation: [...steps, { after_minutes: 15, service_id: services[0]?.id ?? draft.service_id }] })
          }
        >
          Add a step
        </Button>
      </div>
    </Stack>
  );
}
