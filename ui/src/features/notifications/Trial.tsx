import { Badge, Button, Group, NumberInput, ScrollArea, Stack, Text, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { Time } from "../../components/Time";
import { count } from "../../lib/format";
import { requestOf } from "./rules";
import { type RuleDraft, SEVERITY_COLORS } from "./words";

type Result = Schemas["RuleTrial"];

const OUTCOMES: Record<string, [string, string]> = {
  told: ["Told", "teal"],
  gathered: ["Gathered", "blue"],
  skipped: ["Not told", "gray"],
};

/** What a rule would have done with what happened lately, before it is saved. */
export function Trial({ draft, failed }: { draft: RuleDraft; failed: (reason: Error | null) => void }) {
  const [days, setDays] = useState<number | string>(7);
  const attempt = useMutation({
    mutationFn: () => {
      // A rule may be tried before it has a name.
      const rule = requestOf({ ...draft, name: draft.name || "unnamed" });
      return api.post<Result>("/api/notifications/rules/try", { rule, days: Number(days) });
    },
    onMutate: () => failed(null),
    onError: failed,
  });
  return (
    <div>
      <Title order={3} size="h6">
        What it would have done
      </Title>
      <Group align="flex-end" gap="xs" mt={4}>
        <NumberInput label="Days back" w={110} min={1} max={30} allowDecimal={false} value={days} onChange={setDays} />
        <Button variant="default" loading={attempt.isPending} onClick={() => attempt.mutate()}>
          Try it
        </Button>
      </Group>
      {attempt.data ? <TrialResult result={attempt.data} /> : null}
    </div>
  );
}

export function TrialResult({ result }: { result: Result }) {
  const { events, matched, told, gathered, skipped, items, is_cut } = result;
  const parts = [
    told > 0 ? `${count(told)} told at once` : "",
    gathered > 0 ? `${count(gathered)} gathered` : "",
    skipped > 0 ? `${count(skipped)} not told` : "",
  ].filter(Boolean);
  return (
    <Stack gap="xs" mt="sm">
      <Text size="sm" role="status">
        {matched === 0
          ? `It is for none of the ${count(events)} events of those days.`
          : `It is for ${count(matched)} of ${count(events)} events: ${parts.join(", ")}.`}
        {is_cut ? " Only the newest events were looked at; there were more." : ""}
      </Text>
      {items.length > 0 ? (
        <ScrollArea.Autosize mah={300} viewportProps={{ tabIndex: 0, "aria-label": "What it would have done" }}>
          <Stack component="ul" gap={8} p={0} m={0} style={{ listStyle: "none" }}>
            {items.map((item) => {
              const [label, color] = OUTCOMES[item.outcome] ?? [item.outcome, "gray"];
              return (
                <li key={item.event_id}>
                  <Group gap={6}>
                    <Badge size="sm" variant="light" color={color}>
                      {label}
                    </Badge>
                    <Badge size="sm" variant="light" color={SEVERITY_COLORS[item.severity]}>
                      {item.severity}
                    </Badge>
                    <Text size="xs" c="dimmed">
                      <Time at={item.occurred_at} />
                    </Text>
                  </Group>
                  <Text size="sm" style={{ overflowWrap: "anywhere" }}>
                    {item.title}
                  </Text>
                  {item.message ? (
                    <Text size="xs" lineClamp={4} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
                      {item.message}
                    </Text>
                  ) : null}
                  {item.fault ? (
                    <Text size="xs" c="var(--mantine-color-error)" style={{ overflowWrap: "anywhere" }}>
                      Your words fail here, and the usual ones take their place: {item.fault}
                    </Text>
                  ) : null}
                  {item.reason ? (
                    <Text size="xs" c="dimmed">
                      {item.reason}
                    </Text>
                  ) : null}
                </li>
              );
            })}
          </Stack>
        </ScrollArea.Autosize>
      ) : null}
    </Stack>
  );
}
