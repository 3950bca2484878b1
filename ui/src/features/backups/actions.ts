import { useMutation } from "@tanstack/react-query";
import { api, query, type Schemas } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";

const refresh = (...keys: string[]) => {
  for (const key of keys) void queryClient.invalidateQueries({ queryKey: [key] });
};

/** Begins a backup, and says so. */
export async function startBackup(request: Schemas["RunBackupRequest"]) {
  const { id } = await api.post<Schemas["RunBackupResponse"]>("/api/backups/run", request);
  tell(`Backup ${id} has begun.`);
  refresh("backups", "overview");
}

/** Begins a proof of a backup, and says so. */
export async function startProof(backupId: number) {
  await api.post("/api/backups/verification/run", { backup_id: backupId });
  tell("The proof has begun.");
  refresh("verifications", "backup");
}

export function useRunBackup() {
  return useMutation({ mutationFn: startBackup, onError: tellError });
}

export function usePin(backupId: number) {
  return useMutation({
    mutationFn: (isPinned: boolean) => api.put(`/api/backups/${backupId}/pin`, { is_pinned: isPinned }),
    onSuccess: () => refresh("backup", "backups", "retention-preview"),
    onError: tellError,
  });
}

export function useVerify(backupId: number) {
  return useMutation({ mutationFn: () => startProof(backupId), onError: tellError });
}

export function useCancelBackup() {
  return useMutation({
    mutationFn: (id: number) => api.post(`/api/backups/history/${id}/cancel`),
    onSuccess: () => refresh("backups", "backup"),
    onError: tellError,
  });
}

export function useDeleteBackup(id: number, onDone: () => void) {
  return useMutation({
    mutationFn: (isLastGood: boolean) =>
      api.remove(`/api/backups/${id}${query({ confirm: isLastGood ? "last_good" : undefined })}`),
    onSuccess: () => {
      tell(`The file of backup ${id} was deleted; its record stays.`);
      refresh("backups", "backup", "overview");
      onDone();
    },
    onError: tellError,
  });
}
