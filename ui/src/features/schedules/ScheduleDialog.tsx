import { Button, Group, Modal, MultiSelect, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import { BACKUP_TYPES } from "../../lib/format";
import { DAYS, type Frequency, type Schedule, words, zones } from "./when";

type Request = Schemas["ScheduleRequest"];

/** Makes a schedule, or changes one. */
export function ScheduleDialog({
  schedule,
  zone,
  close,
}: {
  schedule?: Schedule;
  /** What a new one begins with. */
  zone: string;
  close: () => void;
}) {
  const [draft, setDraft] = useState<Request>(() => ({
    name: schedule?.name ?? "Nightly",
    backup_type: (schedule?.backup_type ?? "postgres_n8n") as Request["backup_type"],
    enabled: schedule?.enabled ?? true,
    frequency: (schedule?.frequency ?? "daily") as Frequency,
    hour: schedule?.hour ?? 2,
    minute: schedule?.minute ?? 15,
    day_of_week: schedule?.day_of_week ?? 6,
    day_of_month: schedule?.day_of_month ?? 1,
    timezone: schedule?.timezone ?? zone,
    compression: schedule?.compression ?? "zstd",
    destination_ids: schedule?.destination_ids ?? null,
  }));
  const destinations = useQuery(queries.destinations());
  const places = destinations.data?.items ?? [];
  const set = (change: Partial<Request>) => setDraft((before) => ({ ...before, ...change }));
  const save = useMutation({
    mutationFn: () => {
      const body: Request = {
        ...draft,
        hour: draft.frequency === "hourly" ? null : draft.hour,
        day_of_week: draft.frequency === "weekly" ? draft.day_of_week : null,
        day_of_month: draft.frequency === "monthly" ? draft.day_of_month : null,
      };
      return schedule
        ? api.put<Schedule>(`/api/backups/schedules/${schedule.id}`, body)
        : api.post<Schedule>("/api/backups/schedules", body);
    },
    onSuccess: (saved) => {
      tell(`${saved.name} is saved: ${words(saved)}.`);
      void queryClient.invalidateQueries({ queryKey: ["schedules"] });
      void queryClient.invalidateQueries({ queryKey: ["overview"] });
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const wrong = (field: string) => fieldError(save.error, field);
  const isUnexplained = save.error && !Object.keys(draft).some((field) => wrong(field));
  return (
    <Modal opened onClose={close} title={schedule ? `Change ${schedule.name}` : "New schedule"}>
      <form onSubmit={submit}>
        <Stack>
          <TextInput
            label="Name"
            value={draft.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
            error={wrong("name")}
            data-autofocus
          />
          <Select
            label="What"
            allowDeselect={false}
            data={Object.entries(BACKUP_TYPES).map(([value, label]) => ({ value, label }))}
            value={draft.backup_type}
            onChange={(value) => set({ backup_type: (value ?? draft.backup_type) as Request["backup_type"] })}
            error={wrong("backup_type")}
          />
          <Select
            label="How often"
            allowDeselect={false}
            data={[
              { value: "hourly", label: "Every hour" },
              { value: "daily", label: "Every day" },
              { value: "weekly", label: "Every week" },
              { value: "monthly", label: "Every month" },
            ]}
            value={draft.frequency}
            onChange={(value) => set({ frequency: (value ?? draft.frequency) as Frequency })}
            error={wrong("frequency")}
          />
          {draft.frequency === "weekly" ? (
            <Select
              label="Day"
              allowDeselect={false}
              data={DAYS.map((label, day) => ({ value: String(day), label }))}
              value={String(draft.day_of_week)}
              onChange={(value) => set({ day_of_week: Number(value) })}
              error={wrong("day_of_week")}
            />
          ) : null}
          {draft.frequency === "monthly" ? (
            <NumberInput
              clampBehavior="none"
              label="Day of the month"
              description="1 to 28, which every month has."
              min={1}
              max={28}
              value={draft.day_of_month ?? ""}
              onChange={(value) => set({ day_of_month: Number(value) })}
              error={wrong("day_of_month")}
            />
          ) : null}
          <Group grow align="flex-start">
            {draft.frequency === "hourly" ? null : (
              <NumberInput
                clampBehavior="none"
                label="Hour"
                min={0}
                max={23}
                value={draft.hour ?? ""}
                onChange={(value) => set({ hour: Number(value) })}
                error={wrong("hour")}
              />
            )}
            <NumberInput
              clampBehavior="none"
              label="Minute"
              min={0}
              max={59}
              value={draft.minute ?? ""}
              onChange={(value) => set({ minute: Number(value) })}
              error={wrong("minute")}
            />
          </Group>
          <Select
            label="Time zone"
            description="Also when the clocks change, it runs once."
            searchable
            allowDeselect={false}
            data={zones()}
            value={draft.timezone}
            onChange={(value) => set({ timezone: value ?? draft.timezone })}
            error={wrong("timezone")}
          />
          <Select
            label="Compression"
            allowDeselect={false}
            data={["zstd", "gzip", "none"]}
            value={draft.compression}
            onChange={(value) => set({ compression: value ?? draft.compression })}
            error={wrong("compression")}
          />
          {places.length > 0 ? (
            <>
              <Switch
                label="Copy to every destination"
                checked={draft.destination_ids == null}
                onChange={(event) => set({ destination_ids: event.currentTarget.checked ? null : [] })}
              />
              {draft.destination_ids == null ? null : (
                <MultiSelect
                  label="Copy to"
                  description="None: these backups lie on this machine only."
                  data={places.map((place) => ({ value: String(place.id), label: place.name }))}
                  value={draft.destination_ids.map(String)}
                  onChange={(ids) => set({ destination_ids: ids.map(Number) })}
                  error={wrong("destination_ids")}
                />
              )}
            </>
          ) : null}
          <Switch
            label="Switched on"
            checked={draft.enabled ?? true}
            onChange={(event) => set({ enabled: event.currentTarget.checked })}
          />
          {isUnexplained ? (
            <Text size="sm" c="red" role="alert">
              {save.error?.message}
            </Text>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
