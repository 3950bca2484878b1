import { Button, Group, Modal, NumberInput, Select, Stack } from "@mantine/core";
import { useState } from "react";
import { fieldError, type Schemas } from "../../api/client";
import { BACKUP_TYPES } from "../../lib/format";
import { useRunBackup } from "./actions";

const LEVELS = { zstd: { min: 1, max: 19, usual: 3 }, gzip: { min: 1, max: 9, usual: 6 } } as const;
type Kind = Schemas["RunBackupRequest"]["backup_type"];
type Compression = "settings" | "zstd" | "gzip" | "none";

/** A backup with its kind and compression chosen by hand. */
export function RunDialog({ close, isN8nReady }: { close: () => void; isN8nReady: boolean }) {
  const run = useRunBackup();
  const [kind, setKind] = useState<Kind>(isN8nReady ? "postgres_n8n" : "postgres_mgmt");
  const [compression, setCompression] = useState<Compression>("settings");
  const [level, setLevel] = useState<number | string>(3);
  const levels = compression === "zstd" || compression === "gzip" ? LEVELS[compression] : undefined;
  const start = () =>
    run.mutate(
      {
        backup_type: kind,
        compression: compression === "settings" ? undefined : compression,
        compression_level: levels && typeof level === "number" ? level : undefined,
      },
      { onSuccess: close },
    );
  return (
    <Modal opened onClose={close} title="Back up">
      <Stack>
        <Select
          label="What"
          allowDeselect={false}
          data={Object.entries(BACKUP_TYPES).map(([value, label]) => ({
            value,
            label,
            disabled: !isN8nReady && ["postgres_n8n", "postgres_full", "flows"].includes(value),
          }))}
          value={kind}
          onChange={(value) => setKind((value ?? kind) as Kind)}
        />
        <Select
          label="Compression"
          allowDeselect={false}
          data={[
            { value: "settings", label: "As in the settings" },
            { value: "zstd", label: "zstd: small and fast" },
            { value: "gzip", label: "gzip: read everywhere, slower" },
            { value: "none", label: "None: largest" },
          ]}
          value={compression}
          onChange={(value) => {
            const next = (value ?? "settings") as Compression;
            setCompression(next);
            if (next === "zstd" || next === "gzip") setLevel(LEVELS[next].usual);
          }}
        />
        {levels ? (
          <NumberInput
            label="Level"
            description="Higher is smaller and slower."
            min={levels.min}
            max={levels.max}
            allowDecimal={false}
            value={level}
            onChange={setLevel}
            error={fieldError(run.error, "compression_level")}
          />
        ) : null}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Leave it
          </Button>
          <Button loading={run.isPending} onClick={start}>
            Back up
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
