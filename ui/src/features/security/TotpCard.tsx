import {
  Alert,
  Badge,
  Button,
  Card,
  Code,
  CopyButton,
  Group,
  Image,
  Modal,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";

const refresh = () => void queryClient.invalidateQueries({ queryKey: ["session"] });

export function TotpCard() {
  const session = useQuery(queries.session());
  const user = session.data?.user;
  const [offer, setOffer] = useState<Schemas["TotpSetup"]>();
  const [codes, setCodes] = useState<string[]>();
  const begin = useMutation({
    mutationFn: () => api.post<Schemas["TotpSetup"]>("/api/auth/totp/setup"),
    onSuccess: setOffer,
    onError: tellError,
  });
  const disable = useMutation({
    mutationFn: () => api.post("/api/auth/totp/disable"),
    onSuccess: () => {
      tell("Two-step sign-in is off.");
      refresh();
    },
    onError: tellError,
  });
  const renew = useMutation({
    mutationFn: () => api.post<Schemas["RecoveryCodes"]>("/api/auth/totp/recovery-codes"),
    onSuccess: ({ recovery_codes }) => {
      setCodes(recovery_codes);
      refresh();
    },
    onError: tellError,
  });
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div>
          <Group gap="xs">
            <Title order={2} size="h4">
              Two-step sign-in
            </Title>
            <Badge variant="light" color={user?.totp_enabled ? "teal" : "gray"}>
              {user?.totp_enabled ? "on" : "off"}
            </Badge>
          </Group>
          <Text size="sm" c="dimmed" mt={4} maw={520}>
            {user?.totp_enabled
              ? `Signing in needs a code of your authenticator app. ${user.recovery_codes_left} recovery codes are left.`
              : "A code of an authenticator app, besides the password. A stolen password alone then opens nothing."}
          </Text>
        </div>
        <Group gap="xs">
          {user?.totp_enabled ? (
            <>
              <Button variant="default" loading={renew.isPending} onClick={() => renew.mutate()}>
                New recovery codes
              </Button>
              <Button variant="subtle" color="red" loading={disable.isPending} onClick={() => disable.mutate()}>
                Turn off
              </Button>
            </>
          ) : (
            <Button loading={begin.isPending} onClick={() => begin.mutate()}>
              Set up
            </Button>
          )}
        </Group>
      </Group>
      {offer ? (
        <Enrol
          offer={offer}
          close={() => setOffer(undefined)}
          done={(fresh) => {
            setOffer(undefined);
            setCodes(fresh);
            refresh();
          }}
        />
      ) : null}
      {codes ? <Codes codes={codes} close={() => setCodes(undefined)} /> : null}
    </Card>
  );
}

function Enrol({
  offer,
  close,
  done,
}: {
  offer: Schemas["TotpSetup"];
  close: () => void;
  done: (codes: string[]) => void;
}) {
  const [code, setCode] = useState("");
  const enable = useMutation({
    mutationFn: () => api.post<Schemas["RecoveryCodes"]>("/api/auth/totp/enable", { code: code.trim() }),
    onSuccess: ({ recovery_codes }) => done(recovery_codes),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    enable.mutate();
  };
  return (
    <Modal opened onClose={close} title="Set up two-step sign-in">
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">Scan this with your authenticator app, or type the secret into it.</Text>
          <Image
            src={`data:image/svg+xml;utf8,${encodeURIComponent(offer.qr_svg)}`}
            w={200}
            mx="auto"
            alt="QR code of the secret"
          />
          <Code block ta="center" data-testid="totp-secret">
            {offer.secret}
          </Code>
          {enable.error ? (
            <Alert color="red" role="alert">
              {enable.error.message}
            </Alert>
          ) : null}
          <TextInput
            label="The code it shows"
            inputMode="numeric"
            autoComplete="one-time-code"
            required
            data-autofocus
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={enable.isPending}>
              Turn on
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function Codes({ codes, close }: { codes: string[]; close: () => void }) {
  const text = codes.join("\n");
  return (
    <Modal
      opened
      onClose={close}
      closeOnClickOutside={false}
      closeOnEscape={false}
      withCloseButton={false}
      title="Your recovery codes"
    >
      <Stack>
        <Text size="sm">
          Each opens the door once when the app is lost. They are shown now and never again: keep them somewhere safe.
        </Text>
        <SimpleGrid cols={2} data-testid="recovery-codes">
          {codes.map((code) => (
            <Code key={code} block ta="center">
              {code}
            </Code>
          ))}
        </SimpleGrid>
        <Group justify="space-between">
          <Group gap="xs">
            <CopyButton value={text}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? "Copied" : "Copy"}
                </Button>
              )}
            </CopyButton>
            <Button
              component="a"
              variant="default"
              download="flowkeep-recovery-codes.txt"
              href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
            >
              Download
            </Button>
          </Group>
          <Button onClick={close}>I have kept them</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
