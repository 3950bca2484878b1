import { Select } from "@mantine/core";
import type { EventType } from "./queries";
import { eventName, groupName, groupOf } from "./words";

/** One type of event, a whole group, or everything. */
export function EventSelect({
  types,
  value,
  change,
  isFilter = false,
  error,
}: {
  types: EventType[];
  value: string | null;
  change: (value: string | null) => void;
  /** Whether nothing may be chosen, which is everything. */
  isFilter?: boolean;
  error?: string;
}) {
  const groups = [...new Set(types.map((type) => groupOf(type.name)))];
  const data = groups.map((group) => ({
    group: groupName(group),
    items: [
      { value: `${group}.*`, label: eventName(`${group}.*`, types) },
      ...types.filter((type) => groupOf(type.name) === group).map((type) => ({ value: type.name, label: type.label })),
    ],
  }));
  return (
    <Select
      label={isFilter ? undefined : "What happens"}
      aria-label={isFilter ? "Event" : undefined}
      placeholder={isFilter ? "Every event" : undefined}
      searchable
      clearable={isFilter}
      allowDeselect={isFilter}
      clearButtonProps={{ "aria-label": "Every event" }}
      nothingFoundMessage="No event is called that."
      maxDropdownHeight={360}
      data={isFilter ? data : [{ value: "*", label: "Everything" }, ...data]}
      value={value}
      onChange={change}
      error={error}
    />
  );
}
