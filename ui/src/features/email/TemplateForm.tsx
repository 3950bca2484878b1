import { Alert, Button, Group, Stack, Switch, Tabs, Text, Textarea, TextInput } from "@mantine/core";
import { type ReactNode, useRef, useState } from "react";
import { ApiError, fieldError, type Schemas } from "../../api/client";
import { Variables } from "../../components/Variables";
import { useInsert } from "../../lib/insert";
import type { TemplateDraft } from "./TemplatePage";

type Body = "html_body" | "text_body";
const MONO = { input: { fontFamily: "var(--mantine-font-family-monospace)", fontSize: 13 } };

function lineOf(error: unknown, field: string): number | undefined {
  const line = error instanceof ApiError ? error.fields[`${field}_line`] : undefined;
  return typeof line === "number" ? line : undefined;
}

/** Where a line begins and ends in a text. */
export function lineSpan(text: string, line: number): [number, number] {
  const lines = text.split("\n");
  const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  return [from, from + (lines[line - 1]?.length ?? 0)];
}

/** Subject, formatted text and plain text. */
export function TemplateForm({
  draft,
  set,
  variables,
  error,
  action,
}: {
  draft: TemplateDraft;
  set: (change: Partial<TemplateDraft>) => void;
  variables: Schemas["Variable"][];
  error: unknown;
  action: ReactNode;
}) {
  const [body, setBody] = useState<Body>("html_body");
  const { attach, insert } = useInsert<"subject" | "body">("body", (field, value) =>
    set(field === "subject" ? { subject: value } : { [body]: value }),
  );
  const area = useRef<HTMLTextAreaElement | null>(null);
  const wrong = (field: string) => fieldError(error, field);
  const line = lineOf(error, body);
  const show = (at: number) => {
    const element = area.current;
    if (!element) return;
    const [from, to] = lineSpan(draft[body], at);
    element.focus();
    element.setSelectionRange(from, to);
    element.scrollTop = (at / draft[body].split("\n").length) * element.scrollHeight - element.clientHeight / 2;
  };
  const attached = attach("body");
  const isUnexplained = error instanceof Error && !["subject", "html_body", "text_body"].some((field) => wrong(field));
  return (
    <Stack>
      <Switch
        label="This text is used"
        description="If not, Flowkeep's own is. A rule with words of its own, a digest, a reminder, and a rule that leaves the event's data out send title and text instead."
        checked={draft.enabled}
        onChange={(event) => set({ enabled: event.currentTarget.checked })}
      />
      <TextInput
        {...attach("subject")}
        label="Subject"
        value={draft.subject}
        onChange={(event) => set({ subject: event.currentTarget.value })}
        error={wrong("subject")}
      />
      <Tabs value={body} onChange={(value) => setBody(value as Body)} keepMounted={false}>
        <Tabs.List aria-label="Which text">
          <Tabs.Tab value="html_body">Formatted{wrong("html_body") ? " (wrong)" : ""}</Tabs.Tab>
          <Tabs.Tab value="text_body">Plain{wrong("text_body") ? " (wrong)" : ""}</Tabs.Tab>
        </Tabs.List>
        {(["html_body", "text_body"] as const).map((field) => (
          <Tabs.Panel key={field} value={field} pt="xs">
            <Textarea
              ref={(element) => {
                attached.ref(element);
                area.current = element;
              }}
              onFocus={attached.onFocus}
              aria-label={field === "html_body" ? "Formatted text, HTML" : "Plain text"}
              rows={20}
              spellCheck={field === "text_body"}
              styles={MONO}
              value={draft[field]}
              onChange={(event) => set({ [field]: event.currentTarget.value })}
              error={wrong(field)}
            />
          </Tabs.Panel>
        ))}
      </Tabs>
      {line !== undefined ? (
        <div>
          <Button size="compact-sm" variant="default" onClick={() => show(line)}>
            Show line {line}
          </Button>
        </div>
      ) : null}
      <div>
        <Text size="sm" fw={500} mb={4}>
          What it may speak of
        </Text>
        <Variables items={variables} insert={insert} />
      </div>
      {isUnexplained ? (
        <Alert color="red" role="alert">
          {(error as Error).message}
        </Alert>
      ) : null}
      <Group justify="flex-end">{action}</Group>
    </Stack>
  );
}
