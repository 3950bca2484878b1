import { ActionIcon, Autocomplete, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import type { Schemas } from "../../api/client";
import type { Part } from "./RuleDialog";
import { fieldsOf, groupOf, OPERATORS, typed } from "./words";

type Condition = Schemas["DataCondition"];

/** Fields that the events of a rule have, each once. */
export function knownFields({ draft, types }: Pick<Part, "draft" | "types">) {
  const { event_type: wanted } = draft;
  const isFor = (name: string) =>
    wanted === "*" || wanted === name || (wanted.endsWith(".*") && groupOf(name) === groupOf(wanted));
  const fields = types.filter((type) => isFor(type.name)).flatMap((type) => fieldsOf(type.sample));
  return [...new Map(fields.map((field) => [field.name, field])).values()];
}

/** What the event's data must be, and what its words must match. */
export function ConditionsForm({ draft, set, must, wrong, types }: Part) {
  const conditions = draft.conditions.data ?? [];
  const fields = knownFields({ draft, types });
  const edit = (at: number, change: Partial<Condition>) =>
    must({ data: conditions.map((one, other) => (other === at ? { ...one, ...change } : one)) });
  return (
    <Stack>
      <div>
        <Text size="sm" fw={500}>
          What the event's data must be; all of it
        </Text>
        <Stack gap="xs" mt="xs">
          {conditions.map((one, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the form holds no state of its own
            <Group key={at} gap="xs" align="flex-start">
              <Autocomplete
                aria-label={`Field of condition ${at + 1}`}
                placeholder="Field"
                flex="2 1 140px"
                data={fields.map((field) => field.name)}
                value={one.field}
                onChange={(field) => edit(at, { field })}
                error={wrong(`conditions.data.${at}.field`)}
              />
              <Select
                aria-label={`How condition ${at + 1} compares`}
                flex="1 1 130px"
                allowDeselect={false}
                data={Object.entries(OPERATORS).map(([value, label]) => ({ value, label }))}
                value={one.op}
                onChange={(op) => edit(at, { op: (op ?? one.op) as Condition["op"] })}
              />
              {one.op === "exists" || one.op === "missing" ? null : (
                <TextInput
                  aria-label={`Value of condition ${at + 1}`}
                  placeholder={fields.find((field) => field.name === one.field)?.sample ?? "Value"}
                  flex="2 1 140px"
                  value={one.value === undefined || one.value === null ? "" : String(one.value)}
                  onChange={(event) => edit(at, { value: event.currentTarget.value })}
                  onBlur={(event) => edit(at, { value: typed(event.currentTarget.value) })}
                  error={wrong(`conditions.data.${at}.value`)}
                />
              )}
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`Remove condition ${at + 1}`}
                onClick={() => must({ data: conditions.filter((_, other) => other !== at) })}
              >
                <IconX size={16} />
              </ActionIcon>
            </Group>
          ))}
          <div>
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconPlus size={14} />}
              onClick={() => must({ data: [...conditions, { field: "", op: "eq", value: "" }] })}
            >
              Add a condition
            </Button>
          </div>
        </Stack>
      </div>
      <TextInput
        label="And what it must match"
        description="A regular expression on the type, the severity and the data as JSON. May stay empty."
        placeholder="disk_full|no space"
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        value={draft.event_pattern ?? ""}
        onChange={(event) => set({ event_pattern: event.currentTarget.value })}
        error={wrong("event_pattern")}
      />
    </Stack>
  );
}
