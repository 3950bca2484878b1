import { Card, Group, SimpleGrid, Text, Title, Tooltip, VisuallyHidden } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { Schemas } from "../../api/client";
import { queries } from "../../api/queries";
import { Chart } from "../../components/Chart";
import { Failed, Loading } from "../../components/States";
import { bytes } from "../../lib/format";

type Day = Schemas["GrowthDay"];

/** Days that a forecast is drawn ahead. */
const AHEAD = 30;

const seconds = (date: string) => Date.parse(`${date}T00:00:00Z`) / 1000;

/** What a day's square says in words. */
export function dayInWords(day: Day): string {
  if (day.made === 0 && day.failed === 0) return `${day.date}: no backup`;
  const parts = [];
  if (day.made > 0) parts.push(`${day.made} good, ${day.proven} proven, ${bytes(day.made_bytes)}`);
  if (day.failed > 0) parts.push(`${day.failed} failed`);
  return `${day.date}: ${parts.join("; ")}`;
}

function color(day: Day): string {
  if (day.failed > 0 && day.made === 0) return "var(--mantine-color-red-6)";
  if (day.failed > 0) return "var(--mantine-color-orange-5)";
  if (day.proven > 0) return "var(--mantine-color-teal-6)";
  if (day.made > 0) return "var(--mantine-color-blue-4)";
  return "var(--mantine-color-default-border)";
}

/** What the forecast means. */
export function forecastInWords(growth: Schemas["Growth"]): string {
  const free = growth.free_bytes == null ? "" : ` ${bytes(growth.free_bytes)} are free.`;
  if (growth.bytes_per_day == null) return `There is too little yet to say how fast it grows.${free}`;
  if (growth.bytes_per_day < 1) return `It does not grow.${free}`;
  const pace = `It grows by ${bytes(Math.round(growth.bytes_per_day))} a day.`;
  const end =
    growth.days_until_full == null
      ? " The disk lasts for more than ten years."
      : ` The disk is full in ${growth.days_until_full} days.`;
  return `${pace}${free}${end}`;
}

/** The last three months, day by day, and how much room they took. */
export function TimelineCard() {
  const growth = useQuery(queries.growth());
  const { data } = growth;
  const lines = useMemo(() => {
    if (!data) return null;
    const times = data.days.map((day) => seconds(day.date));
    const kept: (number | null)[] = data.days.map((day) => day.kept_bytes);
    const ahead: (number | null)[] = kept.map(() => null);
    const last = data.days.at(-1);
    if (last && data.bytes_per_day != null && data.bytes_per_day >= 1) {
      ahead[ahead.length - 1] = last.kept_bytes;
      for (let day = 1; day <= AHEAD; day += 1) {
        times.push(seconds(last.date) + day * 86_400);
        kept.push(null);
        ahead.push(last.kept_bytes + data.bytes_per_day * day);
      }
    }
    return {
      times,
      series: [
        { label: "Kept", color: "#12b886", values: kept },
        { label: "Forecast", color: "#fab005", values: ahead, dashed: true },
      ],
    };
  }, [data]);
  if (data && !data.days.some((day) => day.made > 0 || day.failed > 0 || day.kept_bytes > 0)) return null;
  return (
    <Card withBorder mb="md">
      <Title order={2} size="h4" mb="xs">
        The last three months
      </Title>
      {growth.isPending ? <Loading lines={3} /> : null}
      {growth.isError ? <Failed error={growth.error} retry={() => void growth.refetch()} /> : null}
      {data && lines ? (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
          <div>
            <Group component="ul" gap={4} p={0} m={0} aria-label="Backups day by day">
              {data.days.map((day) => (
                <Tooltip key={day.date} label={dayInWords(day)}>
                  <li style={{ listStyle: "none", width: 16, height: 16, borderRadius: 3, background: color(day) }}>
                    <VisuallyHidden>{dayInWords(day)}</VisuallyHidden>
                  </li>
                </Tooltip>
              ))}
            </Group>
            <Text size="xs" c="dimmed" mt="xs">
              One square a day, today last: green is proven, blue is good, orange had a failure too, red failed.
            </Text>
          </div>
          <div>
            <Chart times={lines.times} series={lines.series} format={bytes} summary={forecastInWords(data)} />
            <Text size="sm" mt="xs">
              {forecastInWords(data)}
            </Text>
          </div>
        </SimpleGrid>
      ) : null}
    </Card>
  );
}
