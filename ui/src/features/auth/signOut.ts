import { api } from "../../api/client";
import { queryClient } from "../../api/queries";

/** Ends the session; nothing that was read stays in this page. */
export async function signOut(leave: () => unknown) {
  await api.post("/api/auth/logout");
  queryClient.clear();
  await leave();
}
