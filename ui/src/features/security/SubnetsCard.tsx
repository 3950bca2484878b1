import { Alert, Button, Card, Group, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, api, fieldError, query, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { Failed, Loading } from "../../components/States";

type Subnet = Schemas["Subnet"];
type Wish = { subnet: Subnet; to: "on" | "off" | "removed" };

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
  const [wish, setWish] = useState<Wish>();
  const act = useMutation({
    mutationFn: async ({ subnet, to, isConfirmed }: Wish & { isConfirmed: boolean }) => {
      const path = `/api/auth/subnets/${subnet.id}`;
      const confirmed = isConfirmed ? { confirm_lockout: true } : {};
      await (to === "removed"
        ? api.remove(`${path}${query(confirmed)}`)
        : api.put(path, { enabled: to === "on", ...confirmed }));
    },
    onSuccess: () => {
      setWish(undefined);
      refresh();
    },
    // What was refused is asked about, with the reason.
    onError: (_, { subnet, to }) => setWish({ subnet, to }),
  });
  const ask = (wish: Wish) => {
    act.reset();
    // To let more in is done at once; it is asked about only if it would shut you out.
    if (wish.to === "on") act.mutate({ ...wish, isConfirmed: false });
    else setWish(wish);
  };
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
              onChange={(event) => ask({ subnet, to: event.currentTarget.checked ? "on" : "off" })}
            />
            <Button
              variant="subtle"
              color="red"
              size="xs"
              onClick={() => ask({ subnet, to: "removed" })}
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
      {wish ? (
        <AskDialog
          wish={wish}
          isLast={items.every((one) => one.id === wish.subnet.id || !one.enabled)}
          error={act.error}
          isPending={act.isPending}
          close={() => setWish(undefined)}
          go={(isConfirmed) => act.mutate({ ...wish, isConfirmed })}
        />
      ) : null}
    </Card>
  );
}

/** What comes of it, before it is done. */
function AskDialog({
  wish: { subnet, to },
  isLast,
  error,
  isPending,
  close,
  go,
}: {
  wish: Wish;
  /** No other network counts. */
  isLast: boolean;
  error: Error | null;
  isPending: boolean;
  close: () => void;
  go: (isConfirmed: boolean) => void;
}) {
  const wouldLock = error instanceof ApiError && error.code === "would_lock_you_out";
  const verb = to === "removed" ? "Remove" : to === "off" ? "Switch off" : "Switch on";
  const outcome =
    to === "on"
      ? `Only ${subnet.cidr} and the other networks of the list may come in.`
      : !subnet.enabled
        ? "It does not count now, so nothing changes for anybody."
        : isLast
          ? "It is the only network that counts: without it Flowkeep is open to every address that reaches it."
          : `Whoever comes from ${subnet.cidr} is shut out at once, unless another network of the list holds the address.`;
  return (
    <Confirm
      title={`${verb} ${subnet.cidr}?`}
      act={wouldLock ? "Lock me out" : verb}
      color="red"
      isPending={isPending}
      error={error}
      close={close}
      go={() => go(wouldLock)}
    >
      {outcome}
    </Confirm>
  );
}
