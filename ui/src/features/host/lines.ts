/** From samples to lines of charts, and to words. Pure. */
import type { Series } from "../../components/Chart";
import { bytes } from "../../lib/format";
import type { Forecast, History, Sample } from "./queries";

export const COLORS = ["#228be6", "#12b886", "#fab005", "#e64980", "#7950f2", "#fd7e14", "#15aabf", "#82c91e"];

export type Lines = { times: number[]; series: Series[] };

const color = (index: number) => COLORS[index % COLORS.length] ?? "#228be6";

/** Live looks as history has them. */
export function historyOf(samples: Sample[]): History {
  const times = samples.map((sample) => Date.parse(sample.at) / 1000);
  const lines = new Map<string, (number | null)[]>();
  const put = (name: string, index: number, value: number | null | undefined) => {
    const line = lines.get(name) ?? samples.map(() => null);
    line[index] = value ?? null;
    lines.set(name, line);
  };
  for (const [index, sample] of samples.entries()) {
    put("cpu.percent", index, sample.cpu.percent);
    put("memory.percent", index, sample.memory.percent);
    for (const one of sample.network) {
      put(`network.rx:${one.name}`, index, one.rx_bytes_per_second);
      put(`network.tx:${one.name}`, index, one.tx_bytes_per_second);
    }
    for (const disk of sample.disks) put(`disk.percent:${disk.mount}`, index, disk.percent);
    for (const one of sample.temperatures) put(`temperature:${one.sensor}`, index, one.celsius);
    for (const share of sample.shares) put(`nfs.latency:${share.mount}`, index, share.latency_ms);
  }
  return {
    step_seconds: 2,
    times,
    series: [...lines].map(([name, average]) => ({ name, average, highest: average })),
  };
}

/** One line for each series whose name begins so; what is behind the colon is its label. */
export function linesOf(history: History, prefix: string, label?: string): Lines {
  const found = history.series.filter((one) => one.name === prefix || one.name.startsWith(`${prefix}:`));
  return {
    times: history.times,
    series: found.map((one, index) => ({
      label: label ?? one.name.slice(prefix.length + 1),
      color: color(index),
      values: one.average,
    })),
  };
}

/** Average and highest of one series. */
export function withHighest(history: History, name: string, label: string): Lines {
  const one = history.series.find((line) => line.name === name);
  if (!one) return { times: history.times, series: [] };
  const lines: Series[] = [{ label, color: color(0), values: one.average }];
  if (history.step_seconds >= 600) {
    lines.push({ label: "Highest", color: color(3), values: one.highest, dashed: true });
  }
  return { times: history.times, series: lines };
}

/** All interfaces together, in and out. */
export function traffic(history: History): Lines {
  const sum = (prefix: string) => {
    const lines = history.series.filter((one) => one.name.startsWith(prefix));
    return history.times.map((_, index) => {
      const values = lines.map((one) => one.average[index]).filter((value) => value != null);
      return values.length === 0 ? null : values.reduce((all, value) => all + value, 0);
    });
  };
  return {
    times: history.times,
    series: [
      { label: "In", color: color(0), values: sum("network.rx:") },
      { label: "Out", color: color(1), values: sum("network.tx:") },
    ],
  };
}

/** The newest value of each line in words, for whoever does not see the chart. */
export function summary(title: string, lines: Lines, format: (value: number) => string): string {
  const newest = lines.series.map((one) => {
    const value = one.values.findLast((each) => each != null);
    return `${one.label} ${value == null ? "unknown" : format(value)}`;
  });
  return newest.length === 0 ? `${title}: nothing is known yet` : `${title}: ${newest.join(", ")}`;
}

function days(value: number): string {
  if (value < 1) return "within a day";
  const whole = Math.round(value);
  return whole === 1 ? "in a day" : `in ${whole} days`;
}

/** What a forecast means. */
export function forecastInWords(forecast: Forecast): string {
  const { outcome } = forecast;
  if (outcome === "not_enough_data") {
    const left = Math.max(1, Math.ceil((72 - (forecast.known_hours ?? 0)) / 24));
    return `Too little is known yet; ask again in ${left === 1 ? "a day" : `${left} days`}.`;
  }
  if (outcome === "not_filling") return "It is not filling up.";
  const pace = `It grows by ${bytes(Math.round(forecast.bytes_per_day ?? 0))} a day and is full ${days(forecast.days ?? 0)}`;
  const { soonest_days: soonest, latest_days: latest } = forecast;
  if (soonest == null || latest == null || Math.round(soonest) === Math.round(latest)) return `${pace}.`;
  return `${pace} (between ${Math.round(soonest)} and ${Math.round(latest)}).`;
}

export const percentOf = (value: number) => `${Math.round(value)} %`;
export const rate = (value: number) => `${bytes(Math.round(value))}/s`;
export const degrees = (value: number) => `${Math.round(value)} °C`;
export const milliseconds = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
export const size = (value: number) => bytes(Math.round(value));
