import { Accordion, Alert, Button, Drawer, Group, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, api, fieldError } from "../../api/client";
import { tell } from "../../components/notify";
import { ConditionsForm } from "./ConditionsForm";
import { EscalationForm } from "./EscalationForm";
import { EventSelect } from "./EventSelect";
import { OftenForm } from "./OftenForm";
import { type EventType, type Rule, refresh, type Severity } from "./queries";
import { requestOf, sectionsInUse, sectionsOf } from "./rules";
import type { Service } from "./services";
import { Trial } from "./Trial";
import { WhenForm } from "./WhenForm";
import { WordsForm } from "./WordsForm";
import { PRIORITIES, type RuleDraft, ruleWords } from "./words";

export type Part = {
  draft: RuleDraft;
  set: (change: Partial<RuleDraft>) => void;
  /** Changes what stands under `conditions`. */
  must: (change: RuleDraft["conditions"]) => void;
  wrong: (field: string) => string | undefined;
  types: EventType[];
  services: Service[];
};

const SECTIONS = [
  { value: "which", label: "Only some of them", Shown: ConditionsForm },
  { value: "when", label: "Only at some times, quiet hours", Shown: WhenForm },
  { value: "often", label: "How often", Shown: OftenForm },
  { value: "escalation", label: "If nobody reacts", Shown: EscalationForm },
  { value: "words", label: "In its own words", Shown: WordsForm },
];

/** Makes a rule, or changes one. */
export function RuleDialog({
  rule,
  begin,
  types,
  services,
  close,
}: {
  rule?: Rule;
  begin: RuleDraft;
  types: EventType[];
  services: Service[];
  close: () => void;
}) {
  const [draft, setDraft] = useState(begin);
  const [open, setOpen] = useState(() => sectionsInUse(begin));
  const set = (change: Partial<RuleDraft>) => setDraft((before) => ({ ...before, ...change }));
  const must = (change: RuleDraft["conditions"]) =>
    setDraft((before) => ({ ...before, conditions: { ...before.conditions, ...change } }));
  const save = useMutation({
    mutationFn: () => {
      const body = requestOf(draft);
      return rule
        ? api.put<Rule>(`/api/notifications/rules/${rule.id}`, body)
        : api.post<Rule>("/api/notifications/rules", body);
    },
    onSuccess: ({ name }) => {
      tell(`${name} is saved.`);
      refresh("rules");
      close();
    },
    onError: (error) => showFaults(error),
  });
  // What is wrong must not be hidden in a section that is closed.
  const showFaults = (error: unknown) => {
    if (error instanceof ApiError)
      setOpen((before) => [...new Set([...before, ...sectionsOf(Object.keys(error.fields))])]);
  };
  const [tryError, setTryError] = useState<Error | null>(null);
  const error = save.error ?? tryError;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTryError(null);
    save.mutate();
  };
  const part: Part = { draft, set, must, wrong: (field) => fieldError(error, field), types, services };
  return (
    <Drawer opened onClose={close} position="right" size="xl" title={rule ? `Change ${rule.name}` : "New rule"}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <Begin {...part} />
          <Accordion multiple value={open} onChange={setOpen} variant="contained" keepMounted={false}>
            {SECTIONS.map(({ value, label, Shown }) => (
              <Accordion.Item key={value} value={value}>
                <Accordion.Control>
                  <Text size="sm" fw={550}>
                    {label}
                  </Text>
                </Accordion.Control>
                <Accordion.Panel>
                  <Shown {...part} />
                </Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
          <Alert color="keep" title="In words">
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>
              {ruleWords(draft, types, services)}
            </Text>
          </Alert>
          <Trial
            draft={draft}
            failed={(reason) => {
              save.reset();
              setTryError(reason);
              showFaults(reason);
            }}
          />
          {error ? (
            <Alert color="red" role="alert">
              {error.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Drawer>
  );
}

/** What a rule cannot be without. */
function Begin({ draft, set, must, wrong, types, services }: Part) {
  const known = types.find((type) => type.name === draft.event_type);
  return (
    <>
      <TextInput
        label="Name"
        withAsterisk
        placeholder="Backups that fail"
        value={draft.name}
        onChange={(event) => set({ name: event.currentTarget.value })}
        error={wrong("name")}
        data-autofocus
      />
      <Group grow align="flex-start" preventGrowOverflow={false}>
        <EventSelect
          types={types}
          value={draft.event_type}
          change={(value) => set({ event_type: value ?? draft.event_type })}
          error={wrong("event_type")}
        />
        <Select
          label="How bad at least"
          allowDeselect={false}
          data={[
            { value: "info", label: "Whatever it is" },
            { value: "warning", label: "Warning or worse" },
            { value: "error", label: "Error or worse" },
            { value: "critical", label: "Critical only" },
          ]}
          value={draft.conditions.severity_threshold ?? "info"}
          onChange={(value) => must({ severity_threshold: value === "info" ? null : (value as Severity) })}
          error={wrong("conditions.severity_threshold")}
        />
      </Group>
      {known ? (
        <Text size="xs" c="dimmed">
          {known.description} Usually: {known.severity}.
        </Text>
      ) : null}
      <Group grow align="flex-start" preventGrowOverflow={false}>
        <Select
          label="Tell"
          allowDeselect={false}
          data={services.map(({ id, name }) => ({ value: String(id), label: name }))}
          value={String(draft.service_id)}
          onChange={(value) => set({ service_id: Number(value) })}
          error={wrong("service_id")}
        />
        <Select
          label="Priority"
          allowDeselect={false}
          data={PRIORITIES.map((value) => ({ value, label: value.charAt(0).toUpperCase() + value.slice(1) }))}
          value={draft.priority}
          onChange={(value) => set({ priority: value ?? draft.priority })}
          error={wrong("priority")}
        />
      </Group>
      <Switch
        label="The event's data goes along"
        description="Where the service can take it."
        checked={draft.include_details ?? true}
        onChange={(event) => set({ include_details: event.currentTarget.checked })}
      />
    </>
  );
}
