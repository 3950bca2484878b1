import { Alert, Text } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import type { Schemas } from "../../api/client";
import { duration } from "../../lib/format";
import { PrivateNetworks } from "./PrivateNetworks";

/** What became of a test message, or why none could be sent. */
export function TestResult({
  result,
  error,
  again,
}: {
  result: Schemas["NotificationTest"] | undefined;
  error?: Error | null;
  again: () => void;
}) {
  const shown = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // It may be below what is seen of a long form.
    if (result || error) shown.current?.scrollIntoView({ block: "nearest" });
  }, [result, error]);
  if (!result && !error) return null;
  const reason = error?.message ?? result?.error;
  if (result?.is_delivered) {
    return (
      <Alert ref={shown} color="teal" icon={<IconCheck size={18} />} title="Delivered" role="status">
        <Text size="sm">
          It was taken in {duration(result.duration_ms)}
          {result.status ? `, with status ${result.status}` : ""}. Look whether it arrived.
        </Text>
      </Alert>
    );
  }
  return (
    <Alert ref={shown} color="red" icon={<IconAlertTriangle size={18} />} title="Not delivered" role="alert">
      <Text size="sm" style={{ overflowWrap: "anywhere" }}>
        {reason}
      </Text>
      {result ? (
        <Text size="xs" c="dimmed" mt={4}>
          After {duration(result.duration_ms)}
          {result.status ? `, status ${result.status}` : ""}.
        </Text>
      ) : null}
      <PrivateNetworks message={reason} goOn={again} />
    </Alert>
  );
}
