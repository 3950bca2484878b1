/** What the pages of containers read. */
import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";

export type Container = Schemas["Container"];
export type Containers = Schemas["Containers"];
export type Details = Schemas["ContainerDetails"];
export type Update = Schemas["ContainerUpdate"];
export type Usage = Schemas["ContainerUsage"];

export const containerQueries = {
  all: () =>
    queryOptions({
      queryKey: ["containers"],
      queryFn: () => api.get<Containers>("/api/containers"),
      // While the engine is away it is asked again by itself; else what happens says so.
      refetchInterval: (query) => (query.state.data?.engine.is_reachable === false ? 10_000 : 30_000),
    }),
  one: (name: string) =>
    queryOptions({
      queryKey: ["container", name],
      queryFn: () => api.get<Details>(`/api/containers/${encodeURIComponent(name)}`),
      refetchInterval: 10_000,
    }),
};

export function refreshContainers() {
  void queryClient.invalidateQueries({ queryKey: ["containers"] });
  void queryClient.invalidateQueries({ queryKey: ["container"] });
}
