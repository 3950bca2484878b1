/** What the page of the machine reads, and the stream that it follows. */
import { queryOptions } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, query, type Schemas } from "../../api/client";
import { openStream } from "../../api/stream";

export type Sample = Schemas["HostSample"];
export type History = Schemas["History"];
export type Forecast = Schemas["SystemForecast"];
export type Range = "live" | "1h" | "24h" | "7d" | "30d";

export const hostQueries = {
  overview: () =>
    queryOptions({
      queryKey: ["system", "overview"],
      queryFn: () => api.get<Schemas["SystemOverview"]>("/api/system/overview"),
      refetchInterval: 60_000,
    }),
  history: (range: Exclude<Range, "live">) =>
    queryOptions({
      queryKey: ["system", "history", range],
      queryFn: () => api.get<History>(`/api/system/history${query({ range })}`),
      refetchInterval: 60_000,
      placeholderData: (before) => before,
    }),
  forecast: () =>
    queryOptions({
      queryKey: ["system", "forecast"],
      queryFn: () => api.get<Schemas["SystemForecasts"]>("/api/system/forecast"),
      refetchInterval: 600_000,
    }),
  n8nDatabase: () =>
    queryOptions({
      queryKey: ["system", "n8n-database"],
      queryFn: () => api.get<Schemas["N8nDatabaseReport"]>("/api/system/n8n-database"),
      retry: false,
    }),
};

/** Five minutes of looks, two seconds apart. */
const KEPT = 150;

/** What came longer ago is not how the machine stands now. */
const FRESH_MS = 10_000;

/** Follows the machine while the page is shown. */
export function useLiveSamples(): { samples: Sample[]; isStale: boolean } {
  const [samples, setSamples] = useState<Sample[]>([]);
  const [isStale, setStale] = useState(false);
  useEffect(() => {
    let fresh: ReturnType<typeof setTimeout> | undefined;
    // By when it came, not by what it says: the two clocks may differ.
    const expect = () => {
      clearTimeout(fresh);
      fresh = setTimeout(() => setStale(true), FRESH_MS);
    };
    expect();
    const close = openStream("/api/system/live", {
      sample: (sample: Sample) => {
        setSamples((before) => [...before, sample].slice(-KEPT));
        setStale(false);
        expect();
      },
    });
    return () => {
      close();
      clearTimeout(fresh);
    };
  }, []);
  return { samples, isStale };
}
