import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Card,
  Group,
  Menu,
  Modal,
  PasswordInput,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  Title,
} from "@mantine/core";
import { IconDots, IconPlus, IconServer2 } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, count } from "../../lib/format";
import { AddDestinationDialog } from "./AddDestinationDialog";

type Destination = Schemas["Destination"];

export const keep = (fresh: Schemas["Destinations"]) =>
  queryClient.setQueryData(queries.destinations().queryKey, fresh);

/** Further places to which every good backup is copied. */
export function DestinationsPage() {
  const destinations = useQuery(queries.destinations());
  const [isAdding, setAdding] = useState(false);
  const items = destinations.data?.items ?? [];
  return (
    <Page
      title="Destinations"
      about="Every good backup is copied here too, and deleted here when retention deletes it."
      action={
        <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
          Add a destination
        </Button>
      }
    >
      {destinations.isPending ? <Loading /> : null}
      {destinations.isError ? <Failed error={destinations.error} retry={() => void destinations.refetch()} /> : null}
      {destinations.isSuccess && items.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconServer2 size={40} stroke={1.3} />} title="Backups lie in one place only">
            A disk that dies takes n8n and its backups along. Add another disk, a network share, a bucket or another
            machine.
          </Empty>
        </Card>
      ) : null}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {items.map((destination) => (
          <One key={destination.id} destination={destination} />
        ))}
      </SimpleGrid>
      {isAdding ? <AddDestinationDialog close={() => setAdding(false)} /> : null}
    </Page>
  );
}

function One({ destination }: { destination: Destination }) {
  const path = `/api/backups/destinations/${destination.id}`;
  const [isForgetting, setForgetting] = useState(false);
  const [isChanging, setChanging] = useState(false);
  const test = useMutation({
    mutationFn: () => api.post<Schemas["Destinations"]>(`${path}/test`),
    onSuccess: (fresh) => {
      keep(fresh);
      const now = fresh.items.find((item) => item.id === destination.id);
      if (!now?.last_error) tell(`${destination.name} can be used.`);
    },
    onError: tellError,
  });
  const change = useMutation({
    mutationFn: () => api.put<Schemas["Destinations"]>(path, { enabled: !destination.enabled }),
    onSuccess: keep,
    onError: tellError,
  });
  const forget = useMutation({
    mutationFn: () => api.remove(path),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["destinations"] });
      tell(`${destination.name} is forgotten.`);
    },
    onError: tellError,
  });
  const anchor = useAnchor<HTMLHeadingElement>(`destination-${destination.id}`);
  return (
    <Card withBorder>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h4" {...anchor}>
              {destination.name}
            </Title>
            {destination.enabled ? (
              <Badge variant="light" color={destination.last_error ? "red" : "teal"}>
                {destination.last_error ? "Trouble" : "In use"}
              </Badge>
            ) : (
              <Badge variant="light" color="gray">
                Paused
              </Badge>
            )}
          </Group>
          <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            {destination.path}
          </Text>
          {destination.host_key ? (
            <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
              Host key {destination.host_key}
            </Text>
          ) : null}
        </div>
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`Acts on ${destination.name}`}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => change.mutate()}>{destination.enabled ? "Pause" : "Go on"}</Menu.Item>
            {destination.kind === "folder" ? null : (
              <Menu.Item onClick={() => setChanging(true)}>New password or key</Menu.Item>
            )}
            <Menu.Item color="red" onClick={() => setForgetting(true)}>
              Forget
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </Group>
      {destination.last_error ? (
        <Alert color="red" mt="sm">
          <Text size="sm">{destination.last_error}</Text>
        </Alert>
      ) : null}
      <Group justify="space-between" mt="sm">
        <Text size="sm">
          {count(destination.copied)} copies, {bytes(destination.copied_bytes)}
          {destination.queued > 0 ? ` · ${count(destination.queued)} waiting` : ""}
          {destination.free_bytes == null ? "" : ` · ${bytes(destination.free_bytes)} free`}
          {destination.last_checked_at ? (
            <Text span c="dimmed">
              {" "}
              · looked at <Time at={destination.last_checked_at} />
            </Text>
          ) : null}
        </Text>
        <Button size="xs" variant="default" loading={test.isPending} onClick={() => test.mutate()}>
          Test
        </Button>
      </Group>
      {isChanging ? <SecretDialog destination={destination} close={() => setChanging(false)} /> : null}
      <Confirm
        title={`Forget ${destination.name}?`}
        act="Forget it"
        keep="Keep it"
        color="red"
        isOpen={isForgetting}
        isPending={forget.isPending}
        close={() => setForgetting(false)}
        go={() => forget.mutate()}
      >
        No more copies go there. What lies there stays, and nothing deletes it any more: remove it by hand if it is not
        wanted.
      </Confirm>
    </Card>
  );
}

function SecretDialog({ destination, close }: { destination: Destination; close: () => void }) {
  const [secret, setSecret] = useState("");
  const [key, setKey] = useState("");
  const isSftp = destination.kind === "sftp";
  const change = useMutation({
    mutationFn: () =>
      api.put<Schemas["Destinations"]>(`/api/backups/destinations/${destination.id}`, {
        enabled: destination.enabled,
        secret: secret || null,
        private_key: key || null,
      }),
    onSuccess: (fresh) => {
      keep(fresh);
      tell(`${destination.name} has a new password or key. Test it, and make a new recovery kit.`);
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <Modal opened onClose={close} title={`New password or key for ${destination.name}`}>
      <form onSubmit={submit}>
        <Stack>
          <PasswordInput
            label={isSftp ? "Password" : "Secret access key"}
            value={secret}
            onChange={(event) => setSecret(event.currentTarget.value)}
            error={fieldError(change.error, "secret")}
            autoComplete="off"
            data-autofocus
          />
          {isSftp ? (
            <Textarea
              label="Or a private key"
              value={key}
              onChange={(event) => setKey(event.currentTarget.value)}
              autosize
              minRows={3}
              maxRows={8}
            />
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={change.isPending} disabled={secret === "" && key === ""}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
