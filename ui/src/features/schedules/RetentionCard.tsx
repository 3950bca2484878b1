import { Badge, Button, Card, Group, NumberInput, Select, Stack, Table, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell, tellError } from "../../components/notify";
import { Failed, Loading } from "../../components/States";
import { backupType, bytes, dateTime } from "../../lib/format";
import { DELETE, KEEP } from "./when";

type Policy = Schemas["RetentionPolicy"];
type Values = Pick<Policy, "keep_hourly" | "keep_daily" | "keep_weekly" | "keep_monthly" | "max_total_size_gb">;

/** How long backups stay, and what that means for those that are there. */
export function RetentionCard() {
  const policies = useQuery(queries.retention());
  const [kind, setKind] = useState("postgres_n8n");
  const items = policies.data?.items ?? [];
  const policy = items.find((item) => item.backup_type === kind);
  return (
    <Card withBorder>
      <Group justify="space-between" align="flex-start">
        <div>
          <Title order={2} size="h4">
            How long backups stay
          </Title>
          <Text size="sm" c="dimmed" mb="sm" maw={640}>
            Of the last hours, days, weeks and months that have a backup, one each. The newest good and the newest
            proven one always stay, and so does what is pinned.
          </Text>
        </div>
        <Select
          aria-label="Kind of backup"
          allowDeselect={false}
          data={items.map((item) => ({ value: item.backup_type, label: backupType(item.backup_type) }))}
          value={kind}
          onChange={(value) => setKind(value ?? kind)}
        />
      </Group>
      {policies.isPending ? <Loading lines={2} /> : null}
      {policies.isError ? <Failed error={policies.error} retry={() => void policies.refetch()} /> : null}
      {policy ? <Form key={`${kind}:${policy.updated_at}`} policy={policy} /> : null}
    </Card>
  );
}

const FIELDS = [
  ["keep_hourly", "Hours"],
  ["keep_daily", "Days"],
  ["keep_weekly", "Weeks"],
  ["keep_monthly", "Months"],
] as const;

function Form({ policy }: { policy: Policy }) {
  const kind = policy.backup_type;
  const saved: Values = {
    keep_hourly: policy.keep_hourly,
    keep_daily: policy.keep_daily,
    keep_weekly: policy.keep_weekly,
    keep_monthly: policy.keep_monthly,
    max_total_size_gb: policy.max_total_size_gb,
  };
  const [draft, setDraft] = useState<Values>(saved);
  const [tried] = useDebouncedValue(draft, 300);
  const preview = useQuery(queries.retentionPreview(kind, tried));
  const set = (change: Partial<Values>) => setDraft((before) => ({ ...before, ...change }));
  const save = useMutation({
    mutationFn: () => api.put<Schemas["RetentionPolicies"]>(`/api/backups/retention/${kind}`, draft),
    onSuccess: (fresh) => {
      queryClient.setQueryData(queries.retention().queryKey, fresh);
      tell("How long backups stay is saved; the next run is within the hour.");
    },
  });
  const run = useMutation({
    mutationFn: (count: number) =>
      api.post<Schemas["RunRetentionResponse"]>(`/api/backups/retention/${kind}/run`, { confirm_count: count }),
    onSuccess: ({ deleted }) => {
      tell(`${deleted.length} backups were deleted.`);
      for (const key of ["retention-preview", "backups", "overview"])
        void queryClient.invalidateQueries({ queryKey: [key] });
    },
    onError: tellError,
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const { data } = preview;
  return (
    <Stack>
      <Group align="flex-start" gap="sm">
        {FIELDS.map(([field, label]) => (
          <NumberInput
            clampBehavior="none"
            key={field}
            label={label}
            w={100}
            min={0}
            allowDecimal={false}
            value={draft[field]}
            onChange={(value) => set({ [field]: Number(value) })}
            error={fieldError(save.error, field)}
          />
        ))}
        <NumberInput
          clampBehavior="none"
          label="At most, GB"
          placeholder="no limit"
          w={130}
          min={1}
          allowDecimal={false}
          value={draft.max_total_size_gb ?? ""}
          onChange={(value) => set({ max_total_size_gb: value === "" ? null : Number(value) })}
          error={fieldError(save.error, "max_total_size_gb")}
        />
        {isChanged ? (
          <Button mt={25} loading={save.isPending} onClick={() => save.mutate()}>
            Save retention
          </Button>
        ) : null}
      </Group>
      {preview.isError ? <Failed error={preview.error} retry={() => void preview.refetch()} /> : null}
      {data && data.items.length > 0 ? (
        <>
          <Group justify="space-between">
            <Text size="sm" role="status">
              {data.would_delete === 0
                ? `All ${data.items.length} backups stay.`
                : `${data.would_delete} of ${data.items.length} backups go and free ${bytes(data.would_free_bytes)}.`}
            </Text>
            {data.would_delete > 0 && !isChanged ? (
              <Button
                size="xs"
                color="red"
                variant="light"
                loading={run.isPending}
                onClick={() => run.mutate(data.would_delete)}
              >
                Delete these {data.would_delete} now
              </Button>
            ) : null}
          </Group>
          <Table.ScrollContainer
            minWidth={520}
            mah={320}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "What stays and what goes" } }}
          >
            <Table verticalSpacing={6}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Backup</Table.Th>
                  <Table.Th>Made</Table.Th>
                  <Table.Th ta="right">Size</Table.Th>
                  <Table.Th>Why</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {data.items.map((item) => (
                  <Table.Tr key={item.id}>
                    <Table.Td>#{item.id}</Table.Td>
                    <Table.Td>{dateTime(item.started_at)}</Table.Td>
                    <Table.Td ta="right">{bytes(item.compressed_size)}</Table.Td>
                    <Table.Td>
                      <Group gap={6}>
                        {item.delete ? (
                          <Badge color="red" variant="light">
                            goes
                          </Badge>
                        ) : (
                          <Badge color="teal" variant="light">
                            stays
                          </Badge>
                        )}
                        <Text size="xs">
                          {item.delete ? DELETE[item.delete] : item.keep.map((reason) => KEEP[reason]).join(", ")}
                        </Text>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </>
      ) : null}
    </Stack>
  );
}
