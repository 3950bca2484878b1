import {
  Alert,
  Badge,
  Button,
  Card,
  Collapse,
  Group,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { api, fieldError } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import type { Fault } from "./EmailPage";
import { ProviderFields, ServerFields } from "./ProviderFields";
import { ProviderPicker } from "./ProviderPicker";
import { draftOf, EMPTY_SERVER, type EmailDraft, PROVIDERS, requestOf, serverOf } from "./providers";
import { type EmailConfig, emailQueries } from "./queries";

const FIELDS = [
  "provider",
  "from_email",
  "from_name",
  "reply_to",
  "to",
  "smtp_host",
  "smtp_port",
  "security",
  "username",
  "password",
  "region",
];
const MORE = ["reply_to", "smtp_host", "smtp_port", "security"];

/** Who carries the mail, from whom and to whom. */
export function ConfigCard({
  config,
  fault,
  setFault,
}: {
  config: EmailConfig;
  fault: Fault | undefined;
  setFault: (fault: Fault | undefined) => void;
}) {
  const [draft, setDraft] = useState(() => draftOf(config));
  const [isMore, more] = useDisclosure(Boolean(config.reply_to));
  // What a check or a test found at fault is to be seen.
  const openMore = more.open;
  useEffect(() => {
    if (fault && MORE.includes(fault.field)) openMore();
  }, [fault, openMore]);
  const set = (change: Partial<EmailDraft>) => setDraft((before) => ({ ...before, ...change }));
  const needs = PROVIDERS[draft.provider];
  const save = useMutation({
    mutationFn: () => api.put<EmailConfig>("/api/email/config", requestOf(draft)),
    onMutate: () => setFault(undefined),
    onSuccess: (fresh) => {
      queryClient.setQueryData(emailQueries.config().queryKey, fresh);
      setDraft(draftOf(fresh));
      tell(fresh.is_enabled ? "E-mail is set up. Send a test." : "It is saved; e-mail is switched off.");
    },
    onError: (error) => {
      if (MORE.some((field) => fieldError(error, field))) more.open();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const wrong = (field: string) => fieldError(save.error, field) ?? (fault?.field === field ? fault.reason : undefined);
  const isUnexplained = save.error && !FIELDS.some((field) => fieldError(save.error, field));
  const isKept = config.has_password && config.provider === draft.provider;
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Group gap="xs">
          <Title order={2} size="h4">
            How mail goes out
          </Title>
          <Badge variant="light" color={config.is_set && config.is_enabled ? "teal" : "gray"}>
            {config.is_set ? (config.is_enabled ? "In use" : "Switched off") : "Not set up"}
          </Badge>
        </Group>
        <Switch
          label="Switched on"
          description={draft.is_enabled === (config.is_set && config.is_enabled) ? undefined : "From when you save."}
          checked={draft.is_enabled}
          onChange={(event) => set({ is_enabled: event.currentTarget.checked })}
        />
      </Group>
      <form onSubmit={submit} noValidate>
        <Stack>
          <ProviderPicker
            value={draft.provider}
            change={(provider) => {
              save.reset();
              set(provider === config.provider ? serverOf(draftOf(config)) : { ...EMPTY_SERVER, provider });
            }}
          />
          <Text size="sm" c="dimmed">
            {needs.help}
          </Text>
          <ProviderFields draft={draft} set={set} wrong={wrong} isKept={isKept} />
          <Group grow align="flex-start" preventGrowOverflow={false}>
            <TextInput
              label="From"
              withAsterisk
              type="email"
              placeholder="flowkeep@example.com"
              value={draft.from_email}
              onChange={(event) => set({ from_email: event.currentTarget.value })}
              error={wrong("from_email")}
            />
            <TextInput
              label="Shown as"
              placeholder="Flowkeep"
              value={draft.from_name}
              onChange={(event) => set({ from_name: event.currentTarget.value })}
              error={wrong("from_name")}
            />
          </Group>
          <TagsInput
            label="To"
            description="Who gets mail that names nobody else. Enter or a comma after each; 20 at most."
            placeholder={draft.to.length === 0 ? "admin@example.com" : undefined}
            value={draft.to}
            onChange={(to) => set({ to })}
            splitChars={[",", ";", " "]}
            acceptValueOnBlur
            error={wrong("to")}
          />
          <div>
            <Button size="compact-sm" variant="subtle" onClick={more.toggle} aria-expanded={isMore}>
              {isMore ? "Less" : "More"}
            </Button>
            <Collapse expanded={isMore}>
              <Stack mt="xs">
                <TextInput
                  label="Answers to"
                  type="email"
                  description="Empty: to the sender."
                  value={draft.reply_to}
                  onChange={(event) => set({ reply_to: event.currentTarget.value })}
                  error={wrong("reply_to")}
                />
                {needs.hasOwnServer ? null : <ServerFields draft={draft} set={set} wrong={wrong} />}
                <Switch
                  label="Check the certificate"
                  description="Off only for a server of your own whose certificate nobody knows: others could listen."
                  checked={draft.verify_certificate}
                  onChange={(event) => set({ verify_certificate: event.currentTarget.checked })}
                />
              </Stack>
            </Collapse>
          </div>
          {isUnexplained ? (
            <Alert color="red" role="alert">
              {save.error.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}
