/** Upgrading n8n, with what the API may answer. */
import { fireEvent, screen, waitFor } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { answering, show } from "../../test/render";
import { UpgradeCard } from "./UpgradeCard";

const FORMER = {
  name: "n8n",
  id: "abc",
  image: "n8nio/n8n:1.123.0",
  image_id: "sha256:1",
  version: "1.123.0",
  was_running: true,
  is_replaced: true,
  restart_policy: "always",
  restart_count: 0,
};
const RUN = {
  id: 7,
  status: "done",
  phase: "waiting",
  image: "n8nio/n8n:2.41.1",
  containers: [FORMER],
  steps: [{ phase: "pulling", began_at: "2026-11-20T10:00:00Z", note: null }],
  backup_id: 1,
  saved_backup_id: 2,
  restore_id: null,
  failure_code: null,
  message: "n8n runs from n8nio/n8n:2.41.1.",
  remedy: null,
  started_at: "2026-11-20T10:00:00Z",
  completed_at: "2026-11-20T10:05:00Z",
  kept_until: "2026-11-21T10:05:00Z",
};
const told = (items: unknown[], hindrance: string | null = null) => ({
  "GET /api/n8n/upgrades": { containers: hindrance ? [] : [FORMER], hindrance, items },
});

describe("upgrading n8n", () => {
  it("says what stands in the way and where to change it", async () => {
    answering(told([], "No container of n8n is named."));
    show(UpgradeCard);
    expect(await screen.findByText("No container of n8n is named.", { exact: false })).toBeTruthy();
    expect(screen.getByRole("link", { name: "Settings" })).toBeTruthy();
    expect(screen.queryByRole("button", { name: "Upgrade" })).toBeNull();
  });

  it("says what will happen before it begins, and shows a bad image beside the field", async () => {
    const fields = { image: "must be an image of n8nio/n8n" };
    answering({
      ...told([]),
      "POST /api/n8n/upgrades": { status: 422, body: { error: { code: "invalid_input", message: "no", fields } } },
    });
    show(UpgradeCard);
    fireEvent.click(await screen.findByRole("button", { name: "Upgrade" }));
    expect(await screen.findByText("restores that backup on trial", { exact: false })).toBeTruthy();
    fireEvent.change(screen.getByLabelText("To"), { target: { value: "evil/n8n:1" } });
    fireEvent.click(screen.getAllByRole("button", { name: "Upgrade" }).at(-1) as HTMLElement);
    expect(await screen.findByText("must be an image of n8nio/n8n")).toBeTruthy();
  });

  it("shows each step while it is at it, and lets nobody begin another", async () => {
    answering(
      told([
        {
          ...RUN,
          status: "running",
          phase: "proving",
          steps: [...RUN.steps, { phase: "proving", began_at: "2026-11-20T10:01:00Z", note: null }],
        },
      ]),
    );
    show(UpgradeCard);
    expect(await screen.findByText("Proving that the backup restores")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Upgrade" })).toHaveProperty("disabled", true);
  });

  it("reminds of the compose file, and asks before it is taken back", async () => {
    const calls = answering({ ...told([RUN]), "POST /api/n8n/upgrades/7/take-back": { status: 202, body: null } });
    show(UpgradeCard);
    expect(await screen.findByText("Write n8nio/n8n:2.41.1 into your compose file", { exact: false })).toBeTruthy();
    fireEvent.click(screen.getByRole("button", { name: "Take it back" }));
    expect(await screen.findByText("what n8n did since is then only in a backup", { exact: false })).toBeTruthy();
    fireEvent.click(screen.getAllByRole("button", { name: "Take it back" }).at(-1) as HTMLElement);
    await waitFor(() => expect(calls.map((one) => one.path)).toContain("/api/n8n/upgrades/7/take-back"));
  });

  it("says what to do when it is stuck", async () => {
    answering(
      told([{ ...RUN, status: "stuck", message: "Docker is away.", remedy: "Start Docker.", kept_until: null }]),
    );
    show(UpgradeCard);
    expect(await screen.findByText("Docker is away.")).toBeTruthy();
    expect(screen.getByText("Start Docker.")).toBeTruthy();
    expect(screen.getByRole("button", { name: "Take it back" })).toBeTruthy();
  });
});
