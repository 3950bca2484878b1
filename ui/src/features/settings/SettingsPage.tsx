import {
  Anchor,
  Badge,
  Button,
  Card,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  Stack,
  Switch,
  Table,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { IconKey } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { useAnchor } from "../../components/anchor";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { dateTime } from "../../lib/format";
import { zones } from "../schedules/when";
import { AboutCard } from "./AboutCard";
import { BackupEncryptionCard } from "./BackupEncryptionCard";
import { MigrationCard } from "./MigrationCard";
import { RecoveryCard } from "./RecoveryCard";

type Setting = Schemas["Setting"];

const GROUPS: Record<string, string> = {
  general: "General",
  n8n: "n8n",
  containers: "Containers",
  backups: "Backups",
  verification: "Proof",
  notifications: "Notifications",
  host: "Host",
  watchdog: "Watchdog",
  security: "Signing in",
};

export function SettingsPage() {
  const settings = useQuery(queries.settings());
  const items = settings.data?.items ?? [];
  return (
    <Page title="Settings" about="Everything has a default that is right for most.">
      {settings.isPending ? <Loading lines={6} /> : null}
      {settings.isError ? <Failed error={settings.error} retry={() => void settings.refetch()} /> : null}
      <Stack>
        {Object.entries(GROUPS).map(([category, title]) => {
          const group = items.filter((item) => item.category === category);
          return group.length === 0 ? null : (
            <Card withBorder key={category}>
              <Title order={2} size="h4" mb="sm">
                {title}
              </Title>
              <Stack gap="lg">
                {group.map((setting) => (
                  <Row key={`${setting.key}:${JSON.stringify(setting.value)}`} setting={setting} />
                ))}
                {category === "notifications" ? (
                  <Text size="sm">
                    How mail goes out is set up under{" "}
                    <Anchor component={Link} to="/email" size="sm" underline="always">
                      E-mail
                    </Anchor>
                    .
                  </Text>
                ) : null}
              </Stack>
            </Card>
          );
        })}
        <RecoveryCard />
        <BackupEncryptionCard />
        <Encryption />
        <MigrationCard />
        <AboutCard />
      </Stack>
    </Page>
  );
}

function Row({ setting }: { setting: Setting }) {
  const [value, setValue] = useState<unknown>(setting.value);
  const keep = () => void queryClient.invalidateQueries({ queryKey: ["settings"] });
  const save = useMutation({
    mutationFn: (next: unknown) => api.put<Setting>(`/api/settings/${setting.key}`, { value: next }),
    onSuccess: () => {
      tell(`${setting.title} is saved.`);
      keep();
    },
  });
  const reset = useMutation({
    mutationFn: () => api.remove(`/api/settings/${setting.key}`),
    onSuccess: keep,
    onError: tellError,
  });
  const isChanged = JSON.stringify(value) !== JSON.stringify(setting.value);
  const anchor = useAnchor<HTMLParagraphElement>(`setting-${setting.key}`);
  return (
    <Group align="flex-start" justify="space-between" gap="md">
      <div style={{ flex: "1 1 260px" }}>
        <Text fw={550} size="sm" {...anchor}>
          {setting.title}
        </Text>
        <Text size="xs" c="dimmed">
          {setting.description}
        </Text>
        {setting.is_set ? (
          <Text size="xs" c="dimmed" mt={2}>
            Changed <Time at={setting.updated_at} /> by {setting.updated_by ?? "nobody known"}; the default is{" "}
            {setting.default === null ? "nothing" : String(setting.default)}.
          </Text>
        ) : null}
      </div>
      <Group gap="xs" align="flex-start" wrap="nowrap">
        <Field
          setting={setting}
          value={value}
          change={setValue}
          save={save.mutate}
          error={save.error ? (fieldError(save.error, "value") ?? save.error.message) : undefined}
        />
        {isChanged && setting.kind.type !== "boolean" ? (
          <Button
            loading={save.isPending}
            onClick={() => save.mutate(Array.isArray(value) ? value.filter(Boolean) : value)}
          >
            Save
          </Button>
        ) : null}
        {setting.is_set && !isChanged ? (
          <Button variant="default" loading={reset.isPending} onClick={() => reset.mutate()}>
            Default
          </Button>
        ) : null}
      </Group>
    </Group>
  );
}

/** One value a line; the last may still be empty while it is typed. */
const lines = (text: string) => (text === "" ? null : text.split("\n").map((line) => line.trim()));

type FieldProps = {
  setting: Setting;
  value: unknown;
  change: (value: unknown) => void;
  save: (value: unknown) => void;
  error?: string;
};

function Field({ setting, value, change, save, error }: FieldProps): ReactNode {
  const { kind, title } = setting;
  switch (kind.type) {
    case "boolean":
      return (
        <Switch aria-label={title} checked={value === true} onChange={(event) => save(event.currentTarget.checked)} />
      );
    case "integer":
      return (
        <NumberInput
          aria-label={title}
          w={170}
          value={value as number}
          onChange={change}
          min={kind.min}
          max={kind.max}
          clampBehavior="none"
          allowDecimal={false}
          suffix={` ${kind.unit}`}
          error={error}
        />
      );
    case "choice":
      return (
        <Select
          aria-label={title}
          w={170}
          allowDeselect={false}
          data={kind.choices}
          value={value as string}
          onChange={change}
          error={error}
        />
      );
    case "time_zone":
      return (
        <Select
          aria-label={title}
          w={220}
          searchable
          allowDeselect={false}
          clearable={kind.is_optional}
          placeholder={kind.is_optional ? "learned by itself" : undefined}
          data={zones()}
          value={value === "" ? null : (value as string)}
          onChange={(zone) => change(zone ?? "")}
          error={error}
        />
      );
    case "text":
      return (
        <TextInput
          aria-label={title}
          w={320}
          placeholder={kind.example}
          value={(value as string | null) ?? ""}
          onChange={(event) => change(event.currentTarget.value.trim())}
          error={error}
        />
      );
    case "paths":
      return (
        <Textarea
          aria-label={title}
          w={320}
          autosize
          minRows={2}
          placeholder="/home/node/.n8n"
          value={Array.isArray(value) ? value.join("\n") : ""}
          onChange={(event) => change(lines(event.currentTarget.value))}
          error={error}
        />
      );
    default:
      return (
        <PasswordInput
          aria-label={title}
          w={220}
          placeholder={setting.is_set ? "saved; type to replace it" : ""}
          value={(value as string | null) ?? ""}
          onChange={(event) => change(event.currentTarget.value)}
          error={error}
        />
      );
  }
}

function Encryption() {
  const encryption = useQuery(queries.encryption());
  const [isAsking, setAsking] = useState(false);
  const rotate = useMutation({
    mutationFn: () => api.post<Schemas["Encryption"]>("/api/settings/encryption/rotate"),
    onSuccess: (fresh) => {
      queryClient.setQueryData(queries.encryption().queryKey, fresh);
      setAsking(false);
      tell("Every secret is encrypted under a new key.");
    },
    onError: tellError,
  });
  const { data } = encryption;
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Encryption
        </Title>
        <Button variant="default" leftSection={<IconKey size={16} />} onClick={() => setAsking(true)}>
          New key
        </Button>
      </Group>
      {encryption.isPending ? <Loading lines={2} /> : null}
      {encryption.isError ? <Failed error={encryption.error} /> : null}
      {data ? (
        <>
          <Text size="sm" c="dimmed" mb="sm" style={{ overflowWrap: "anywhere" }}>
            {data.encrypted_values} secrets are encrypted. The master key comes from{" "}
            {data.master_key.path ?? "the environment"}: keep a copy of it elsewhere, without it nobody can read them.
          </Text>
          <Table.ScrollContainer
            minWidth={480}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Keys" } }}
          >
            <Table verticalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Key</Table.Th>
                  <Table.Th>Made</Table.Th>
                  <Table.Th>State</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {data.keys.map((key) => (
                  <Table.Tr key={key.key_id}>
                    <Table.Td ff="monospace">{key.key_id.slice(0, 12)}</Table.Td>
                    <Table.Td>{dateTime(key.created_at)}</Table.Td>
                    <Table.Td>
                      <Badge variant="light" color={key.is_active ? "teal" : "gray"}>
                        {key.is_active ? "in use" : "replaced"}
                      </Badge>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      ) : null}
      <Confirm
        title="Encrypt under a new key?"
        act="Make a new key"
        isOpen={isAsking}
        isPending={rotate.isPending}
        close={() => setAsking(false)}
        go={() => rotate.mutate()}
      >
        Every secret is encrypted anew in one step. The old key stays for backups of this database; the master key stays
        the same.
      </Confirm>
    </Card>
  );
}
