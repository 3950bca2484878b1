import { Button, Card, Group, NumberInput, Select, Switch, Text, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { DAYS, type Frequency } from "./when";

type Proofs = Schemas["VerificationSchedule"];

/** When the newest backups are proven again. */
export function ProofScheduleCard() {
  const proofs = useQuery(queries.proofSchedule());
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Proving again
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Each new backup is proven at once. This proves the newest ones again, for disks forget.
      </Text>
      {proofs.isPending ? <Loading lines={2} /> : null}
      {proofs.isError ? <Failed error={proofs.error} retry={() => void proofs.refetch()} /> : null}
      {proofs.data ? <Form key={proofs.data.updated_at ?? ""} saved={proofs.data} /> : null}
    </Card>
  );
}

function Form({ saved }: { saved: Proofs }) {
  const [draft, setDraft] = useState(saved);
  const set = (change: Partial<Proofs>) => setDraft((before) => ({ ...before, ...change }));
  const save = useMutation({
    mutationFn: () =>
      api.put<Proofs>("/api/backups/verification/schedule", {
        enabled: draft.enabled,
        frequency: draft.frequency as Frequency,
        day_of_week: draft.day_of_week,
        hour: draft.hour,
        verify_latest_count: draft.verify_latest_count,
      }),
    onSuccess: (fresh) => {
      queryClient.setQueryData(queries.proofSchedule().queryKey, fresh);
      void queryClient.invalidateQueries({ queryKey: ["schedules"] });
      tell("When backups are proven again is saved.");
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  return (
    <>
      <Group align="flex-end" gap="sm">
        <Switch
          label="Switched on"
          checked={draft.enabled}
          onChange={(event) => set({ enabled: event.currentTarget.checked })}
          mb={8}
        />
        <Select
          label="How often"
          w={140}
          allowDeselect={false}
          data={[
            { value: "daily", label: "Every day" },
            { value: "weekly", label: "Every week" },
            { value: "monthly", label: "Every month" },
          ]}
          value={draft.frequency}
          onChange={(value) => set({ frequency: value ?? draft.frequency })}
          error={fieldError(save.error, "frequency")}
        />
        {draft.frequency === "weekly" ? (
          <Select
            label="Day of the week"
            w={150}
            allowDeselect={false}
            data={DAYS.map((label, day) => ({ value: String(day), label }))}
            value={String(draft.day_of_week)}
            onChange={(value) => set({ day_of_week: Number(value) })}
          />
        ) : null}
        <NumberInput
          clampBehavior="none"
          label="Hour, UTC"
          w={110}
          min={0}
          max={23}
          value={draft.hour}
          onChange={(value) => set({ hour: Number(value) })}
          error={fieldError(save.error, "hour")}
        />
        <NumberInput
          clampBehavior="none"
          label="How many"
          w={110}
          min={1}
          max={100}
          value={draft.verify_latest_count}
          onChange={(value) => set({ verify_latest_count: Number(value) })}
          error={fieldError(save.error, "verify_latest_count")}
        />
        {isChanged ? (
          <Button loading={save.isPending} onClick={() => save.mutate()}>
            Save proofs
          </Button>
        ) : null}
      </Group>
      {saved.next_run ? (
        <Text size="xs" c="dimmed" mt="sm">
          Next <Time at={saved.next_run} />
        </Text>
      ) : null}
    </>
  );
}
