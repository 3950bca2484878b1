import { Group, NumberInput, Select, Stack, Switch } from "@mantine/core";
import type { Schemas } from "../../api/client";
import type { Part } from "./RuleDialog";
import { minutes } from "./words";

type For = Schemas["CooldownFor"];

const COUNTS = [
  { value: "subject", label: "Each thing: another container is told at once" },
  { value: "event_type", label: "Each kind of event" },
  { value: "rule", label: "The whole rule" },
];

/** How often at most, and what comes together. */
export function OftenForm({ draft, set, must, wrong }: Part) {
  const { batch, cooldown_for, max_per_minute } = draft.conditions;
  return (
    <Stack>
      <Group grow align="flex-start" preventGrowOverflow={false}>
        <NumberInput
          label="Silent after a message, minutes"
          description={draft.cooldown_minutes > 0 ? `That is ${minutes(draft.cooldown_minutes)}.` : "0: never silent."}
          min={0}
          clampBehavior="none"
          allowDecimal={false}
          value={draft.cooldown_minutes}
          onChange={(value) => set({ cooldown_minutes: Number(value) })}
          error={wrong("cooldown_minutes")}
        />
        {draft.cooldown_minutes > 0 ? (
          <Select
            label="Counts for"
            description="What is silent then."
            allowDeselect={false}
            data={COUNTS}
            value={cooldown_for ?? "subject"}
            onChange={(value) => must({ cooldown_for: (value ?? "subject") as For })}
          />
        ) : null}
      </Group>
      <Switch
        label="Gather similar events into one message"
        checked={Boolean(batch)}
        onChange={(event) =>
          must({ batch: event.currentTarget.checked ? { window_seconds: 300, by: "event_type" } : null })
        }
      />
      {batch ? (
        <Group grow align="flex-start" preventGrowOverflow={false} pl="md">
          <NumberInput
            label="For how long, seconds"
            min={10}
            clampBehavior="none"
            allowDecimal={false}
            value={batch.window_seconds}
            onChange={(value) => must({ batch: { ...batch, window_seconds: Number(value) } })}
            error={wrong("conditions.batch.window_seconds")}
          />
          <Select
            label="What is similar"
            allowDeselect={false}
            data={[
              { value: "subject", label: "The same thing" },
              { value: "event_type", label: "The same kind of event" },
              { value: "rule", label: "Whatever the rule is for" },
            ]}
            value={batch.by ?? "event_type"}
            onChange={(value) => must({ batch: { ...batch, by: (value ?? "event_type") as For } })}
          />
        </Group>
      ) : null}
      <NumberInput
        label="Messages a minute at most"
        description="What is more comes as one message. Empty: 10; 0: no limit."
        placeholder="10"
        min={0}
        clampBehavior="none"
        allowDecimal={false}
        value={max_per_minute ?? ""}
        onChange={(value) => must({ max_per_minute: value === "" ? null : Number(value) })}
        error={wrong("conditions.max_per_minute")}
      />
    </Stack>
  );
}
