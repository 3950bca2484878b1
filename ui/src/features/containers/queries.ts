/** What the pages of containers read. */
import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";
import { MOST_LINES, merged, type WireLine } from "./lines";

export type Container = Schemas["Container"];
export type Containers = Schemas["Containers"];
export type Details = Schemas["ContainerDetails"];
export type Update = Schemas["ContainerUpdate"];
export type Usage = Schemas["ContainerUsage"];

/** Lines of a log that the server looks through, from the end. */
export const MOST_LOOKED_AT = 50_000;

/** As the server writes it: a line has its time or says that there is none. */
type Found = Omit<Schemas["ContainerLogs"], "items"> & { items: WireLine[] };

/** What is looked for in a log. */
export type Looked = { text: string; isRegex: boolean; stream: "stdout" | "stderr" | null; since: string | null };

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
  /** Lines with something in them, also those that are not shown. */
  found: (names: string[], { text, isRegex, stream, since }: Looked) =>
    queryOptions({
      queryKey: ["container-lines", names, text, isRegex, stream, since],
      queryFn: async () => {
        const query = new URLSearchParams({ tail: String(MOST_LINES), search: text, regex: String(isRegex) });
        if (stream) query.set("stream", stream);
        if (since) query.set("since", since);
        const all = await Promise.all(
          names.map((name) =>
            api
              .get<Found>(`/api/containers/${encodeURIComponent(name)}/logs?${query}`)
              .then((found) => ({ name, found })),
          ),
        );
        return {
          lines: merged(all.map(({ name, found }) => ({ container: name, lines: found.items }))),
          lookedAt: all.reduce((sum, one) => sum + one.found.looked_at, 0),
          isCut: all.some((one) => one.found.is_cut || one.found.items.length >= MOST_LINES),
          isUnfinished: all.some((one) => one.found.is_unfinished),
        };
      },
      // Thousands of lines; whoever asks again wants what came since.
      gcTime: 0,
      refetchOnWindowFocus: false,
    }),
};

export function refreshContainers() {
  void queryClient.invalidateQueries({ queryKey: ["containers"] });
  void queryClient.invalidateQueries({ queryKey: ["container"] });
}
