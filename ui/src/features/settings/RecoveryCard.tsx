import { Alert, Button, Card, Group, Modal, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { IconLifebuoy } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { ApiError, download, fieldError } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";

/** The kit with which a lost box comes back. */
export function RecoveryCard() {
  const kit = useQuery(queries.recoveryKit());
  const [isAsking, setAsking] = useState(false);
  const { data } = kit;
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Recovery kit
        </Title>
        <Button
          variant={data?.made_at && !data.is_outdated ? "default" : "filled"}
          leftSection={<IconLifebuoy size={16} />}
          onClick={() => setAsking(true)}
        >
          Make a kit
        </Button>
      </Group>
      {kit.isPending ? <Loading lines={1} /> : null}
      {kit.isError ? <Failed error={kit.error} retry={() => void kit.refetch()} /> : null}
      {data ? (
        <Stack gap="xs">
          <Text size="sm" c="dimmed" maw={680}>
            One file, encrypted with a passphrase, with what a lost box takes along: the master key, n8n's encryption
            key and connection, the settings, and a script that restores a backup without Flowkeep. Keep it away from
            this machine.
          </Text>
          {data.made_at === null || data.made_at === undefined ? (
            <Alert color="orange">
              <Text size="sm">None was made yet.</Text>
            </Alert>
          ) : (
            <Alert color={data.is_outdated ? "orange" : "teal"}>
              <Text size="sm">
                The newest was made <Time at={data.made_at} />
                {data.is_outdated ? "; a key or n8n's connection has changed since: make another." : "."}
              </Text>
            </Alert>
          )}
        </Stack>
      ) : null}
      {isAsking ? <MakeDialog close={() => setAsking(false)} /> : null}
    </Card>
  );
}

function MakeDialog({ close }: { close: () => void }) {
  const [passphrase, setPassphrase] = useState("");
  const [again, setAgain] = useState("");
  const make = useMutation({
    mutationFn: () => download("/api/recovery-kit", { passphrase }, "flowkeep-kit.tar.age"),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["recovery-kit"] });
      void queryClient.invalidateQueries({ queryKey: ["overview"] });
      tell("The kit is made. Keep it, and its passphrase, away from this machine.");
      close();
    },
  });
  const isDifferent = again !== "" && again !== passphrase;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (again === passphrase) make.mutate();
  };
  return (
    <Modal opened onClose={close} title="Make a recovery kit">
      <form onSubmit={submit}>
        <Stack>
          <PasswordInput
            label="Passphrase"
            description="At least 14 characters; five random words are good. It is not kept here."
            value={passphrase}
            onChange={(event) => setPassphrase(event.currentTarget.value)}
            error={fieldError(make.error, "passphrase")}
            autoComplete="new-password"
            data-autofocus
          />
          <PasswordInput
            label="Passphrase again"
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
            error={isDifferent ? "is not the same" : undefined}
            autoComplete="new-password"
          />
          {make.error && !(make.error instanceof ApiError && fieldError(make.error, "passphrase")) ? (
            <Text size="sm" c="red" role="alert">
              {make.error.message}
            </Text>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={make.isPending} disabled={passphrase === "" || again !== passphrase}>
              Make and download
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
