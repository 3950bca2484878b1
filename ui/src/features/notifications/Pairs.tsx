import { ActionIcon, Button, Group, Input, Stack, TextInput } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";

type Row = { id: number; name: string; value: string };

/** Names with values: headers, parameters. */
export function Pairs({
  label,
  help,
  value,
  change,
  error,
}: {
  label: string;
  help?: string;
  value: Record<string, string> | undefined;
  change: (value: Record<string, string>) => void;
  error?: string;
}) {
  const next = useRef(0);
  const row = (name = "", text = ""): Row => {
    next.current += 1;
    return { id: next.current, name, value: text };
  };
  const [rows, setRows] = useState<Row[]>(() => Object.entries(value ?? {}).map(([name, text]) => row(name, text)));
  const set = (changed: Row[]) => {
    setRows(changed);
    change(Object.fromEntries(changed.filter((one) => one.name.trim()).map((one) => [one.name.trim(), one.value])));
  };
  const edit = (id: number, part: Partial<Row>) => set(rows.map((one) => (one.id === id ? { ...one, ...part } : one)));
  return (
    <Input.Wrapper label={label} labelElement="div" description={help || undefined} error={error}>
      <Stack gap={6} mt={4} role="group" aria-label={label}>
        {rows.map((one, at) => (
          <Group key={one.id} gap={6} wrap="nowrap">
            <TextInput
              flex={2}
              aria-label={`${label}: name ${at + 1}`}
              placeholder="Name"
              value={one.name}
              onChange={(event) => edit(one.id, { name: event.currentTarget.value })}
            />
            <TextInput
              flex={3}
              aria-label={`${label}: value ${at + 1}`}
              placeholder="Value"
              value={one.value}
              onChange={(event) => edit(one.id, { value: event.currentTarget.value })}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label={`Remove ${one.name || `row ${at + 1}`}`}
              onClick={() => set(rows.filter((other) => other.id !== one.id))}
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
            onClick={() => setRows([...rows, row()])}
            aria-label={`Add to ${label}`}
          >
            Add
          </Button>
        </div>
      </Stack>
    </Input.Wrapper>
  );
}
