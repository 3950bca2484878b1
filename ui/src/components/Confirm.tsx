import { Alert, Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** Asks before something is done: what will happen, the way out, and the act. */
export function Confirm({
  title,
  act,
  keep = "Leave it",
  color,
  isOpen = true,
  isDisabled,
  isPending,
  error,
  close,
  go,
  children,
}: {
  title: string;
  /** What the act is called. */
  act: string;
  /** What leaving it is called. */
  keep?: string;
  /** Red for what cannot be undone or takes something away. */
  color?: string;
  isOpen?: boolean;
  isDisabled?: boolean;
  isPending: boolean;
  /** Why it failed, where the dialog stays open. */
  error?: Error | null;
  close: () => void;
  go: () => void;
  children: ReactNode;
}) {
  return (
    <Modal opened={isOpen} onClose={close} title={title}>
      <Stack>
        {typeof children === "string" ? <Text size="sm">{children}</Text> : children}
        {error ? (
          <Alert color="red" role="alert">
            {error.message}
          </Alert>
        ) : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {keep}
          </Button>
          <Button color={color} loading={isPending} disabled={isDisabled} onClick={go}>
            {act}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
