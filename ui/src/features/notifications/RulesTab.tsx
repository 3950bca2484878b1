import { Button, Card, Group, Stack } from "@mantine/core";
import { IconListCheck, IconPlus } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client";
import { tellError } from "../../components/notify";
import { Empty, Failed, Loading } from "../../components/States";
import { notificationQueries, type Rule, refresh } from "./queries";
import { RuleCard } from "./RuleCard";
import { RuleDialog } from "./RuleDialog";
import { draftOf, moved, newRule, requestOf } from "./rules";
import { Starters } from "./Starters";
import { servicesOf } from "./services";

/** What is told to whom. */
export function RulesTab() {
  const rules = useQuery(notificationQueries.rules());
  const services = useQuery(notificationQueries.services());
  const types = useQuery(notificationQueries.eventTypes());
  const [edited, setEdited] = useState<Rule | "new">();
  const move = useMutation({
    mutationFn: async ({ id, by }: { id: number; by: -1 | 1 }) => {
      for (const { rule, sort_order } of moved(rules.data?.items ?? [], id, by)) {
        await api.put<Rule>(`/api/notifications/rules/${rule.id}`, requestOf({ ...draftOf(rule), sort_order }));
      }
    },
    onError: tellError,
    onSettled: () => refresh("rules"),
  });
  const waiting = [rules, services, types].find((one) => one.isPending);
  const failed = [rules, services, types].find((one) => one.isError);
  if (failed) return <Failed error={failed.error} retry={() => void failed.refetch()} />;
  if (waiting || !rules.data || !types.data) return <Loading />;
  const items = rules.data.items;
  const known = servicesOf(services.data);
  const [first] = known;
  if (!first) {
    return (
      <Card withBorder>
        <Empty
          icon={<IconListCheck size={40} stroke={1.3} />}
          title="Rules need somebody to tell"
          action={
            <Button component={Link} to="/notifications/services">
              Add a service first
            </Button>
          }
        >
          A rule says which events are told to which service. Add the service, and choose from rules that most want.
        </Empty>
      </Card>
    );
  }
  const order = Math.max(0, ...items.map((rule) => rule.sort_order + 1));
  return (
    <Stack>
      <Group justify="flex-end">
        <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
          New rule
        </Button>
      </Group>
      {items.length > 0 ? (
        <Stack component="ul" p={0} m={0} style={{ listStyle: "none" }} gap="sm">
          {items.map((rule, at) => (
            <RuleCard
              key={rule.id}
              rule={rule}
              types={types.data.items}
              services={known}
              edit={() => setEdited(rule)}
              move={(by) => move.mutate({ id: rule.id, by })}
              isFirst={at === 0}
              isLast={at === items.length - 1}
              isMoving={move.isPending}
              nextOrder={order}
            />
          ))}
        </Stack>
      ) : null}
      <Starters rules={items} types={types.data.items} services={known} nextOrder={order} />
      {edited ? (
        <RuleDialog
          rule={edited === "new" ? undefined : edited}
          begin={edited === "new" ? newRule(first.id, order) : draftOf(edited)}
          types={types.data.items}
          services={known}
          close={() => setEdited(undefined)}
        />
      ) : null}
    </Stack>
  );
}
