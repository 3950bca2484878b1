import { Alert, Button, Group, Text } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import { useNewer } from "./newer";

/** After an upgrade the page that is open is the old one. It goes on working as far as it can; nothing is lost unasked. */
export function NewerVersion() {
  const reason = useNewer();
  const { data } = useQuery(queries.health());
  // That a part is missing is said again.
  const [put, putOff] = useState<typeof reason>();
  return (
    <div role="status">
      {reason && reason !== put ? (
        <Alert mb="lg" icon={<IconRefresh size={18} />}>
          <Group justify="space-between" gap="sm">
            <Text size="sm">
              A newer Flowkeep is running{data ? ` (${data.version})` : ""}. Load this page anew to use it; what you
              have typed and not saved is lost by that.
            </Text>
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={() => putOff(reason)}>
                Later
              </Button>
              <Button size="xs" onClick={() => window.location.reload()}>
                Load anew
              </Button>
            </Group>
          </Group>
        </Alert>
      ) : null}
    </div>
  );
}
