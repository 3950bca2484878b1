import {
  Alert,
  Anchor,
  Badge,
  Button,
  Card,
  Code,
  Group,
  Loader,
  Modal,
  Stack,
  Table,
  Text,
  TextInput,
  Timeline,
  Title,
} from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";

type Upgrade = Schemas["Upgrade"];
type Act = "take-back" | "clear";

const PHASES: Record<string, string> = {
  begun: "Beginning",
  pulling: "Fetching the image",
  backing_up: "Backing n8n up",
  proving: "Proving that the backup restores",
  stopping: "Stopping n8n",
  saving: "Backing up what it had when it stopped",
  replacing: "Making its containers anew",
  waiting: "Waiting until n8n is ready",
  taking_back: "Putting the former containers back",
  restoring: "Putting the former database back",
  waiting_for_former: "Waiting until the former n8n is ready",
};

const STATES: Record<string, { label: string; color: string }> = {
  running: { label: "Under way", color: "blue" },
  done: { label: "Upgraded", color: "teal" },
  unchanged: { label: "Nothing newer", color: "gray" },
  failed: { label: "Nothing was changed", color: "red" },
  rolled_back: { label: "Taken back", color: "orange" },
  stuck: { label: "Needs you", color: "red" },
};

const refresh = () => {
  for (const key of ["upgrades", "backups", "overview", "containers"])
    void queryClient.invalidateQueries({ queryKey: [key] });
};

