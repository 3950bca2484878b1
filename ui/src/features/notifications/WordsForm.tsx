import { Button, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { Variables } from "../../components/Variables";
import { useInsert } from "../../lib/insert";
import { knownFields } from "./ConditionsForm";
import type { Part } from "./RuleDialog";

const ALWAYS = [
  { name: "event.label", description: "What the event is called.", sample: "Backup failed" },
  { name: "event.type", description: "The type of the event.", sample: "backup.failed" },
  { name: "event.severity", description: "How bad it is.", sample: "error" },
  { name: "event.occurred_at", description: "When it happened.", sample: "2026-03-01T02:00:00Z" },
];

/** A title and a text in place of the usual ones. */
export function WordsForm({ draft, set, wrong, types }: Part) {
  const { attach, insert } = useInsert<"custom_title" | "custom_message">("custom_message", (field, value) =>
    set({ [field]: value }),
  );
  const known = types.find((type) => type.name === draft.event_type);
  const isEmpty = !draft.custom_title && !draft.custom_message;
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        Values stand in {"{{ }}"}; {"{{ size | bytes }}"} writes a number as a size. Empty for the usual words.
      </Text>
      <TextInput
        {...attach("custom_title")}
        label="Title"
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        value={draft.custom_title ?? ""}
        onChange={(event) => set({ custom_title: event.currentTarget.value })}
        error={wrong("custom_title")}
      />
      <Textarea
        {...attach("custom_message")}
        label="Text"
        autosize
        minRows={3}
        maxRows={12}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
        value={draft.custom_message ?? ""}
        onChange={(event) => set({ custom_message: event.currentTarget.value })}
        error={wrong("custom_message")}
      />
      <Variables items={[...knownFields({ draft, types }), ...ALWAYS]} insert={insert} />
      {known && isEmpty ? (
        <div>
          <Button
            size="compact-sm"
            variant="default"
            onClick={() => set({ custom_title: known.title, custom_message: known.body })}
          >
            Begin with the usual words
          </Button>
        </div>
      ) : null}
    </Stack>
  );
}
