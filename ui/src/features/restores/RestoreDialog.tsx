import { Switch, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell } from "../../components/notify";

/** Asks before a backup is restored beside what n8n uses. */
export function RestoreDialog({ backupId, close }: { backupId: number; close: () => void }) {
  const [isInactive, setInactive] = useState(true);
  const navigate = useNavigate();
  const start = useMutation({
    mutationFn: () =>
      api.post<Schemas["StartRestoreResponse"]>("/api/restores", { backup_id: backupId, inactive: isInactive }),
    onSuccess: ({ id }) => {
      tell(`Restore ${id} has begun.`);
      void queryClient.invalidateQueries({ queryKey: ["restores"] });
      void navigate({ to: "/restores" as never });
    },
  });
  return (
    <Confirm
      title={`Restore backup ${backupId}?`}
      act="Restore beside"
      isPending={start.isPending}
      error={start.error}
      close={close}
      go={() => start.mutate()}
    >
      <Text size="sm">
        It is restored into a new database on n8n's server and checked row by row. n8n goes on with what it has; you
        decide afterwards whether the two change places.
      </Text>
      <Switch
        label="Make every workflow inactive"
        description="So that none runs by itself when n8n starts on it; you switch on what is to run."
        checked={isInactive}
        onChange={(event) => setInactive(event.currentTarget.checked)}
      />
    </Confirm>
  );
}
