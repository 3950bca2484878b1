import { Alert, Button, Card, Code, Group, Modal, Stack, Text, Textarea, Title } from "@mantine/core";
import { IconLock, IconLockOpen } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";

type State = Schemas["BackupEncryption"];

const keep = (state: State) => {
  queryClient.setQueryData(queries.backupEncryption().queryKey, state);
  for (const key of ["recovery-kit", "overview", "settings"]) void queryClient.invalidateQueries({ queryKey: [key] });
};

/** Whether new backups are encrypted, and to what. */
export function BackupEncryptionCard() {
  const encryption = useQuery(queries.backupEncryption());
  const [asked, setAsked] = useState<"on" | "off" | "rotate" | null>(null);
  const { data } = encryption;
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Encrypted backups
        </Title>
        {data ? (
          <Group gap="xs">
            {data.enabled ? (
              <Button variant="default" onClick={() => setAsked("rotate")}>
                New key
              </Button>
            ) : null}
            <Button
              variant={data.enabled ? "default" : "filled"}
              leftSection={data.enabled ? <IconLockOpen size={16} /> : <IconLock size={16} />}
              onClick={() => setAsked(data.enabled ? "off" : "on")}
            >
              {data.enabled ? "Stop encrypting" : "Encrypt backups"}
            </Button>
          </Group>
        ) : null}
      </Group>
      {encryption.isPending ? <Loading lines={1} /> : null}
      {encryption.isError ? <Failed error={encryption.error} retry={() => void encryption.refetch()} /> : null}
      {data ? (
        <Stack gap="xs">
          <Text size="sm" c="dimmed" maw={680}>
            New backups are encrypted in the format of <b>age</b>, a public tool that opens them as well. The key is
            kept here among the secrets, and in the recovery kit: without either nobody opens them.
          </Text>
          <Text size="sm">
            {data.enabled ? (
              <>
                New backups are encrypted to <Code style={{ overflowWrap: "anywhere" }}>{data.public_key}</Code>
                {data.recipients.length > 0 ? ` and ${data.recipients.length} further keys` : ""}.
              </>
            ) : (
              "New backups are not encrypted."
            )}
            {data.former_keys > 0 ? ` ${data.former_keys} former keys are kept for older backups.` : ""}
          </Text>
        </Stack>
      ) : null}
      {data && asked === "rotate" ? <RotateDialog close={() => setAsked(null)} /> : null}
      {data && (asked === "on" || asked === "off") ? (
        <SwitchDialog state={data} enable={asked === "on"} close={() => setAsked(null)} />
      ) : null}
    </Card>
  );
}

function SwitchDialog({ state, enable, close }: { state: State; enable: boolean; close: () => void }) {
  const [text, setText] = useState(state.recipients.join("\n"));
  const change = useMutation({
    mutationFn: () =>
      api.put<State>("/api/backups/encryption", {
        enabled: enable,
        recipients: text
          .split("\n")
          .map((line) => line.trim())
          .filter(Boolean),
      }),
    onSuccess: (fresh) => {
      keep(fresh);
      tell(enable ? "New backups are encrypted. Make a new recovery kit now." : "New backups are not encrypted.");
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <Modal opened onClose={close} title={enable ? "Encrypt new backups?" : "Stop encrypting new backups?"}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">
            {enable
              ? "Backups that are there already stay as they are. Make a new recovery kit afterwards: it holds the key."
              : "Backups that are encrypted stay so, and their keys are kept."}
          </Text>
          {enable ? (
            <Textarea
              label="Further public keys"
              description="One a line, as age-keygen prints them; whoever has their private keys opens new backups too. May be empty."
              placeholder="age1…"
              autosize
              minRows={2}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              error={fieldError(change.error, "recipients")}
            />
          ) : null}
          {change.error && !fieldError(change.error, "recipients") ? (
            <Alert color="red" role="alert">
              {change.error.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={change.isPending}>
              {enable ? "Encrypt" : "Stop encrypting"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function RotateDialog({ close }: { close: () => void }) {
  const rotate = useMutation({
    mutationFn: () => api.post<State>("/api/backups/encryption/rotate"),
    onSuccess: (fresh) => {
      keep(fresh);
      tell("New backups are encrypted to a new key. Make a new recovery kit now.");
      close();
    },
    onError: tellError,
  });
  return (
    <Confirm
      title="Encrypt to a new key?"
      act="Make a new key"
      isPending={rotate.isPending}
      close={close}
      go={() => rotate.mutate()}
    >
      The present key is kept to open older backups. A recovery kit made before lacks the new key: make another.
    </Confirm>
  );
}
