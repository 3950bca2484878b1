import { ActionIcon, Alert, Badge, Button, Card, Group, Menu, Stack, Switch, Text, Title } from "@mantine/core";
import { IconDots } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Time } from "../../components/Time";
import { PrivateNetworks } from "./PrivateNetworks";
import { type Rule, refresh } from "./queries";
import { draftOf, type Kind, requestOf, type Service } from "./services";
import { TestResult } from "./TestResult";

/** A service: where it goes, whether it works, and what can be done with it. */
export function ServiceCard({
  service,
  kind,
  rules,
  edit,
}: {
  service: Service;
  kind: Kind | undefined;
  /** Undefined while they are not known. */
  rules: Rule[] | undefined;
  edit: () => void;
}) {
  const path = `/api/notifications/services/${service.id}`;
  const [isRemoving, setRemoving] = useState(false);
  const test = useMutation({
    mutationFn: () => api.post<Schemas["NotificationTest"]>(`${path}/test`),
    onSettled: () => refresh("services"),
  });
  const change = useMutation({
    mutationFn: (enabled: boolean) => {
      if (!kind) throw new Error(`This version of Flowkeep does not know ${service.config.service}.`);
      return api.put<Service>(path, requestOf(kind, { ...draftOf(service), enabled }));
    },
    onSuccess: () => refresh("services"),
    onError: tellError,
  });
  const anchor = useAnchor<HTMLHeadingElement>(`service-${service.id}`);
  return (
    <Card withBorder>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h4" style={{ overflowWrap: "anywhere" }} {...anchor}>
              {service.name}
            </Title>
            <Health service={service} />
          </Group>
          <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {[kind?.name ?? service.config.service, service.config.address].filter(Boolean).join(" · ")}
          </Text>
        </div>
        <Group gap={4} wrap="nowrap">
          <Switch
            aria-label={`${service.name} is switched on`}
            checked={service.enabled}
            disabled={change.isPending}
            onChange={(event) => change.mutate(event.currentTarget.checked)}
          />
          <Menu position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="subtle" color="gray" aria-label={`Acts on ${service.name}`}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item onClick={edit}>Change</Menu.Item>
              <Menu.Item color="red" onClick={() => setRemoving(true)}>
                Delete
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </Group>
      </Group>
      <Stack gap="xs" mt="sm">
        {test.isIdle || service.disabled_reason ? <Trouble service={service} goOn={test.mutate} /> : null}
        <TestResult result={test.data} error={test.error} again={test.mutate} />
        <Group justify="space-between">
          <Text size="sm" c="dimmed">
            {service.last_test ? (
              <>
                {service.last_test_result === "success" ? "Tested well" : "The test failed"}{" "}
                <Time at={service.last_test} />
              </>
            ) : (
              "Never tested"
            )}
            {service.last_success ? (
              <>
                {" · delivered "}
                <Time at={service.last_success} />
              </>
            ) : null}
          </Text>
          <Button size="xs" variant="default" loading={test.isPending} onClick={() => test.mutate()}>
            Send a test
          </Button>
        </Group>
      </Stack>
      {isRemoving ? <RemoveDialog service={service} rules={rules} close={() => setRemoving(false)} /> : null}
    </Card>
  );
}

function Health({ service }: { service: Service }) {
  const [color, words] = service.disabled_reason
    ? ["red", "Switched off by Flowkeep"]
    : !service.enabled
      ? ["gray", "Switched off"]
      : service.failing_since
        ? ["red", "Failing"]
        : ["teal", "In use"];
  return (
    <Badge variant="light" color={color}>
      {words}
    </Badge>
  );
}

/** What is wrong with it. */
function Trouble({ service, goOn }: { service: Service; goOn: () => void }) {
  const failed = service.last_test_result === "failed" ? service.last_test_error : null;
  const reason = service.disabled_reason ?? service.last_error ?? failed;
  if (!reason || (!service.disabled_reason && !service.failing_since && !failed)) return null;
  return (
    <Alert color="red">
      {service.failing_since ? (
        <Text size="sm" fw={600}>
          Nothing was delivered since <Time at={service.failing_since} />.
        </Text>
      ) : null}
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {reason}
      </Text>
      {service.disabled_reason ? <Text size="sm">Mend it, test it, and switch it on again.</Text> : null}
      <PrivateNetworks message={reason} goOn={goOn} />
    </Alert>
  );
}

/** What goes with a service, in words. */
function consequences(service: Service, rules: Rule[]): string[] {
  const names = (those: Rule[]) => those.map((rule) => rule.name).join(", ");
  const own = rules.filter((rule) => rule.service_id === service.id);
  const stepped = rules.filter(
    (rule) =>
      rule.service_id !== service.id && rule.conditions.escalation?.some((step) => step.service_id === service.id),
  );
  return [
    own.length > 0
      ? `With it go the rules that tell it something, with what they have gathered and their open alerts: ${names(own)}.`
      : "",
    stepped.length > 0 ? `These rules lose a step of their escalation: ${names(stepped)}.` : "",
    own.length + stepped.length === 0 ? "No rule uses it." : "",
    "What waits for it is not sent. What it was told stays in the history.",
  ].filter(Boolean);
}

function RemoveDialog({ service, rules, close }: { service: Service; rules: Rule[] | undefined; close: () => void }) {
  const remove = useMutation({
    mutationFn: () => api.remove(`/api/notifications/services/${service.id}`),
    onSuccess: () => {
      tell(`${service.name} is deleted.`);
      refresh("services", "rules", "history");
      close();
    },
    onError: tellError,
  });
  return (
    <Confirm
      title={`Delete ${service.name}?`}
      act="Delete it"
      keep="Keep it"
      color="red"
      isPending={remove.isPending || !rules}
      close={close}
      go={() => remove.mutate()}
    >
      {rules ? consequences(service, rules).join(" ") : "Which rules use it is being read…"}
    </Confirm>
  );
}
