import { Badge, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { LogoutEverywhere } from "./LogoutEverywhere";

const refresh = () => void queryClient.invalidateQueries({ queryKey: ["sessions"] });

export function SessionsCard() {
  const sessions = useQuery(queries.sessions());
  const [isAsking, setAsking] = useState(false);
  const revoke = useMutation({
    mutationFn: (id: string) => api.remove(`/api/auth/sessions/${id}`),
    onSuccess: refresh,
    onError: tellError,
  });
  const others = useMutation({
    mutationFn: () => api.post<Schemas["RevokedSessions"]>("/api/auth/sessions/revoke-others"),
    onSuccess: ({ revoked }) => {
      tell(revoked === 1 ? "The other session has ended." : `${revoked} other sessions have ended.`);
      setAsking(false);
      refresh();
    },
    onError: tellError,
  });
  const items = sessions.data?.items ?? [];
  return (
    <Card withBorder>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Sessions
        </Title>
        <Group gap="xs">
          {items.length > 1 ? (
            <Button variant="default" onClick={() => setAsking(true)}>
              End all others
            </Button>
          ) : null}
          <LogoutEverywhere />
        </Group>
      </Group>
      {sessions.isPending ? <Loading lines={2} /> : null}
      {sessions.isError ? <Failed error={sessions.error} /> : null}
      <Stack gap="xs" component="ul" style={{ listStyle: "none", padding: 0, margin: 0 }}>
        {items.map((session) => (
          <Group key={session.id} component="li" justify="space-between" wrap="nowrap">
            <div style={{ minWidth: 0 }}>
              <Group gap="xs">
                <Text size="sm" fw={550}>
                  {session.ip_address ?? "unknown address"}
                </Text>
                {session.is_current ? <Badge size="sm">this one</Badge> : null}
              </Group>
              <Text size="xs" c="dimmed" truncate>
                <Time at={session.last_seen_at} /> · {session.user_agent ?? "unknown program"}
              </Text>
            </div>
            {session.is_current ? null : (
              <Button variant="subtle" color="red" size="xs" onClick={() => revoke.mutate(session.id)}>
                End
              </Button>
            )}
          </Group>
        ))}
      </Stack>
      <Confirm
        title="End all other sessions?"
        act="End them"
        color="red"
        isOpen={isAsking}
        isPending={others.isPending}
        close={() => setAsking(false)}
        go={() => others.mutate()}
      >
        Everybody who is signed in elsewhere, you too, must sign in again there. This session stays.
      </Confirm>
    </Card>
  );
}
