import { ActionIcon, Badge, Button, Group, Indicator, Popover, ScrollArea, Stack, Text } from "@mantine/core";
import { IconBell } from "@tabler/icons-react";
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import classes from "./Bell.module.css";
import { useLiveFeed } from "./feed";
import { type FeedItem, notificationQueries, refresh } from "./queries";
import { SEVERITY_COLORS } from "./words";

/** What happened lately, and how much of it nobody has looked at. */
export function Bell() {
  useLiveFeed();
  const [isOpen, setOpen] = useState(false);
  const feed = useInfiniteQuery(notificationQueries.feed());
  const items = feed.data?.pages.flatMap((page) => page.items) ?? [];
  const unseen = feed.data?.pages[0]?.unseen ?? 0;
  const newest = items[0]?.id;
  useSeen(isOpen, newest);
  const label = unseen === 0 ? "What happened" : `What happened, ${unseen} not seen`;
  return (
    <Indicator
      disabled={unseen === 0}
      label={unseen > 99 ? "99+" : unseen}
      size={17}
      color="red.8"
      offset={5}
      classNames={{ indicator: classes.count }}
    >
      <Popover
        opened={isOpen}
        onChange={setOpen}
        onClose={() => refresh("feed")}
        position="bottom-end"
        width="min(400px, calc(100vw - 24px))"
        trapFocus
        returnFocus
        shadow="md"
      >
        <Popover.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={label} onClick={() => setOpen(!isOpen)}>
            <IconBell size={19} stroke={1.7} />
          </ActionIcon>
        </Popover.Target>
        <Popover.Dropdown p={0} aria-label="What happened">
          <ScrollArea.Autosize mah="min(70vh, 520px)" viewportProps={{ tabIndex: 0, "aria-label": "Events" }}>
            <Stack gap={0}>
              {feed.isPending ? <Loading lines={3} /> : null}
              {feed.isError ? <Failed error={feed.error} retry={() => void feed.refetch()} /> : null}
              {feed.isSuccess && items.length === 0 ? (
                <Text size="sm" c="dimmed" p="md">
                  Nothing happened yet.
                </Text>
              ) : null}
              <ul className={classes.list}>
                {items.map((item) => (
                  <Item key={item.id} item={item} />
                ))}
              </ul>
            </Stack>
          </ScrollArea.Autosize>
          <Group justify="space-between" p="xs" className={classes.foot}>
            <Button
              size="compact-sm"
              variant="subtle"
              component={Link}
              to="/notifications/history"
              onClick={() => setOpen(false)}
            >
              What was told
            </Button>
            {feed.hasNextPage ? (
              <Button
                size="compact-sm"
                variant="subtle"
                loading={feed.isFetchingNextPage}
                onClick={() => void feed.fetchNextPage()}
              >
                Show more
              </Button>
            ) : null}
          </Group>
        </Popover.Dropdown>
      </Popover>
    </Indicator>
  );
}

/** Notes that somebody saw the newest, once it is shown. */
function useSeen(isOpen: boolean, newest: number | undefined) {
  useEffect(() => {
    if (!isOpen || newest === undefined) return;
    const { queryKey } = notificationQueries.feed();
    void api
      .post("/api/notifications/feed/seen", { id: newest })
      .then(() =>
        queryClient.setQueryData(queryKey, (before) =>
          before ? { ...before, pages: before.pages.map((page) => ({ ...page, unseen: 0 })) } : before,
        ),
      )
      // It is noted the next time.
      .catch(() => {});
  }, [isOpen, newest]);
}

function Item({ item }: { item: FeedItem }) {
  const isFresh = !item.is_seen && item.severity !== "info";
  return (
    <li className={classes.item} data-severity={item.severity} data-fresh={isFresh || undefined}>
      <Group justify="space-between" gap="xs" wrap="nowrap" align="flex-start">
        <Text size="sm" fw={isFresh ? 650 : 500} style={{ overflowWrap: "anywhere" }}>
          {item.title}
        </Text>
        {item.severity === "info" ? null : (
          <Badge size="sm" variant="light" color={SEVERITY_COLORS[item.severity]} style={{ flexShrink: 0 }}>
            {item.severity}
          </Badge>
        )}
      </Group>
      {item.message ? (
        <Text size="xs" lineClamp={3} style={{ overflowWrap: "anywhere", whiteSpace: "pre-line" }}>
          {item.message}
        </Text>
      ) : null}
      <Text size="xs" c="dimmed">
        <Time at={item.occurred_at} />
      </Text>
    </li>
  );
}
