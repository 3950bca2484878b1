import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Card,
  Group,
  Menu,
  Modal,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconDots, IconPlus, IconServer2 } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, count } from "../../lib/format";

type Destination = Schemas["Destination"];

const keep = (fresh: Schemas["Destinations"]) => queryClient.setQueryData(queries.destinations().queryKey, fresh);

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
            A disk that dies takes n8n and its backups along. Add another disk, or the folder where a network share is
            mounted.
          </Empty>
        </Card>
      ) : null}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {items.map((destination) => (
          <One key={destination.id} destination={destination} />
        ))}
      </SimpleGrid>
      {isAdding ? <AddDialog close={() => setAdding(false)} /> : null}
    </Page>
  );
}

function One({ destination }: { destination: Destination }) {
  const path = `/api/backups/destinations/${destination.id}`;
  const [isForgetting, setForgetting] = useState(false);
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
  return (
    <Card withBorder>
      <Group justify="space-between" wrap="nowrap" align="flex-start">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Title order={2} size="h4">
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
        </div>
        <Menu position="bottom-end">
          <Menu.Target>
            <ActionIcon variant="subtle" color="gray" aria-label={`Acts on ${destination.name}`}>
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => change.mutate()}>{destination.enabled ? "Pause" : "Go on"}</Menu.Item>
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
          {destination.queued > 0 ? ` · ${count(destination.queued)} waiting` : ""} · {bytes(destination.free_bytes)}{" "}
          free
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
      <Modal opened={isForgetting} onClose={() => setForgetting(false)} title={`Forget ${destination.name}?`}>
        <Text size="sm">
          No more copies go there. What lies there stays, and nothing deletes it any more: remove it by hand if it is
          not wanted.
        </Text>
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setForgetting(false)}>
            Keep it
          </Button>
          <Button color="red" loading={forget.isPending} onClick={() => forget.mutate()}>
            Forget it
          </Button>
        </Group>
      </Modal>
    </Card>
  );
}

function AddDialog({ close }: { close: () => void }) {
  const [name, setName] = useState("");
  const [path, setPath] = useState("");
  const add = useMutation({
    mutationFn: () => api.post<Schemas["Destinations"]>("/api/backups/destinations", { name, path }),
    onSuccess: (fresh) => {
      keep(fresh);
      tell(`${name} is a destination now; the backups that are there are copied first.`);
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  return (
    <Modal opened onClose={close} title="Add a destination">
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            placeholder="NAS"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={fieldError(add.error, "name")}
            data-autofocus
          />
          <TextInput
            label="Folder"
            description="Another disk, or where a network share is mounted. A small file is left in it, by which Flowkeep knows that the share is mounted."
            placeholder="/mnt/nas/backups"
            value={path}
            onChange={(event) => setPath(event.currentTarget.value)}
            error={fieldError(add.error, "path")}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
