import { Button, Card, Group, Select, Stack, Text, Title } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client";
import { tell, tellError } from "../../components/notify";
import { type EventType, type Rule, refresh } from "./queries";
import { newRule, requestOf, type Starter, starters } from "./rules";
import type { Service } from "./services";
import { ruleWords } from "./words";

/** Rules that most want, one click each. */
export function Starters({
  rules,
  types,
  services,
  nextOrder,
}: {
  rules: Rule[];
  types: EventType[];
  services: Service[];
  nextOrder: number;
}) {
  const [chosen, setChosen] = useState(services[0]?.id ?? 0);
  const offered = starters(rules, types);
  const serviceId = services.some(({ id }) => id === chosen) ? chosen : (services[0]?.id ?? 0);
  const draft = (starter: Starter) => ({ ...newRule(serviceId, nextOrder), ...starter });
  const add = useMutation({
    mutationFn: (starter: Starter) => api.post<Rule>("/api/notifications/rules", requestOf(draft(starter))),
    onSuccess: ({ name }) => {
      tell(`The rule ${name} is in use.`);
      refresh("rules");
    },
    onError: tellError,
  });
  if (offered.length === 0) return null;
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div style={{ flex: "1 1 260px" }}>
          <Title order={2} size="h4">
            {rules.length === 0 ? "No rule yet: begin with these" : "Worth having"}
          </Title>
          <Text size="sm" c="dimmed">
            One click each. All of it can be changed afterwards.
          </Text>
        </div>
        {services.length > 1 ? (
          <Select
            label="Tell"
            allowDeselect={false}
            data={services.map(({ id, name }) => ({ value: String(id), label: name }))}
            value={String(serviceId)}
            onChange={(value) => setChosen(Number(value))}
          />
        ) : null}
      </Group>
      <Stack component="ul" p={0} m={0} mt="sm" gap="sm" style={{ listStyle: "none" }}>
        {offered.map((starter) => (
          <Group key={starter.name} component="li" justify="space-between" gap="xs" align="flex-start">
            <div style={{ flex: "1 1 240px", minWidth: 0 }}>
              <Text size="sm" fw={550}>
                {starter.name}
              </Text>
              <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
                {ruleWords(draft(starter), types, services)}
              </Text>
            </div>
            <Button
              size="xs"
              variant="light"
              leftSection={<IconPlus size={14} />}
              loading={add.isPending && add.variables?.name === starter.name}
              disabled={add.isPending}
              onClick={() => add.mutate(starter)}
              aria-label={`Add the rule ${starter.name}`}
            >
              Add
            </Button>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
