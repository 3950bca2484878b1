import { Alert, Button, Group, Text } from "@mantine/core";
import { IconRefresh } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import { useNewer } from "./newer";

/** After an upgrade the page that is open is the old one. It goes on working as far as it can; nothing is lost unasked. */
export function NewerVersion() {
  const isNewer = useNewer();
  const { data } = useQuery(queries.health());
  const [isLater, setLater] = useState(false);
  return (
    <div role="status">
      {isNewer && !isLater ? (
        <Alert mb="lg" icon={<IconRefresh size={18} />}>
          <Group justify="space-between" gap="sm">
            <Text size="sm">
              A newer Flowkeep is running{data ? ` (${data.version})` : ""}. Load this page anew to use it; what you
              have typed and not saved is lost by that.
            </Text>
            <Group gap="xs">
              <Button size="xs" variant="default" onClick={() => setLater(true)}>
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
