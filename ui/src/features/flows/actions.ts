import { useMutation } from "@tanstack/react-query";
import { api, download, query } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";

/** After something was put into n8n, or taken back. */
export function refreshFlows() {
  for (const key of ["flows", "overview"]) void queryClient.invalidateQueries({ queryKey: [key] });
}

/** Hands workflows out: one as a file, several in a zip. */
export function useExport(version = "live") {
  return useMutation({
    mutationFn: (ids: string[]) => {
      const [first, ...others] = ids;
      return first !== undefined && others.length === 0
        ? download(`/api/flows/export/${encodeURIComponent(first)}${query({ version })}`, undefined, `${first}.json`)
        : download("/api/flows/export/bulk", { ids, version }, "workflows.zip");
    },
    onError: tellError,
  });
}

export function useUndo(onDone: () => void) {
  return useMutation({
    mutationFn: (itemId: number) => api.post(`/api/flows/restores/items/${itemId}/undo`),
    onSuccess: () => {
      tell("It is undone.");
      onDone();
    },
    onSettled: refreshFlows,
  });
}
