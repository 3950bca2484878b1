import { useComputedColorScheme, useMantineTheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import type UPlotType from "uplot";
import "uplot/dist/uPlot.min.css";
import { dateTime, moment } from "../lib/format";

const HOUR = 3600;
/** What may lie between two times on the axis, in seconds. */
const STEPS = [
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800],
  ...[1, 2, 3, 4, 6, 12, 24, 48, 96, 7 * 24, 14 * 24, 28 * 24].map((hours) => hours * HOUR),
];

export type Series = { label: string; color: string; values: (number | null)[]; dashed?: boolean };

/** Lines over time, drawn on a canvas; `summary` says the same in words for whoever does not see it. */
export function Chart({
  times,
  series,
  format,
  summary,
  height = 220,
  most,
  sync,
}: {
  /** Seconds since 1970. */
  times: number[];
  series: Series[];
  format: (value: number) => string;
  summary: string;
  height?: number;
  /** The top of the axis; what is drawn decides without it. */
  most?: number;
  /** Charts with the same key show the same moment under the pointer. */
  sync?: string;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlotType | null>(null);
  const data = useRef<(number | null)[][]>([]);
  data.current = [times, ...series.map((one) => one.values)];
  const lines = useRef(series);
  lines.current = series;
  // As it was chosen here, which need not be the system's.
  const scheme = useComputedColorScheme("light");
  const theme = useMantineTheme();
  // New numbers are put into the chart that is there; only other lines need another one.
  const shape = series.map((one) => `${one.label}|${one.color}|${one.dashed ?? false}`).join("\n");
  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` stands for the lines
  useEffect(() => {
    const element = holder.current;
    // Without a canvas, as in tests, the words have to do.
    if (!element || typeof CanvasRenderingContext2D === "undefined") return;
    let isGone = false;
    const axis = scheme === "dark" ? theme.colors.dark[2] : theme.colors.gray[7];
    const grid = scheme === "dark" ? "rgba(255,255,255,0.08)" : "rgba(0,0,0,0.08)";
    void import("uplot").then(({ default: UPlot }) => {
      if (isGone) return;
      plot.current = new UPlot(
        {
          width: element.clientWidth || 600,
          height,
          scales: { y: { range: (_, __, highest) => [0, most ?? Math.max(highest, 1) * 1.05] } },
          cursor: { y: false, ...(sync ? { sync: { key: sync } } : {}) },
          axes: [
            {
              stroke: axis,
              grid: { stroke: grid },
              ticks: { stroke: grid },
              incrs: STEPS,
              values: (_, ticks, __, ___, step) => ticks.map((at, index) => moment(at, step, ticks[index - 1])),
            },
            {
              stroke: axis,
              grid: { stroke: grid },
              ticks: { stroke: grid },
              size: 80,
              // Of those that would read the same, one.
              values: (_, ticks) =>
                ticks.map(format).map((text, index, all) => (index > 0 && text === all[index - 1] ? "" : text)),
            },
          ],
          series: [
            {
              value: (_: unknown, at: number | null) =>
                at == null ? "–" : dateTime(new Date(at * 1000).toISOString()),
            },
            ...lines.current.map((one) => ({
              label: one.label,
              stroke: one.color,
              width: 2,
              dash: one.dashed ? [6, 6] : undefined,
              points: { show: false },
              value: (_: unknown, value: number | null) => (value == null ? "–" : format(value)),
            })),
          ],
        },
        data.current as never,
        element,
      );
    });
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      isGone = true;
      resized.disconnect();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape, format, height, scheme, theme, most, sync]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever changes is in `data`
  useEffect(() => {
    plot.current?.setData(data.current as never);
  }, [times, series]);
  return <div ref={holder} role="img" aria-label={summary} style={{ minHeight: height, width: "100%" }} />;
}
