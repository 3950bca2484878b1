import { Button, Group } from "@mantine/core";

/** Fetches the next page of a list, while there is one. */
export function Older({
  list,
}: {
  list: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
}) {
  if (!list.hasNextPage) return null;
  return (
    <Group justify="center" mt="md">
      <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
        Older ones
      </Button>
    </Group>
  );
}
