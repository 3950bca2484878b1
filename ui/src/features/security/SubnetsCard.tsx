import { Alert, Button, Card, Group, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";

const refresh = () => void queryClient.invalidateQueries({ queryKey: ["subnets"] });

export function SubnetsCard() {
  const subnets = useQuery(queries.subnets());
  const [cidr, setCidr] = useState("");
  const [description, setDescription] = useState("");
  const add = useMutation({
    mutationFn: (confirmed: boolean) =>
      api.post<Schemas["Subnet"]>("/api/auth/subnets", {
        cidr,
        ...(description ? { description } : {}),
        ...(confirmed ? { confirm_lockout: true } : {}),
      }),
    onSuccess: () => {
      setCidr("");
      setDescription("");
      refresh();
    },
  });
  const change = useMutation({
    mutationFn: ({ id, enabled }: { id: number; enabled: boolean }) => api.put(`/api/auth/subnets/${id}`, { enabled }),
    onSuccess: refresh,
    onError: tellError,
  });
  const remove = useMutation({
    mutationFn: (id: number) => api.remove(`/api/auth/subnets/${id}`),
    onSuccess: refresh,
    onError: tellError,
  });
  const items = subnets.data?.items ?? [];
  const cidrError = fieldError(add.error, "cidr");
  const wouldLock = add.error instanceof ApiError && add.error.code === "would_lock_you_out";
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(false);
  };
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Allowed networks
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {items.length === 0 ? "Every address may come in." : "Only these networks may come in."} You come from{" "}
        {subnets.data?.your_ip ?? "…"}.
      </Text>
      {subnets.isPending ? <Loading lines={1} /> : null}
      {subnets.isError ? <Failed error={subnets.error} /> : null}
      <Stack gap="xs" mb="md">
        {items.map((subnet) => (
          <Group key={subnet.id} justify="space-between">
            <Switch
              label={subnet.cidr}
              description={subnet.description}
              checked={subnet.enabled}
              onChange={(event) => change.mutate({ id: subnet.id, enabled: event.currentTarget.checked })}
            />
            <Button
              variant="subtle"
              color="red"
              size="xs"
              onClick={() => remove.mutate(subnet.id)}
              aria-label={`Remove ${subnet.cidr}`}
            >
              Remove
            </Button>
          </Group>
        ))}
      </Stack>
      {add.error && !cidrError ? (
        <Alert color={wouldLock ? "orange" : "red"} mb="sm" role="alert">
          <Group justify="space-between">
            <Text size="sm">{add.error.message}</Text>
            {wouldLock ? (
              <Button size="xs" color="red" onClick={() => add.mutate(true)}>
                Lock me out
              </Button>
            ) : null}
          </Group>
        </Alert>
      ) : null}
      <form onSubmit={submit}>
        <Group align="flex-start">
          <TextInput
            aria-label="Network"
            placeholder="192.168.1.0/24"
            required
            value={cidr}
            onChange={(event) => setCidr(event.currentTarget.value)}
            error={cidrError}
          />
          <TextInput
            aria-label="Note"
            placeholder="Note"
            value={description}
            onChange={(event) => setDescription(event.currentTarget.value)}
          />
          <Button type="submit" variant="default" loading={add.isPending}>
            Allow
          </Button>
        </Group>
      </form>
    </Card>
  );
}
