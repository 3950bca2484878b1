/** What the page of the watchdog reads. */
import { queryOptions } from "@tanstack/react-query";
import { api, query, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";

export type Incident = Schemas["WorkflowIncident"];
export type Mute = Schemas["WorkflowMute"];
export type Advice = Schemas["ExecutionAdvice"];
export type Watched = Schemas["WatchedWorkflow"];
export type Watchdog = Schemas["Watchdog"];

export const watchdogQueries = {
  now: () =>
    queryOptions({
      queryKey: ["watchdog", "now"],
      queryFn: () => api.get<Watchdog>("/api/watchdog"),
      refetchInterval: 30_000,
    }),
  resolved: () =>
    queryOptions({
      queryKey: ["watchdog", "resolved"],
      queryFn: () => api.get<Schemas["WorkflowIncidents"]>(`/api/watchdog/incidents${query({ limit: 50 })}`),
      refetchInterval: 60_000,
    }),
  executions: () =>
    queryOptions({
      queryKey: ["watchdog", "executions"],
      queryFn: () => api.get<Advice>("/api/watchdog/executions"),
      staleTime: 300_000,
      retry: false,
    }),
};

export function refresh() {
  void queryClient.invalidateQueries({ queryKey: ["watchdog"] });
}
