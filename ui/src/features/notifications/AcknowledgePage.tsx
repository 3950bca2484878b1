import { Alert, Badge, Button, Group, Stack, Text } from "@mantine/core";
import { IconCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError, api, type Schemas } from "../../api/client";
import { Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { AuthFrame } from "../auth/AuthFrame";
import { SEVERITY_COLORS } from "./words";

type Linked = Schemas["LinkedAlert"];

// Behind the # it is never sent by the browser, nor kept in any log.
const token = () => new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "";

/** Where the link of a message leads: whoever has it says that they take care. Nobody needs to sign in. */
export function AcknowledgePage() {
  const [link] = useState(token);
  const path = "/api/notifications/acknowledge";
  const check = useQuery({
    queryKey: ["acknowledge", link],
    queryFn: () => api.post<Linked>(`${path}/check`, { token: link }),
    retry: false,
    refetchOnWindowFocus: false,
  });
  const acknowledge = useMutation({ mutationFn: () => api.post<Linked>(path, { token: link }) });
  if (check.isError) {
    const isBad = check.error instanceof ApiError && check.error.status === 403;
    return (
      <AuthFrame title={isBad ? "This link does not work" : "This could not be loaded"}>
        <Stack mt="md">
          <Alert color="orange" role="alert">
            {check.error.message}
          </Alert>
          {isBad ? null : <Button onClick={() => void check.refetch()}>Try again</Button>}
          <Button component={Link} to="/notifications/alerts" variant="default">
            To the alerts
          </Button>
        </Stack>
      </AuthFrame>
    );
  }
  if (!check.data) {
    return (
      <AuthFrame title="Looking at the alert">
        <Loading lines={2} />
      </AuthFrame>
    );
  }
  const alert = acknowledge.data ?? check.data;
  return (
    <AuthFrame title={alert.status === "open" ? "Do you take care of this?" : "Nothing is left to do here"}>
      <Stack mt="md">
        <div>
          <Text fw={600} style={{ overflowWrap: "anywhere" }}>
            {alert.title}
          </Text>
          <Group gap="xs" mt={4}>
            <Badge variant="light" color={SEVERITY_COLORS[alert.severity] ?? "gray"}>
              {alert.severity}
            </Badge>
            <Text size="sm" c="dimmed">
              since <Time at={alert.opened_at} />
            </Text>
          </Group>
        </div>
        <State alert={alert} isMine={acknowledge.isSuccess} />
        {acknowledge.error ? (
          <Alert color="red" role="alert">
            {acknowledge.error.message}
          </Alert>
        ) : null}
        {alert.status === "open" ? (
          <Button size="lg" loading={acknowledge.isPending} onClick={() => acknowledge.mutate()}>
            Acknowledge
          </Button>
        ) : null}
      </Stack>
    </AuthFrame>
  );
}

function State({ alert, isMine }: { alert: Linked; isMine: boolean }) {
  if (alert.status === "open") {
    return <Text size="sm">If nobody does, Flowkeep goes on telling the next.</Text>;
  }
  const who = alert.closed_by ? ` by ${alert.closed_by}` : "";
  return (
    <Alert color="teal" icon={<IconCheck size={18} />} role="status">
      {isMine ? (
        "Thank you. Nobody further is told."
      ) : alert.status === "resolved" ? (
        "It is over: what was wrong is well again."
      ) : (
        <>
          It was acknowledged already{who}, <Time at={alert.closed_at} />.
        </>
      )}
    </Alert>
  );
}
