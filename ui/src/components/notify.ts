import { notifications } from "@mantine/notifications";

const closeButtonProps = { "aria-label": "Close" };

/** The one place where a failed act is told in passing. Forms show their errors themselves. */
export function tellError(error: unknown) {
  notifications.show({
    closeButtonProps,
    color: "red",
    title: "That did not work",
    message: error instanceof Error ? error.message : String(error),
  });
}

export function tell(message: string) {
  notifications.show({ closeButtonProps, color: "keep", message });
}
