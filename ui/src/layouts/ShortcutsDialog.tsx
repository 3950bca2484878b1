import { Group, Kbd, Modal, SimpleGrid, Stack, Switch, Table, Text, Title } from "@mantine/core";
import { Fragment, useId } from "react";
import { setCharacterKeys, useCharacterKeys } from "./characterKeys";
import { SHORTCUTS, type Shortcut } from "./shortcuts";

const GROUPS = ["Everywhere", "Go to", "In the palette"] as const;

/** Every key that does something. */
export function ShortcutsDialog({ opened, close }: { opened: boolean; close: () => void }) {
  const hasCharacters = useCharacterKeys();
  const [everywhere, goTo, palette] = GROUPS;
  return (
    <Modal opened={opened} onClose={close} title="Keyboard" size="lg">
      <Stack>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Stack>
            <List group={everywhere} isOff={!hasCharacters} />
            <List group={palette} isOff={false} />
          </Stack>
          <List group={goTo} isOff={!hasCharacters} />
        </SimpleGrid>
        <Switch
          label="Keys without Ctrl, Alt or ⌘ do something"
          description="Switch it off if you speak to your computer, or keys are pressed by mistake. This browser remembers it."
          checked={hasCharacters}
          onChange={(event) => setCharacterKeys(event.currentTarget.checked)}
        />
      </Stack>
    </Modal>
  );
}

function List({ group, isOff }: { group: Shortcut["group"]; isOff: boolean }) {
  const id = useId();
  return (
    <div>
      <Title order={3} size="h6" mb={4} id={id}>
        {group}
      </Title>
      <Table verticalSpacing={5} horizontalSpacing={0} aria-labelledby={id}>
        <Table.Tbody>
          {SHORTCUTS.filter((one) => one.group === group).map(({ keys, together, label, isCharacter }) => (
            <Table.Tr key={keys.join()}>
              <Table.Th scope="row" fw={400}>
                <Text size="sm">
                  {label}
                  {isOff && isCharacter ? (
                    <Text span size="xs" c="dimmed">
                      {" "}
                      (off)
                    </Text>
                  ) : null}
                </Text>
              </Table.Th>
              <Table.Td>
                <Group gap={5} justify="flex-end" wrap="nowrap">
                  {keys.map((key, at) => (
                    <Fragment key={key}>
                      {at > 0 ? (
                        <Text span size="xs" c="dimmed">
                          {together ? "+" : group === "Go to" ? "then" : ""}
                        </Text>
                      ) : null}
                      <Kbd>{key}</Kbd>
                    </Fragment>
                  ))}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
