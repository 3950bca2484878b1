/** What the pages of notifications read, by name. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, query, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";

export type Severity = Schemas["Severity"];
export type EventType = Schemas["EventTypeView"];
export type Rule = Schemas["NotificationRule"];
export type Message = Schemas["NotificationMessage"];
export type Alert = Schemas["AlertView"];
export type FeedItem = Schemas["FeedItem"];
export type HistoryFilter = { status?: string; event_type?: string; service_id?: number; rule_id?: number };

const FEED_PAGE = 10;

export const notificationQueries = {
  serviceTypes: () =>
    queryOptions({
      queryKey: ["notifications", "service-types"],
      queryFn: () => api.get<Schemas["NotificationServiceTypes"]>("/api/notifications/service-types"),
      // They change with the version only.
      staleTime: Number.POSITIVE_INFINITY,
    }),
  eventTypes: () =>
    queryOptions({
      queryKey: ["notifications", "event-types"],
      queryFn: () => api.get<Schemas["EventTypes"]>("/api/notifications/event-types"),
      staleTime: Number.POSITIVE_INFINITY,
    }),
  services: () =>
    queryOptions({
      queryKey: ["notifications", "services"],
      queryFn: () => api.get<Schemas["NotificationServices"]>("/api/notifications/services"),
      refetchInterval: 30_000,
    }),
  rules: () =>
    queryOptions({
      queryKey: ["notifications", "rules"],
      queryFn: () => api.get<Schemas["NotificationRules"]>("/api/notifications/rules"),
    }),
  history: (filter: HistoryFilter) =>
    infiniteQueryOptions({
      queryKey: ["notifications", "history", filter],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_NotificationMessage"]>(
          `/api/notifications/history${query({ ...filter, limit: 25, cursor: pageParam })}`,
        ),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: (found) =>
        found.state.data?.pages.some((page) => page.items.some((one) => one.status === "pending")) ? 2_000 : false,
    }),
  message: (id: number) =>
    queryOptions({
      queryKey: ["notifications", "message", id],
      queryFn: () => api.get<Schemas["NotificationMessageDetails"]>(`/api/notifications/history/${id}`),
      refetchInterval: (found) => (found.state.data?.status === "pending" ? 1_500 : false),
    }),
  alerts: () =>
    queryOptions({
      queryKey: ["notifications", "alerts"],
      queryFn: () => api.get<Schemas["Alerts"]>("/api/notifications/alerts"),
      refetchInterval: 30_000,
    }),
  feed: () =>
    infiniteQueryOptions({
      queryKey: ["notifications", "feed"],
      initialPageParam: undefined as number | undefined,
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Feed"]>(`/api/notifications/feed${query({ limit: FEED_PAGE, before: pageParam })}`),
      getNextPageParam: (page) => (page.items.length < FEED_PAGE ? undefined : page.items.at(-1)?.id),
      refetchInterval: 60_000,
    }),
};

/** Reads anew what an act or an event may have changed. */
export function refresh(...names: ("services" | "rules" | "history" | "message" | "alerts" | "feed")[]) {
  for (const name of names) void queryClient.invalidateQueries({ queryKey: ["notifications", name] });
}
