import {
  Alert,
  Anchor,
  Button,
  Collapse,
  Group,
  NumberInput,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { tell } from "../../components/notify";
import { Fields } from "./FieldInput";
import { PrivateNetworks } from "./PrivateNetworks";
import { refresh } from "./queries";
import { configOf, type Kind, requestOf, type Service, type ServiceDraft } from "./services";
import { TestResult } from "./TestResult";

const OWN = ["name", "priority", "tags"];

/** The form of a kind of service, made of what the server says that it asks for. */
export function ServiceForm({
  kind,
  begin,
  service,
  close,
  back,
}: {
  kind: Kind;
  begin: ServiceDraft;
  /** The one that is changed; none if it is new. */
  service?: Service;
  close: () => void;
  back?: () => void;
}) {
  const [draft, setDraft] = useState(begin);
  const [isMore, more] = useDisclosure(false);
  const set = (change: Partial<ServiceDraft>) => setDraft((before) => ({ ...before, ...change }));
  const path = "/api/notifications/services";
  const save = useMutation({
    mutationFn: () => {
      const body = requestOf(kind, draft);
      return service ? api.put<Service>(`${path}/${service.id}`, body) : api.post<Service>(path, body);
    },
    onSuccess: ({ name }) => {
      tell(`${name} is saved.`);
      refresh("services");
      close();
    },
  });
  const test = useMutation({
    mutationFn: () => {
      const body = { service_type: kind.service_type, config: configOf(kind, draft), id: service?.id ?? null };
      return api.post<Schemas["NotificationTest"]>(`${path}/test`, body);
    },
    onMutate: () => save.reset(),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    test.reset();
    save.mutate();
  };
  const error = save.error ?? test.error;
  const unreached = (field: string) =>
    test.data?.field === field ? "Nothing was reached here; see below." : undefined;
  const wrong = (field: string) =>
    fieldError(error, field) ??
    fieldError(error, `config.${field}`) ??
    fieldError(error, `fields.${field}`) ??
    unreached(field);
  const isExplained = [...OWN, ...kind.fields.map((field) => field.key)].some((field) => wrong(field));
  return (
    <form onSubmit={submit} noValidate>
      <Stack>
        <TextInput
          label="Name"
          description="As rules and history call it."
          withAsterisk
          value={draft.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
          error={wrong("name")}
          data-autofocus
        />
        {kind.docs ? (
          <Text size="sm">
            <Anchor href={kind.docs} target="_blank" rel="noreferrer" size="sm">
              {kind.name}'s documentation
            </Anchor>
          </Text>
        ) : null}
        <Fields
          fields={kind.fields}
          values={draft.fields}
          kept={draft.kept}
          removed={draft.removed}
          change={(key, value) => setDraft((before) => ({ ...before, fields: { ...before.fields, [key]: value } }))}
          remove={(key, isRemoved) =>
            setDraft((before) => ({
              ...before,
              removed: isRemoved ? [...before.removed, key] : before.removed.filter((one) => one !== key),
            }))
          }
          wrong={wrong}
        />
        <div>
          <Button size="compact-sm" variant="subtle" onClick={more.toggle} aria-expanded={isMore}>
            {isMore ? "Less" : "More"}
          </Button>
          <Collapse expanded={isMore}>
            <Stack mt="xs">
              {kind.service_type === "email" ? null : (
                <Switch
                  label="Check the certificate"
                  description="Off only for a server of your own whose certificate nobody knows: others could listen."
                  checked={draft.verify}
                  onChange={(event) => set({ verify: event.currentTarget.checked })}
                />
              )}
              {kind.service_type === "apprise" ? (
                <TagsInput
                  label="Tags"
                  description="Words to find it by, as in Apprise's configuration."
                  value={draft.tags}
                  onChange={(tags) => set({ tags })}
                  error={wrong("tags")}
                />
              ) : null}
              <NumberInput
                label="As a stand-in"
                description="When another service cannot be reached, the one with the highest number is told instead."
                allowDecimal={false}
                clampBehavior="none"
                value={draft.priority}
                onChange={(value) => set({ priority: Number(value) })}
                error={wrong("priority")}
              />
            </Stack>
          </Collapse>
        </div>
        <TestResult result={test.data} error={test.error && !isExplained ? test.error : null} again={test.mutate} />
        {save.error && !isExplained ? (
          <Alert color="red" role="alert">
            <Text size="sm">{save.error.message}</Text>
            <PrivateNetworks message={save.error.message} goOn={save.mutate} />
          </Alert>
        ) : null}
        <Group justify="space-between">
          <Button variant="default" loading={test.isPending} onClick={() => test.mutate()}>
            Send a test
          </Button>
          <Group gap="xs">
            <Button variant="default" onClick={back ?? close}>
              {back ? "Back" : "Leave it"}
            </Button>
            <Button type="submit" loading={save.isPending}>
              {service ? "Save" : "Add"}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
