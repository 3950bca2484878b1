/** What happens, as it happens: one stream for the whole app. */
import { notifications } from "@mantine/notifications";
import { useEffect } from "react";
import { type FeedItem, refresh } from "./queries";

export type LiveEvent = Omit<FeedItem, "id" | "is_seen">;

/** Events that come close together are read anew once. */
const GATHERED_MS = 400;
const STORM_MS = 60_000;
const MOST_SAID = 5;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;

let source: EventSource | undefined;
let users = 0;
let gathering: ReturnType<typeof setTimeout> | undefined;
let retrying: ReturnType<typeof setTimeout> | undefined;
let wait = FIRST_RETRY_MS;

function readAnew() {
  gathering ??= setTimeout(() => {
    gathering = undefined;
    refresh("feed", "history", "alerts");
  }, GATHERED_MS);
}

/** When the latest ones were said in passing. */
let said: number[] = [];

/** What is bad is said in passing too; of a storm only the beginning, for the bell counts all of it. */
export function announce(event: LiveEvent, now = Date.now()) {
  if (event.severity !== "error" && event.severity !== "critical") return;
  said = said.filter((at) => now - at < STORM_MS && at <= now);
  if (said.length >= MOST_SAID) return;
  said.push(now);
  notifications.show({
    // The same event twice is one.
    id: event.event_id,
    closeButtonProps: { "aria-label": "Close" },
    color: "red",
    title: event.title,
    message: event.message,
    autoClose: event.severity === "critical" ? 30_000 : 10_000,
  });
}

function open() {
  source = new EventSource("/api/notifications/feed/live");
  let wasOpen = false;
  source.addEventListener("event", (message) => {
    announce(JSON.parse((message as MessageEvent<string>).data) as LiveEvent);
    readAnew();
  });
  source.addEventListener("lagged", readAnew);
  source.addEventListener("open", () => {
    wait = FIRST_RETRY_MS;
    // What happened while it was away was missed.
    if (wasOpen) readAnew();
    wasOpen = true;
  });
  source.addEventListener("error", () => {
    // The browser comes back by itself, unless it was sent away.
    if (source?.readyState !== EventSource.CLOSED) return;
    clearTimeout(retrying);
    retrying = setTimeout(() => {
      if (users === 0) return;
      open();
      readAnew();
    }, wait);
    wait = Math.min(wait * 2, LONGEST_RETRY_MS);
  });
}

function close() {
  source?.close();
  source = undefined;
  clearTimeout(retrying);
  clearTimeout(gathering);
  gathering = undefined;
}

/** Follows what happens while something is shown that wants to know. */
export function useLiveFeed() {
  useEffect(() => {
    users += 1;
    if (users === 1) open();
    return () => {
      users -= 1;
      if (users === 0) close();
    };
  }, []);
}