/** n8n from another image, behind a guard. */
export function UpgradeCard() {
  const upgrades = useQuery(queries.upgrades());
  const [isAsking, setAsking] = useState(false);
  const { containers, hindrance, items } = upgrades.data ?? { containers: [], hindrance: null, items: [] };
  const isRunning = items.some((one) => one.status === "running");
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start" mb="xs">
        <div style={{ flex: "1 1 260px" }}>
          <Title order={2} size="h4">
            Upgrade n8n
          </Title>
          <Text size="sm" c="dimmed">
            After a proven backup, and taken back by itself if the new version does not come up.
          </Text>
        </div>
        {containers.length > 0 ? (
          <Button variant="light" disabled={isRunning} onClick={() => setAsking(true)}>
            Upgrade
          </Button>
        ) : null}
      </Group>
      {upgrades.isPending ? <Loading /> : null}
      {upgrades.isError ? <Failed error={upgrades.error} retry={() => void upgrades.refetch()} /> : null}
      {hindrance ? (
        <Text size="sm">
          {hindrance}{" "}
          <Anchor component={Link} to="/settings" inherit underline="always">
            Settings
          </Anchor>
        </Text>
      ) : null}
      {containers.length > 0 ? (
        <Table.ScrollContainer minWidth={320} type="native">
          <Table aria-label="n8n's containers">
            <Table.Tbody>
              {containers.map((one) => (
                <Table.Tr key={one.id}>
                  <Table.Td>{one.name}</Table.Td>
                  <Table.Td>
                    <Code>{one.image}</Code>
                  </Table.Td>
                  <Table.Td>{one.version ?? ""}</Table.Td>
                  <Table.Td>{one.was_running ? "runs" : "stopped"}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      ) : null}
      <Stack mt="sm">
        {items.slice(0, 5).map((one) => (
          <One key={one.id} upgrade={one} />
        ))}
      </Stack>
      {isAsking ? (
        <UpgradeDialog image={containers[0]?.image ?? ""} count={containers.length} close={() => setAsking(false)} />
      ) : null}
    </Card>
  );
}

function One({ upgrade }: { upgrade: Upgrade }) {
  const [asked, setAsked] = useState<Act>();
  const state = STATES[upgrade.status] ?? { label: upgrade.status, color: "gray" };
  const isRunning = upgrade.status === "running";
  const former = upgrade.containers[0]?.image;
  return (
    <section aria-label={`Upgrade ${upgrade.id}`}>
      <Group gap="xs">
        <Text size="sm" fw={600}>
          {upgrade.image}
        </Text>
        <Badge variant="light" color={state.color}>
          {state.label}
        </Badge>
        <Text size="xs" c="dimmed">
          <Time at={upgrade.started_at} />
          {former && former !== upgrade.image ? `, from ${former}` : ""}
        </Text>
      </Group>
      {isRunning ? (
        <div role="status">
          <Timeline active={upgrade.steps.length} bulletSize={20} mt="sm">
            {upgrade.steps.map((step, at) => (
              <Timeline.Item
                key={`${step.phase}${step.began_at}`}
                bullet={at === upgrade.steps.length - 1 ? <Loader size={10} color="white" /> : <IconCheck size={12} />}
                title={<Text size="sm">{PHASES[step.phase] ?? step.phase}</Text>}
              >
                {step.note ? (
                  <Text size="xs" c="dimmed">
                    {step.note}
                  </Text>
                ) : null}
              </Timeline.Item>
            ))}
          </Timeline>
        </div>
      ) : null}
      {upgrade.message && upgrade.status !== "done" && upgrade.status !== "unchanged" && !isRunning ? (
        <Alert
          color={upgrade.status === "rolled_back" ? "orange" : "red"}
          icon={<IconAlertTriangle size={18} />}
          mt="xs"
        >
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {upgrade.message}
          </Text>
          {upgrade.remedy ? (
            <Text size="sm" c="dimmed">
              {upgrade.remedy}
            </Text>
          ) : null}
        </Alert>
      ) : null}
      {upgrade.status === "done" ? (
        <Text size="sm" mt={4}>
          {upgrade.image !== former
            ? `Write ${upgrade.image} into your compose file too, or the next “docker compose up” goes back to ${former}. `
            : ""}
          {upgrade.kept_until ? (
            <>
              The former containers are kept until <Time at={upgrade.kept_until} />.
            </>
          ) : null}
        </Text>
      ) : null}
      {(upgrade.status === "done" && upgrade.kept_until) || upgrade.status === "stuck" ? (
        <Group gap="xs" mt="xs">
          <Button size="xs" variant="light" onClick={() => setAsked("take-back")}>
            Take it back
          </Button>
          {upgrade.status === "done" ? (
            <Button size="xs" variant="subtle" color="red" onClick={() => setAsked("clear")}>
              Remove the former containers
            </Button>
          ) : null}
        </Group>
      ) : null}
      {asked ? <ActDialog upgrade={upgrade} act={asked} close={() => setAsked(undefined)} /> : null}
    </section>
  );
}

function UpgradeDialog({ image, count, close }: { image: string; count: number; close: () => void }) {
  const [wanted, setWanted] = useState("");
  const start = useMutation({
    mutationFn: () =>
      api.post<Schemas["StartUpgradeResponse"]>("/api/n8n/upgrades", wanted.trim() ? { image: wanted.trim() } : {}),
    onSuccess: () => {
      refresh();
      tell("The upgrade has begun.");
      close();
    },
  });
  const error = fieldError(start.error, "image");
  return (
    <Modal opened onClose={close} title="Upgrade n8n?">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate();
        }}
      >
        <Stack>
          <TextInput
            label="To"
            description="A version, or the whole image. Empty for the newest that the present name leads to."
            placeholder={image}
            value={wanted}
            onChange={(event) => setWanted(event.currentTarget.value)}
            error={error}
            data-autofocus
          />
          <Text size="sm">
            Flowkeep fetches the image, backs n8n up and restores that backup on trial. Only if that went well it stops{" "}
            {count === 1 ? "n8n" : `n8n's ${count} containers`}, backs up once more, and makes the containers anew with
            all that you set. If n8n is not ready within ten minutes, the former containers and the former database come
            back.
          </Text>
          {start.error && !error ? (
            <Alert color="red" role="alert">
              {start.error.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={start.isPending}>
              Upgrade
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function ActDialog({ upgrade, act, close }: { upgrade: Upgrade; act: Act; close: () => void }) {
  const path = `/api/n8n/upgrades/${upgrade.id}`;
  const run = useMutation({
    mutationFn: async () => {
      await (act === "clear" ? api.remove(`${path}/former-containers`) : api.post(`${path}/take-back`));
    },
    onSuccess: () => {
      refresh();
      tell(act === "clear" ? "The former containers are removed." : "n8n goes back to what it was.");
      close();
    },
  });
  return (
    <Confirm
      title={act === "clear" ? "Remove the former containers?" : "Take the upgrade back?"}
      act={act === "clear" ? "Remove them" : "Take it back"}
      color="red"
      isPending={run.isPending}
      error={run.error}
      close={close}
      go={() => run.mutate()}
    >
      {act === "clear"
        ? "After that this upgrade cannot be taken back by a click. Volumes and backups stay."
        : "n8n stops, its former containers come back, and if the new version changed its database, so does the database of before: what n8n did since is then only in a backup."}
    </Confirm>
  );
}
