import { Alert, Button, Card, Code, Group, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";
import { duration } from "../../lib/format";
import { PrivateNetworks } from "../notifications/PrivateNetworks";
import type { Fault } from "./EmailPage";
import { SECURITIES } from "./providers";
import { type EmailConfig, emailQueries } from "./queries";
import { TestHistory } from "./TestHistory";

/** Whether the server can be reached, and whether mail arrives. Both with what is saved. */
export function TestCard({ config, setFault }: { config: EmailConfig; setFault: (fault: Fault | undefined) => void }) {
  const templates = useQuery(emailQueries.templates());
  const [to, setTo] = useState("");
  const [template, setTemplate] = useState("test_email");
  const note = (field: string | null | undefined, reason: string | null | undefined) =>
    setFault(field && reason ? { field, reason } : undefined);
  const check = useMutation({
    mutationFn: () => api.post<Schemas["EmailCheck"]>("/api/email/check"),
    onSuccess: ({ field, error }) => note(field, error),
  });
  const test = useMutation({
    mutationFn: () =>
      api.post<Schemas["EmailTestResult"]>("/api/email/test", { to: to.trim() || null, template_key: template }),
    onSuccess: ({ field, error }) => note(field, error),
    onSettled: () => void queryClient.invalidateQueries({ queryKey: ["email", "tests"] }),
  });
  // What the other came to says nothing any more.
  const run = (one: { mutate: () => void }, other: { reset: () => void }) => {
    other.reset();
    one.mutate();
  };
  const names = (templates.data?.items ?? []).map(({ key, name }) => ({ value: key, label: name }));
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div style={{ flex: "1 1 260px" }}>
          <Title order={2} size="h4">
            Does it work?
          </Title>
          <Text size="sm" c="dimmed" style={{ overflowWrap: "anywhere" }}>
            With what is saved: {config.effective_host}, port {config.effective_port},{" "}
            {SECURITIES[config.effective_security]}.
          </Text>
        </div>
        <Button variant="default" loading={check.isPending} onClick={() => run(check, test)}>
          Check connection
        </Button>
      </Group>
      <Stack mt="sm">
        <Group align="flex-end" gap="xs">
          <TextInput
            label="To"
            type="email"
            flex="1 1 200px"
            placeholder={config.to.join(", ") || "admin@example.com"}
            value={to}
            onChange={(event) => setTo(event.currentTarget.value)}
          />
          <Select
            label="Template"
            flex="1 1 160px"
            allowDeselect={false}
            data={names.length > 0 ? names : [{ value: "test_email", label: "Test" }]}
            value={template}
            onChange={(value) => setTemplate(value ?? template)}
          />
          <Button loading={test.isPending} onClick={() => run(test, check)}>
            Send a test
          </Button>
        </Group>
        {check.data ? (
          <Outcome
            isGood={check.data.is_ok}
            title={check.data.is_ok ? "The server lets Flowkeep in" : "It cannot be used"}
            ms={check.data.response_time_ms}
            reason={check.data.error}
            said={check.data.smtp_response}
            again={check.mutate}
          />
        ) : null}
        {test.data ? <TestOutcome result={test.data} again={test.mutate} /> : null}
        {(check.error ?? test.error) ? (
          <Outcome
            isGood={false}
            title="That did not work"
            reason={(check.error ?? test.error)?.message}
            again={check.error ? check.mutate : test.mutate}
          />
        ) : null}
        <TestHistory />
      </Stack>
    </Card>
  );
}

function TestOutcome({ result, again }: { result: Schemas["EmailTestResult"]; again: () => void }) {
  const isGood = result.status === "success";
  return (
    <Outcome
      isGood={isGood}
      title={isGood ? `Sent to ${result.recipient}` : "Not sent"}
      ms={result.response_time_ms}
      reason={isGood ? null : result.error}
      said={result.smtp_response}
      again={again}
    >
      {result.refused.length > 0 ? (
        <Text size="sm" component="div">
          Not taken for:{" "}
          {result.refused.map(({ recipient, response }) => (
            <div key={recipient}>
              {recipient}: {response}
            </div>
          ))}
        </Text>
      ) : null}
      {!isGood && result.is_transient ? <Text size="sm">Another try may go better.</Text> : null}
      {isGood ? <Text size="sm">Look whether it arrived, in the spam folder too.</Text> : null}
      {result.is_welcomed ? (
        <Text size="sm">It was the first, so the welcome went to the recipients that are saved.</Text>
      ) : null}
    </Outcome>
  );
}

function Outcome({
  isGood,
  title,
  ms,
  reason,
  said,
  again,
  children,
}: {
  isGood: boolean;
  title: string;
  ms?: number | null;
  reason?: string | null;
  said?: string | null;
  again: () => void;
  children?: ReactNode;
}) {
  return (
    <Alert
      color={isGood ? "teal" : "red"}
      icon={isGood ? <IconCheck size={18} /> : <IconAlertTriangle size={18} />}
      title={ms == null ? title : `${title}, ${duration(ms)}`}
      role={isGood ? "status" : "alert"}
    >
      <Stack gap={4}>
        {reason ? (
          <Text size="sm" style={{ overflowWrap: "anywhere" }}>
            {reason}
          </Text>
        ) : null}
        {children}
        {said ? (
          <Text size="xs">
            The server said: <Code>{said}</Code>
          </Text>
        ) : null}
        <PrivateNetworks message={reason} goOn={again} />
      </Stack>
    </Alert>
  );
}
