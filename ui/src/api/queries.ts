/** What the pages read, by name. */
import { infiniteQueryOptions, QueryClient, queryOptions } from "@tanstack/react-query";
import { ApiError, api, query, type Schemas } from "./client";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
    },
  },
});

export type BackupFilter = {
  backup_type?: string;
  status?: string;
  verification_status?: string;
  include_deleted?: boolean;
};
export type ProofFilter = { status?: string };
export type FlowFilter = { q?: string; deleted?: boolean };
export type AuditFilter = { action?: string; username?: string; q?: string };

export const queries = {
  health: () =>
    queryOptions({
      queryKey: ["health"],
      // Not ready is an answer too.
      queryFn: async () => (await (await fetch("/api/health")).json()) as Schemas["Health"],
      refetchInterval: 15_000,
    }),
  session: () =>
    queryOptions({
      queryKey: ["session"],
      queryFn: () => api.get<Schemas["SessionResponse"]>("/api/auth/session"),
      retry: false,
      staleTime: 60_000,
    }),
  about: () => queryOptions({ queryKey: ["about"], queryFn: () => api.get<Schemas["About"]>("/api/about") }),
  overview: () =>
    queryOptions({ queryKey: ["overview"], queryFn: () => api.get<Schemas["Overview"]>("/api/overview") }),
  connection: () =>
    queryOptions({ queryKey: ["n8n"], queryFn: () => api.get<Schemas["N8nConnection"]>("/api/n8n/connection") }),
  backups: (filter: BackupFilter) =>
    infiniteQueryOptions({
      queryKey: ["backups", filter],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_Backup"]>(`/api/backups/history${query({ ...filter, limit: 25, cursor: pageParam })}`),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
    }),
  backup: (id: number) =>
    queryOptions({
      queryKey: ["backup", id],
      queryFn: () => api.get<Schemas["BackupDetail"]>(`/api/backups/history/${id}`),
    }),
  verifications: (backupId: number) =>
    queryOptions({
      queryKey: ["verifications", backupId],
      queryFn: () =>
        api.get<Schemas["Page_Verification"]>(
          `/api/backups/verification/history${query({ backup_id: backupId, limit: 20 })}`,
        ),
    }),
  proofs: (filter: ProofFilter) =>
    infiniteQueryOptions({
      queryKey: ["verifications", "all", filter],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_Verification"]>(
          `/api/backups/verification/history${query({ ...filter, limit: 25, cursor: pageParam })}`,
        ),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
    }),
  growth: () =>
    queryOptions({
      queryKey: ["backups", "growth"],
      queryFn: () => api.get<Schemas["Growth"]>("/api/backups/growth"),
    }),
  migration: () =>
    queryOptions({
      queryKey: ["migration"],
      queryFn: () => api.get<Schemas["Migration"]>("/api/migration"),
    }),
  backupEncryption: () =>
    queryOptions({
      queryKey: ["backup-encryption"],
      queryFn: () => api.get<Schemas["BackupEncryption"]>("/api/backups/encryption"),
    }),
  recoveryKit: () =>
    queryOptions({
      queryKey: ["recovery-kit"],
      queryFn: () => api.get<Schemas["RecoveryKit"]>("/api/recovery-kit"),
    }),
  destinations: () =>
    queryOptions({
      queryKey: ["destinations"],
      queryFn: () => api.get<Schemas["Destinations"]>("/api/backups/destinations"),
      refetchInterval: 15_000,
    }),
  copies: (backupId: number) =>
    queryOptions({
      queryKey: ["backup", backupId, "copies"],
      queryFn: () => api.get<Schemas["BackupCopies"]>(`/api/backups/history/${backupId}/copies`),
    }),
  restores: () =>
    queryOptions({
      queryKey: ["restores"],
      queryFn: () => api.get<Schemas["Restores"]>("/api/restores"),
      refetchInterval: (found) =>
        found.state.data?.items.some((restore) => restore.status.endsWith("ing")) ? 1_000 : 30_000,
    }),
  upgrades: () =>
    queryOptions({
      queryKey: ["upgrades"],
      queryFn: () => api.get<Schemas["Upgrades"]>("/api/n8n/upgrades"),
      refetchInterval: (found) => (found.state.data?.items.some((one) => one.status === "running") ? 1_000 : 60_000),
    }),
  schedules: () =>
    queryOptions({
      queryKey: ["schedules"],
      queryFn: () => api.get<Schemas["Schedules"]>("/api/backups/schedules"),
      refetchInterval: 30_000,
    }),
  scheduleRuns: (id: number) =>
    queryOptions({
      queryKey: ["schedules", id, "runs"],
      queryFn: () => api.get<Schemas["ScheduleRuns"]>(`/api/backups/schedules/${id}/runs`),
    }),
  upcoming: () =>
    queryOptions({
      queryKey: ["schedules", "upcoming"],
      queryFn: () => api.get<Schemas["UpcomingRuns"]>("/api/backups/schedules/upcoming"),
    }),
  proofSchedule: () =>
    queryOptions({
      queryKey: ["proof-schedule"],
      queryFn: () => api.get<Schemas["VerificationSchedule"]>("/api/backups/verification/schedule"),
    }),
  retention: () =>
    queryOptions({
      queryKey: ["retention"],
      queryFn: () => api.get<Schemas["RetentionPolicies"]>("/api/backups/retention"),
    }),
  retentionPreview: (
    kind: string,
    values: Pick<
      Schemas["RetentionPolicy"],
      "keep_hourly" | "keep_daily" | "keep_weekly" | "keep_monthly" | "max_total_size_gb"
    >,
  ) =>
    queryOptions({
      queryKey: ["retention-preview", kind, values],
      queryFn: () =>
        api.get<Schemas["RetentionPreview"]>(
          `/api/backups/retention/${kind}/preview${query({ ...values, max_total_size_gb: values.max_total_size_gb ?? 0 })}`,
        ),
      placeholderData: (before) => before,
    }),
  settings: () =>
    queryOptions({ queryKey: ["settings"], queryFn: () => api.get<Schemas["Settings"]>("/api/settings") }),
  encryption: () =>
    queryOptions({
      queryKey: ["encryption"],
      queryFn: () => api.get<Schemas["Encryption"]>("/api/settings/encryption"),
    }),
  sessions: () =>
    queryOptions({ queryKey: ["sessions"], queryFn: () => api.get<Schemas["SessionList"]>("/api/auth/sessions") }),
  subnets: () =>
    queryOptions({ queryKey: ["subnets"], queryFn: () => api.get<Schemas["SubnetList"]>("/api/auth/subnets") }),
  auditActions: () =>
    queryOptions({
      queryKey: ["audit-actions"],
      queryFn: () => api.get<Schemas["AuditActions"]>("/api/audit/actions"),
    }),
  audit: (filter: AuditFilter) =>
    infiniteQueryOptions({
      queryKey: ["audit", filter],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_AuditEntry"]>(`/api/audit${query({ ...filter, limit: 50, cursor: pageParam })}`),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
    }),
  flows: () =>
    queryOptions({ queryKey: ["flows", "list"], queryFn: () => api.get<Schemas["FlowList"]>("/api/flows/list") }),
  flowSearch: (filter: FlowFilter) =>
    infiniteQueryOptions({
      queryKey: ["flows", "search", filter],
      initialPageParam: 0,
      queryFn: ({ pageParam }) =>
        api.get<Schemas["FlowHits"]>(`/api/flows/search${query({ ...filter, limit: 50, offset: pageParam })}`),
      getNextPageParam: (page, pages) =>
        page.has_more ? pages.reduce((sum, one) => sum + one.items.length, 0) : undefined,
      // Until every backup was looked into, more may come.
      refetchInterval: (found) => (found.state.data?.pages[0]?.pending_backups ? 3_000 : false),
    }),
  flowHistory: (id: string) =>
    queryOptions({
      queryKey: ["flows", "history", id],
      queryFn: () => api.get<Schemas["FlowHistory"]>(`/api/flows/history/${encodeURIComponent(id)}`),
    }),
  flowDiff: (id: string, from: string, to: string) =>
    queryOptions({
      queryKey: ["flows", "diff", id, from, to],
      queryFn: () =>
        api.get<Schemas["FlowComparison"]>(`/api/flows/diff/${encodeURIComponent(id)}${query({ from, to })}`),
    }),
  /** Of a backup or an archive, as in `backup:12`; it never changes. */
  flowContents: (source: string) =>
    queryOptions({
      queryKey: ["flow-contents", source],
      queryFn: () => {
        const [kind, id] = source.split(":");
        return api.get<Schemas["FlowContents"]>(`/api/flows/from-${kind}/${id}`);
      },
      staleTime: 300_000,
    }),
  flowArchives: () =>
    queryOptions({
      queryKey: ["flows", "archives"],
      queryFn: () => api.get<Schemas["FlowArchives"]>("/api/flows/archives"),
    }),
  flowRestores: () =>
    infiniteQueryOptions({
      queryKey: ["flows", "restores"],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_FlowRestore"]>(`/api/flows/restores${query({ limit: 25, cursor: pageParam })}`),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
      refetchInterval: (found) =>
        found.state.data?.pages[0]?.items.some((restore) => restore.status === "running") ? 1_000 : false,
    }),
  flowRestore: (id: number) =>
    queryOptions({
      queryKey: ["flows", "restore", id],
      queryFn: () => api.get<Schemas["FlowRestoreDetail"]>(`/api/flows/restores/${id}`),
      refetchInterval: (found) => (found.state.data?.status === "running" ? 1_000 : false),
    }),
  n8nApi: () =>
    queryOptions({ queryKey: ["n8n-api"], queryFn: () => api.get<Schemas["N8nApiAccess"]>("/api/n8n/api") }),
};
