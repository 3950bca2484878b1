import {
  Button,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { Pairs } from "./Pairs";
import type { KindField } from "./services";

const lines = (text: string) => text.split("\n").map((line) => line.trim());

/** One field of a service's form, whatever it takes. */
export function FieldInput({
  field,
  value,
  change,
  isKept,
  isRemoved,
  remove,
  error,
}: {
  field: KindField;
  value: unknown;
  change: (value: unknown) => void;
  /** Whether it is secret and the server keeps it. */
  isKept: boolean;
  isRemoved: boolean;
  remove: (isRemoved: boolean) => void;
  error?: string;
}) {
  const { kind, label, help, example } = field;
  const stays = isKept && !isRemoved;
  const usual = {
    label,
    description: help || undefined,
    error,
    withAsterisk: field.is_required,
    placeholder: stays ? "kept; type to replace" : example || undefined,
  };
  const text = typeof value === "string" ? value : "";
  const kept = isKept ? <Kept label={label} isRemoved={isRemoved} remove={remove} canGo={!field.is_required} /> : null;
  switch (kind.type) {
    case "long_text":
      return (
        <Textarea
          {...usual}
          autosize
          minRows={3}
          maxRows={12}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          value={text}
          onChange={(event) => change(event.currentTarget.value)}
        />
      );
    case "secret":
      return (
        <div>
          <PasswordInput
            {...usual}
            autoComplete="off"
            value={text}
            onChange={(event) => change(event.currentTarget.value)}
            visibilityToggleButtonProps={{ "aria-label": `Show ${label}` }}
          />
          {kept}
        </div>
      );
    case "integer":
      return (
        <NumberInput
          {...usual}
          allowDecimal={false}
          clampBehavior="none"
          value={typeof value === "number" ? value : ""}
          onChange={(next) => change(next === "" ? undefined : Number(next))}
        />
      );
    case "boolean":
      return (
        <Switch
          label={label}
          description={help || undefined}
          error={error}
          checked={value === true}
          onChange={(event) => change(event.currentTarget.checked)}
        />
      );
    case "choice":
      return (
        <Select
          {...usual}
          placeholder={example || (field.is_required ? undefined : "as usual")}
          clearable={!field.is_required}
          clearButtonProps={{ "aria-label": `No ${label}` }}
          data={kind.choices}
          value={text || null}
          onChange={(next) => change(next ?? undefined)}
        />
      );
    case "list":
      return (
        <Textarea
          {...usual}
          description={[help, "One on each line."].filter(Boolean).join(" ")}
          autosize
          minRows={2}
          maxRows={8}
          value={Array.isArray(value) ? value.join("\n") : ""}
          onChange={(event) => change(event.currentTarget.value === "" ? [] : lines(event.currentTarget.value))}
        />
      );
    case "pairs":
      return (
        <div>
          <Pairs
            label={label}
            help={stays ? [help, "Kept; what is added here replaces all of it."].filter(Boolean).join(" ") : help}
            value={value as Record<string, string> | undefined}
            change={change}
            error={error}
          />
          {kept}
        </div>
      );
    default:
      return <TextInput {...usual} value={text} onChange={(event) => change(event.currentTarget.value)} />;
  }
}

function Kept({
  label,
  isRemoved,
  remove,
  canGo,
}: {
  label: string;
  isRemoved: boolean;
  remove: (isRemoved: boolean) => void;
  canGo: boolean;
}) {
  if (!canGo) return null;
  return (
    <Group gap="xs" mt={4}>
      {isRemoved ? (
        <Text size="xs" c="dimmed">
          It goes when you save.
        </Text>
      ) : null}
      <Button
        size="compact-xs"
        variant="subtle"
        color={isRemoved ? "gray" : "red"}
        onClick={() => remove(!isRemoved)}
        aria-label={`${isRemoved ? "Keep" : "Remove"} ${label}`}
      >
        {isRemoved ? "Keep it" : "Remove"}
      </Button>
    </Group>
  );
}

/** The fields of a kind: those that must be given first, as the server orders them. */
export function Fields({
  fields,
  values,
  kept,
  removed,
  change,
  remove,
  wrong,
}: {
  fields: KindField[];
  values: Record<string, unknown>;
  kept: string[];
  removed: string[];
  change: (key: string, value: unknown) => void;
  remove: (key: string, isRemoved: boolean) => void;
  wrong: (key: string) => string | undefined;
}) {
  return (
    <Stack>
      {fields.map((field) => (
        <FieldInput
          key={field.key}
          field={field}
          value={values[field.key]}
          change={(value) => change(field.key, value)}
          isKept={kept.includes(field.key)}
          isRemoved={removed.includes(field.key)}
          remove={(isRemoved) => remove(field.key, isRemoved)}
          error={wrong(field.key)}
        />
      ))}
    </Stack>
  );
}
