import { Group, Text, Tooltip, UnstyledButton } from "@mantine/core";
import classes from "./Variables.module.css";

export type Variable = { name: string; description?: string; sample?: string };

/** What a template may speak of; a click puts it where the cursor is. */
export function Variables({ items, insert }: { items: Variable[]; insert: (text: string) => void }) {
  return (
    <Group gap={6} role="group" aria-label="Variables">
      {items.map(({ name, description, sample }) => {
        const about = [description, sample ? `As in ${sample}` : ""].filter(Boolean).join(" ");
        return (
          <Tooltip key={name} label={about} multiline maw={320} disabled={!about} events={TOOLTIP}>
            <UnstyledButton
              className={classes.variable}
              onClick={() => insert(`{{ ${name} }}`)}
              aria-label={`Insert ${name}${about ? `: ${about}` : ""}`}
            >
              <Text size="xs" ff="monospace">
                {name}
              </Text>
            </UnstyledButton>
          </Tooltip>
        );
      })}
    </Group>
  );
}

const TOOLTIP = { hover: true, focus: true, touch: false };
