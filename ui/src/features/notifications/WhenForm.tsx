import { Chip, Group, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { DAYS, zones } from "../schedules/when";
import type { Severity } from "./queries";
import type { Part } from "./RuleDialog";

type Range = Schemas["TimeRange"];

/** When a rule speaks at all, and when it holds its tongue. */
export function WhenForm({ draft, must, wrong }: Part) {
  const settings = useQuery(queries.settings());
  const own = settings.data?.items.find((setting) => setting.key === "general.time_zone")?.value;
  const timezone = typeof own === "string" ? own : "UTC";
  const { time_range, quiet_hours, quiet_except } = draft.conditions;
  return (
    <Stack>
      <Switch
        label="Only at some times"
        description="What happens at other times is not told, not even later."
        checked={Boolean(time_range)}
        onChange={(event) =>
          must({ time_range: event.currentTarget.checked ? { from: "08:00", to: "18:00", timezone, days: [] } : null })
        }
      />
      {time_range ? (
        <RangeForm
          label="Only at these times"
          value={time_range}
          change={(next) => must({ time_range: next })}
          wrong={(part) => wrong(`conditions.time_range.${part}`)}
        />
      ) : null}
      <Switch
        label="Quiet hours"
        description="Then nothing is told; when they end, all of it comes in one message."
        checked={Boolean(quiet_hours)}
        onChange={(event) =>
          must(
            event.currentTarget.checked
              ? { quiet_hours: { from: "22:00", to: "07:00", timezone, days: [] } }
              : { quiet_hours: null, quiet_except: null },
          )
        }
        error={wrong("conditions.quiet_hours")}
      />
      {quiet_hours ? (
        <>
          <RangeForm
            label="Quiet at these times"
            value={quiet_hours}
            change={(next) => must({ quiet_hours: next })}
            wrong={(part) => wrong(`conditions.quiet_hours.${part}`)}
          />
          <Select
            label="Told even then"
            allowDeselect={false}
            data={[
              { value: "", label: "Nothing" },
              { value: "warning", label: "Warning or worse" },
              { value: "error", label: "Error or worse" },
              { value: "critical", label: "Critical" },
            ]}
            value={quiet_except ?? ""}
            onChange={(value) => must({ quiet_except: value ? (value as Severity) : null })}
          />
        </>
      ) : null}
    </Stack>
  );
}

function RangeForm({
  label,
  value,
  change,
  wrong,
}: {
  label: string;
  value: Range;
  change: (value: Range) => void;
  wrong: (part: string) => string | undefined;
}) {
  const set = (part: Partial<Range>) => change({ ...value, ...part });
  return (
    <Stack gap="xs" role="group" aria-label={label} pl="md">
      <Group align="flex-start" gap="xs">
        <TextInput
          type="time"
          label="From"
          value={value.from}
          onChange={(event) => set({ from: event.currentTarget.value })}
          error={wrong("from")}
        />
        <TextInput
          type="time"
          label="Until"
          value={value.to}
          onChange={(event) => set({ to: event.currentTarget.value })}
          error={wrong("to")}
        />
        <Select
          label="Time zone"
          flex="1 1 180px"
          searchable
          allowDeselect={false}
          data={[...new Set([value.timezone ?? "UTC", ...zones()])]}
          value={value.timezone ?? "UTC"}
          onChange={(zone) => set({ timezone: zone ?? value.timezone })}
          error={wrong("timezone")}
        />
      </Group>
      <Text size="xs" c="dimmed">
        {value.from > value.to ? "It goes over midnight, and belongs to the day on which it begins. " : ""}
        No day chosen means every day.
      </Text>
      <Chip.Group
        multiple
        value={(value.days ?? []).map(String)}
        onChange={(days) => set({ days: days.map(Number).sort((a, b) => a - b) })}
      >
        <Group gap={6} role="group" aria-label="Days">
          {DAYS.map((day, at) => (
            <Chip key={day} value={String(at)} size="xs">
              {day.slice(0, 3)}
            </Chip>
          ))}
        </Group>
      </Chip.Group>
    </Stack>
  );
}
