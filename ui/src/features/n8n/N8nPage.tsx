import {
  Alert,
  Badge,
  Button,
  Card,
  Grid,
  Group,
  Modal,
  PasswordInput,
  Stack,
  Table,
  Text,
  Title,
} from "@mantine/core";
import { IconFlask, IconPlugConnected } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { bytes, count, duration } from "../../lib/format";
import { ApiCard } from "./ApiCard";
import { UpgradeCard } from "./UpgradeCard";

type Connection = Schemas["N8nConnection"];
type Report = Schemas["N8nTestReport"];

const keep = (connection: Connection) => {
  queryClient.setQueryData(queries.connection().queryKey, connection);
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
};

export function N8nPage() {
  const connection = useQuery(queries.connection());
  return (
    <Page title="n8n" about="Where n8n keeps its data, and the key that opens its credentials.">
      {connection.isPending ? <Loading /> : null}
      {connection.isError ? <Failed error={connection.error} retry={() => void connection.refetch()} /> : null}
      {connection.data ? <Shown connection={connection.data} /> : null}
    </Page>
  );
}

function Shown({ connection }: { connection: Connection }) {
  const [url, setUrl] = useState("");
  const [key, setKey] = useState("");
  const given = { ...(url ? { database_url: url } : {}), ...(key ? { encryption_key: key } : {}) };
  const test = useMutation({ mutationFn: () => api.post<Report>("/api/n8n/connection/test", given) });
  const save = useMutation({
    mutationFn: () => api.put<Connection>("/api/n8n/connection", given),
    onSuccess: (saved) => {
      keep(saved);
      setUrl("");
      setKey("");
      tell("The connection is saved.");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const error = save.error ?? test.error;
  const urlError = fieldError(error, "database_url");
  const keyError = fieldError(error, "encryption_key") ?? fieldError(error, "value");
  const report = test.data ?? connection.last_test;
  const isGiven = url !== "" || key !== "";
  return (
    <Grid>
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack>
          {connection.is_configured ? <Saved connection={connection} /> : null}
          <Card withBorder>
            <Title order={2} size="h4" mb="sm">
              {connection.is_configured ? "Change the connection" : "Connect your n8n"}
            </Title>
            <form onSubmit={submit}>
              <Stack>
                {error && !urlError && !keyError ? (
                  <Alert color="red" role="alert">
                    {error.message}
                  </Alert>
                ) : null}
                <PasswordInput
                  label="Database URL"
                  description="postgres://user:password@host:5432/n8n – n8n has the parts in DB_POSTGRESDB_USER, _PASSWORD, _HOST, _PORT and _DATABASE."
                  placeholder={
                    connection.is_configured ? "saved; type to replace it" : "postgres://n8n:…@127.0.0.1:5432/n8n"
                  }
                  autoComplete="off"
                  value={url}
                  onChange={(event) => setUrl(event.currentTarget.value)}
                  error={urlError}
                  required={!connection.is_configured}
                />
                <PasswordInput
                  label="Encryption key"
                  description="encryptionKey in n8n's .n8n/config, or N8N_ENCRYPTION_KEY. Without it a restored n8n cannot open its credentials."
                  placeholder={connection.has_encryption_key ? "saved; type to replace it" : ""}
                  autoComplete="off"
                  value={key}
                  onChange={(event) => setKey(event.currentTarget.value)}
                  error={keyError}
                />
                <Group>
                  <Button type="submit" loading={save.isPending} disabled={!isGiven}>
                    Save
                  </Button>
                  <Button
                    variant="default"
                    loading={test.isPending}
                    disabled={!isGiven && !connection.is_configured}
                    onClick={() => test.mutate()}
                  >
                    Test
                  </Button>
                </Group>
              </Stack>
            </form>
          </Card>
          <ApiCard />
          {connection.is_configured ? <UpgradeCard /> : null}
          {connection.sample_available && !connection.is_sample ? (
            <SampleOffer isConfigured={connection.is_configured} />
          ) : null}
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>{report ? <TestReport report={report} /> : null}</Grid.Col>
    </Grid>
  );
}

function Saved({ connection }: { connection: Connection }) {
  const [isAsking, setAsking] = useState(false);
  const disconnect = useMutation({
    mutationFn: () => api.remove("/api/n8n/connection"),
    onSuccess: () => {
      setAsking(false);
      void queryClient.invalidateQueries();
    },
    onError: tellError,
  });
  const { database } = connection;
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div>
          <Group gap="xs">
            <Title order={2} size="h4">
              Connected
            </Title>
            {connection.is_sample ? (
              <Badge color="grape" variant="light">
                Sample
              </Badge>
            ) : null}
            <Badge color={connection.has_encryption_key ? "teal" : "orange"} variant="light">
              {connection.has_encryption_key ? "key saved" : "no key saved"}
            </Badge>
          </Group>
          <Text size="sm" c="dimmed" mt={4} style={{ overflowWrap: "anywhere" }}>
            {database?.database} as {database?.user} at {database?.host}:{database?.port}
          </Text>
        </div>
        <Group gap="xs">
          <Button component={Link} to="/backups" variant="light" size="xs">
            To the backups
          </Button>
          <Button variant="subtle" color="red" size="xs" onClick={() => setAsking(true)}>
            Disconnect
          </Button>
        </Group>
      </Group>
      <Modal opened={isAsking} onClose={() => setAsking(false)} title="Disconnect n8n?">
        <Text size="sm">
          The saved URL and key are forgotten. Backups that were made stay; n8n itself is not touched.
        </Text>
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={() => setAsking(false)}>
            Stay connected
          </Button>
          <Button color="red" loading={disconnect.isPending} onClick={() => disconnect.mutate()}>
            Disconnect
          </Button>
        </Group>
      </Modal>
    </Card>
  );
}

function SampleOffer({ isConfigured }: { isConfigured: boolean }) {
  const create = useMutation({
    mutationFn: () => api.post<Connection>("/api/n8n/sample"),
    onSuccess: (saved) => {
      keep(saved);
      tell("The sample n8n is ready to be backed up.");
    },
    onError: tellError,
  });
  return (
    <Card withBorder>
      <Group justify="space-between">
        <div>
          <Title order={2} size="h4">
            Just looking?
          </Title>
          <Text size="sm" c="dimmed" mt={4} maw={420}>
            A small n8n 2.41 with workflows, a credential and executions, in Flowkeep's own PostgreSQL.
            {isConfigured ? " It takes the place of the present connection." : ""}
          </Text>
        </div>
        <Button
          variant="light"
          leftSection={<IconFlask size={16} />}
          loading={create.isPending}
          onClick={() => create.mutate()}
        >
          Use the sample
        </Button>
      </Group>
    </Card>
  );
}

function TestReport({ report }: { report: Report }) {
  const facts: [string, string][] = [
    ["n8n", report.n8n_version ?? "–"],
    ["PostgreSQL", report.server_version ?? "–"],
    ["Database", bytes(report.database_size_bytes)],
    ["Workflows", `${count(report.workflow_count)} (${count(report.active_workflow_count)} active)`],
    ["Credentials", count(report.credential_count)],
    ["Executions", count(report.execution_count)],
    ["Dumped by", report.client ? `pg_dump ${report.client.version}` : "–"],
    ["Key", report.key_check?.detail ?? "–"],
  ];
  return (
    <Card withBorder role="status" aria-label="Test report">
      <Group gap="xs" mb="xs">
        <IconPlugConnected size={20} aria-hidden />
        <Title order={2} size="h4">
          {report.ok ? "It works" : "It does not work yet"}
        </Title>
        <Text size="xs" c="dimmed">
          {duration(report.duration_ms)}
        </Text>
      </Group>
      <Stack gap="xs">
        {report.problems.map((problem) => (
          <Alert key={problem.code} color={problem.severity === "error" ? "red" : "orange"} title={problem.message}>
            {problem.remedy}
          </Alert>
        ))}
        {report.n8n_version ? (
          <Table variant="vertical" layout="fixed" withRowBorders={false} verticalSpacing={5}>
            <Table.Tbody>
              {facts.map(([name, value]) => (
                <Table.Tr key={name}>
                  <Table.Th w={110} bg="transparent" fw={500}>
                    {name}
                  </Table.Th>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        ) : null}
      </Stack>
    </Card>
  );
}
