import { Button, Group, Stack, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";

const isPrivate = (message: string) => /is a private address/i.test(message);

/** Where an address was refused because it is private: asks, allows such addresses, and goes on. */
export function PrivateNetworks({ message, goOn }: { message: string | null | undefined; goOn: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const allow = useMutation({
    mutationFn: () => api.put("/api/settings/notifications.allow_private_networks", { value: true }),
    onSuccess: () => {
      void queryClient.invalidateQueries({ queryKey: ["settings"] });
      tell("Private networks are allowed.");
      setAsking(false);
      goOn();
    },
    onError: tellError,
  });
  if (!message || !isPrivate(message)) return null;
  if (!isAsking) {
    return (
      <Button size="xs" variant="default" mt="xs" onClick={() => setAsking(true)}>
        Allow private networks
      </Button>
    );
  }
  return (
    <Stack gap="xs" mt="xs" role="group" aria-label="Allow private networks?">
      <Text size="sm">
        Every notification and e-mail may then go to this machine and the networks around it. That is right at home or
        in a company. Leave it where people can sign in here who must not reach those networks. It can be taken back
        under Settings.
      </Text>
      <Group gap="xs">
        <Button size="xs" loading={allow.isPending} onClick={() => allow.mutate()}>
          Allow and try again
        </Button>
        <Button size="xs" variant="default" onClick={() => setAsking(false)}>
          Leave it
        </Button>
      </Group>
    </Stack>
  );
}
