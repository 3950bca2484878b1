import { Alert, Badge, Button, Card, Group, Modal, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";

type Access = Schemas["N8nApiAccess"];
type Report = Schemas["N8nApiReport"];

const SCOPES = [
  "workflow:list",
  "workflow:read",
  "workflow:create",
  "workflow:update",
  "workflow:delete",
  "workflow:deactivate",
  "workflowTags:update",
  "tag:list",
  "tag:create",
];

/** The access to n8n's public API. */
export function ApiCard() {
  const access = useQuery(queries.n8nApi());
  return (
    <Card withBorder>
      <Group gap="xs" mb={4}>
        <Title order={2} size="h4">
          n8n's API
        </Title>
        {access.data ? (
          <Badge color={access.data.has_key ? "teal" : "gray"} variant="light">
            {access.data.has_key ? "key saved" : "not set"}
          </Badge>
        ) : null}
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        With it Flowkeep puts workflows back the way n8n does it itself. Without it they go straight into n8n's
        database, and one that is active cannot be overwritten.
      </Text>
      {access.isPending ? <Loading lines={2} /> : null}
      {access.isError ? <Failed error={access.error} retry={() => void access.refetch()} /> : null}
      {access.data ? <Form key={access.data.url ?? ""} access={access.data} /> : null}
    </Card>
  );
}

function Form({ access }: { access: Access }) {
  const [url, setUrl] = useState(access.url ?? "");
  const [key, setKey] = useState("");
  const [isAsking, setAsking] = useState(false);
  const given = { url: url.trim(), ...(key ? { key } : {}) };
  const test = useMutation({
    mutationFn: () => {
      save.reset();
      return api.post<Report>("/api/n8n/api/test", given);
    },
  });
  const save = useMutation({
    mutationFn: () => {
      test.reset();
      return api.put<Access>("/api/n8n/api", given);
    },
    onSuccess: (saved) => {
      queryClient.setQueryData(queries.n8nApi().queryKey, saved);
      void queryClient.invalidateQueries({ queryKey: ["flows"] });
      setKey("");
      tell("The access to n8n's API is saved.");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const error = save.error ?? test.error;
  const urlError = fieldError(error, "url");
  const keyError = fieldError(error, "key");
  const isUsable = url.trim() !== "" && (key !== "" || access.has_key);
  return (
    <form onSubmit={submit}>
      <Stack>
        {error && !urlError && !keyError ? (
          <Alert color="red" role="alert">
            {error.message}
          </Alert>
        ) : null}
        <TextInput
          label="n8n's address"
          placeholder="http://n8n:5678"
          value={url}
          onChange={(event) => setUrl(event.currentTarget.value)}
          error={urlError}
          autoComplete="off"
        />
        <PasswordInput
          label="API key"
          description="Made in n8n under Settings, n8n API. It is kept encrypted."
          placeholder={access.has_key ? "saved; type to replace it" : ""}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
          error={keyError}
          autoComplete="off"
        />
        <Text size="sm" c="dimmed">
          n8n 2 asks for scopes. The key needs{" "}
          {SCOPES.map((scope, at) => (
            <span key={scope}>
              {at > 0 ? ", " : ""}
              <code style={{ overflowWrap: "anywhere" }}>{scope}</code>
            </span>
          ))}
          .
        </Text>
        {test.data ? <Outcome report={test.data} /> : null}
        <Group>
          <Button type="submit" loading={save.isPending} disabled={!isUsable}>
            Save the access
          </Button>
          <Button variant="default" loading={test.isPending} disabled={!isUsable} onClick={() => test.mutate()}>
            Test the access
          </Button>
          {access.has_key ? (
            <Button variant="subtle" color="red" onClick={() => setAsking(true)}>
              Forget
            </Button>
          ) : null}
        </Group>
      </Stack>
      {isAsking ? <ForgetDialog close={() => setAsking(false)} /> : null}
    </form>
  );
}

function Outcome({ report }: { report: Report }) {
  const isWhole = report.ok && report.missing_scopes.length === 0;
  return (
    <Alert
      color={isWhole ? "teal" : report.ok ? "orange" : "red"}
      role="status"
      title={isWhole ? "It works" : report.ok ? "It works in part" : "It does not work yet"}
    >
      <Stack gap={4}>
        {report.message ? <Text size="sm">{report.message}</Text> : null}
        {report.missing_scopes.length > 0 ? (
          <Text size="sm">
            The key lacks <b>{report.missing_scopes.join(", ")}</b>. Give it these in n8n under Settings, n8n API.
          </Text>
        ) : null}
        {isWhole && !report.message ? <Text size="sm">n8n answers, and the key may do all that is needed.</Text> : null}
      </Stack>
    </Alert>
  );
}

function ForgetDialog({ close }: { close: () => void }) {
  const forget = useMutation({
    mutationFn: () => api.remove("/api/n8n/api"),
    onSuccess: () => {
      for (const key of ["n8n-api", "flows"]) void queryClient.invalidateQueries({ queryKey: [key] });
      tell("The access to n8n's API is forgotten.");
      close();
    },
    onError: tellError,
  });
  return (
    <Modal opened onClose={close} title="Forget n8n's API?">
      <Text size="sm">
        Address and key are forgotten here. The key itself stays in n8n until you delete it there. Workflows are then
        put straight into n8n's database.
      </Text>
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={close}>
          Keep it
        </Button>
        <Button color="red" loading={forget.isPending} onClick={() => forget.mutate()}>
          Forget it
        </Button>
      </Group>
    </Modal>
  );
}
