import { ActionIcon, Badge, Card, Group, Menu, Switch, Text, Title } from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconDots } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Time } from "../../components/Time";
import { type EventType, type Rule, refresh } from "./queries";
import classes from "./RuleCard.module.css";
import { draftOf, requestOf } from "./rules";
import type { Service } from "./services";
import { ruleWords } from "./words";

/** A rule in plain words. */
export function RuleCard({
  rule,
  types,
  services,
  edit,
  move,
  isFirst,
  isLast,
  isMoving,
  nextOrder,
}: {
  rule: Rule;
  types: EventType[];
  services: Service[];
  edit: () => void;
  move: (by: -1 | 1) => void;
  isFirst: boolean;
  isLast: boolean;
  isMoving: boolean;
  nextOrder: number;
}) {
  const [isRemoving, setRemoving] = useState(false);
  const path = `/api/notifications/rules/${rule.id}`;
  const change = useMutation({
    mutationFn: (enabled: boolean) => api.put<Rule>(path, requestOf({ ...draftOf(rule), enabled })),
    onSuccess: () => refresh("rules"),
    onError: tellError,
  });
  const duplicate = useMutation({
    mutationFn: () => {
      const name = `${rule.name}, copy`.slice(0, 100);
      return api.post<Rule>("/api/notifications/rules", requestOf({ ...draftOf(rule), name, sort_order: nextOrder }));
    },
    onSuccess: ({ name }) => {
      tell(`${name} is a rule of its own.`);
      refresh("rules");
    },
    onError: tellError,
  });
  const service = services.find((one) => one.id === rule.service_id);
  const anchor = useAnchor<HTMLHeadingElement>(`rule-${rule.id}`);
  return (
    <Card withBorder component="li" py="sm">
      <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h5" style={{ overflowWrap: "anywhere" }} {...anchor}>
              {rule.name}
            </Title>
            {rule.enabled ? null : (
              <Badge variant="light" color="gray">
                Switched off
              </Badge>
            )}
            {rule.enabled && service && !service.enabled ? (
              <Badge variant="light" color="orange">
                {service.name} is switched off
              </Badge>
            ) : null}
          </Group>
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {ruleWords(rule, types, services)}
          </Text>
          {rule.fault ? (
            <Text size="sm" c="var(--mantine-color-error)" style={{ overflowWrap: "anywhere" }}>
              It cannot be used as it is: {rule.fault}. Change it.
            </Text>
          ) : null}
          <Text size="xs" c="dimmed">
            {rule.last_triggered ? (
              <>
                Told last <Time at={rule.last_triggered} />
              </>
            ) : (
              "Nothing was told yet"
            )}
          </Text>
        </div>
        <Group gap={2} wrap="nowrap">
          <Switch
            aria-label={`${rule.name} is switched on`}
            checked={rule.enabled}
            disabled={change.isPending}
            onChange={(event) => change.mutate(event.currentTarget.checked)}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            visibleFrom="xs"
            className={classes.move}
            disabled={isFirst || isMoving}
            onClick={() => move(-1)}
            aria-label={`${rule.name} further up`}
          >
            <IconArrowUp size={17} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            visibleFrom="xs"
            className={classes.move}
            disabled={isLast || isMoving}
            onClick={() => move(1)}
            aria-label={`${rule.name} further down`}
          >
            <IconArrowDown size={17} />
          </ActionIcon>
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={`Acts on ${rule.name}`}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={edit}>Change</Menu.Item>
              <Menu.Item onClick={() => duplicate.mutate()}>Duplicate</Menu.Item>
              <Menu.Item disabled={isFirst || isMoving} onClick={() => move(-1)}>
                Further up
              </Menu.Item>
              <Menu.Item disabled={isLast || isMoving} onClick={() => move(1)}>
                Further down
              </Menu.Item>
              <Menu.Item color="red" onClick={() => setRemoving(true)}>
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
      </Group>
      {isRemoving ? <RemoveDialog rule={rule} close={() => setRemoving(false)} /> : null}
    </Card>
  );
}

function RemoveDialog({ rule, close }: { rule: Rule; close: () => void }) {
  const remove = useMutation({
    mutationFn: () => api.remove(`/api/notifications/rules/${rule.id}`),
    onSuccess: () => {
      tell(`${rule.name} is deleted.`);
      refresh("rules", "history", "alerts");
      close();
    },
    onError: tellError,
  });
  return (
    <Confirm
      title={`Delete ${rule.name}?`}
      act="Delete it"
      keep="Keep it"
      color="red"
      isPending={remove.isPending}
      close={close}
      go={() => remove.mutate()}
    >
      What it was for is told no more, unless another rule is for it too. What it has gathered is not told, and its open
      alerts end. Its history stays.
    </Confirm>
  );
}
