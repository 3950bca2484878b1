import { useMantineTheme } from "@mantine/core";
import { useColorScheme } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import "uplot/dist/uPlot.min.css";

export type Series = { label: string; color: string; values: (number | null)[]; dashed?: boolean };

/** Lines over time, drawn on a canvas; `summary` says the same in words for whoever does not see it. */
export function Chart({
  times,
  series,
  format,
  summary,
  height = 220,
}: {
  /** Seconds since 1970. */
  times: number[];
  series: Series[];
  format: (value: number) => string;
  summary: string;
  height?: number;
}) {
  const holder = useRef<HTMLDivElement>(null);
  const scheme = useColorScheme();
  const theme = useMantineTheme();
  useEffect(() => {
    const element = holder.current;
    // Without a canvas, as in tests, the words have to do.
    if (!element || typeof CanvasRenderingContext2D === "undefined") return;
    let plot: { destroy: () => void; setSize: (size: { width: number; height: number }) => void } | null = null;
    let isGone = false;
    const axis = scheme === "dark" ? theme.colors.dark[2] : theme.colors.gray[7];
    const grid = scheme === "dark" ? "rgba(255,255,255,0.08)" : "rgba(0,0,0,0.08)";
    void import("uplot").then(({ default: UPlot }) => {
      if (isGone) return;
      plot = new UPlot(
        {
          width: element.clientWidth || 600,
          height,
          scales: { y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.05] } },
          cursor: { y: false },
          axes: [
            { stroke: axis, grid: { stroke: grid }, ticks: { stroke: grid } },
            {
              stroke: axis,
              grid: { stroke: grid },
              ticks: { stroke: grid },
              size: 80,
              values: (_, ticks) => ticks.map(format),
            },
          ],
          series: [
            {},
            ...series.map((one) => ({
              label: one.label,
              stroke: one.color,
              width: 2,
              dash: one.dashed ? [6, 6] : undefined,
              points: { show: false },
              value: (_: unknown, value: number | null) => (value == null ? "–" : format(value)),
            })),
          ],
        },
        [times, ...series.map((one) => one.values)] as never,
        element,
      );
    });
    const resized = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      isGone = true;
      resized.disconnect();
      plot?.destroy();
    };
  }, [times, series, format, height, scheme, theme]);
  return <div ref={holder} role="img" aria-label={summary} style={{ minHeight: height, width: "100%" }} />;
}
