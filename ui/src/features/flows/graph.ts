/** Where the parts of a drawing of a workflow stand. Pure. */
import type { Schemas } from "../../api/client";

type Node = Schemas["NodeDiff"];
type Fate = Schemas["Fate"];
export type Box = { x: number; y: number; width: number; height: number };
export type Size = { width: number; height: number };
export type DrawnNode = Box & { key: string; node: Node; isNote: boolean };
export type DrawnLine = { key: string; fate: Fate; path: string; kind: string };
export type Drawing = { nodes: DrawnNode[]; lines: DrawnLine[]; box: Box };
/** Zoom, and how far the middle was moved. */
export type View = { zoom: number; x: number; y: number };

export const FIT: View = { zoom: 1, x: 0, y: 0 };
export const NODE: Size = { width: 184, height: 66 };
const PADDING = 28;
/** A small workflow is not blown up to fill the box. */
const LEAST: Size = { width: 760, height: 240 };

/** How each fate is told: in words and by a sign, besides by colour. */
export const FATES: Record<Fate, { label: string; symbol: string; dash?: string; width: number }> = {
  same: { label: "the same", symbol: "", width: 1.5 },
  added: { label: "added", symbol: "+", width: 2.5 },
  removed: { label: "removed", symbol: "−", dash: "7 5", width: 2.5 },
  changed: { label: "changed", symbol: "≠", width: 2.5 },
};

/** `n8n-nodes-base.httpRequest` in short. */
export function shortKind(kind: string): string {
  return kind.slice(kind.lastIndexOf(".") + 1);
}

export function isNote(kind: string): boolean {
  return shortKind(kind) === "stickyNote";
}

/** How large the notes of a workflow are: their sizes are among their parameters. */
export function noteSizes(...flows: unknown[]): Map<string, Size> {
  const sizes = new Map<string, Size>();
  for (const flow of flows) {
    const nodes = (flow as { nodes?: unknown } | null)?.nodes;
    if (!Array.isArray(nodes)) continue;
    for (const node of nodes) {
      if (!isNote(String(node?.type))) continue;
      const number = (value: unknown, otherwise: number) =>
        typeof value === "number" && value > 0 ? value : otherwise;
      const { width, height } = (node?.parameters ?? {}) as Record<string, unknown>;
      sizes.set(String(node?.name), { width: number(width, 240), height: number(height, 160) });
    }
  }
  return sizes;
}

export function layout(diff: Pick<Schemas["FlowDiff"], "nodes" | "connections">, sizes = new Map<string, Size>()) {
  const nodes = diff.nodes.map((node, at): DrawnNode => {
    const isSticky = isNote(node.kind);
    const [x = 0, y = 0] = node.position;
    const size = isSticky ? (sizes.get(node.name) ?? { width: 240, height: 160 }) : NODE;
    return { key: `${at}`, node, isNote: isSticky, x, y, ...size };
  });
  makeRoom(nodes);
  return { nodes, lines: linesOf(diff.connections, nodes), box: fitted(nodes) } satisfies Drawing;
}

/** A node that went often stood where another came: it is drawn below that, so that both are seen. */
function makeRoom(nodes: DrawnNode[]) {
  const overlaps = (a: Box, b: Box) =>
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  for (const gone of nodes) {
    if (gone.node.fate !== "removed" || gone.isNote) continue;
    for (let tries = 0; tries < nodes.length; tries += 1) {
      const other = nodes.find((one) => one !== gone && !one.isNote && overlaps(one, gone));
      if (!other) break;
      gone.y = other.y + other.height + 18;
    }
  }
}

/** The smallest box around everything, but never smaller than a small workflow needs. */
export function fitted(nodes: Box[]): Box {
  if (nodes.length === 0) return { x: 0, y: 0, ...LEAST };
  const left = Math.min(...nodes.map(({ x }) => x)) - PADDING;
  const top = Math.min(...nodes.map(({ y }) => y)) - PADDING;
  const right = Math.max(...nodes.map(({ x, width }) => x + width)) + PADDING;
  const bottom = Math.max(...nodes.map(({ y, height }) => y + height)) + PADDING;
  const width = Math.max(right - left, LEAST.width);
  const height = Math.max(bottom - top, LEAST.height);
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}

/** The part of the box that is seen. */
export function seen(box: Box, view: View): Box {
  const width = box.width / view.zoom;
  const height = box.height / view.zoom;
  return {
    x: box.x + (box.width - width) / 2 + view.x,
    y: box.y + (box.height - height) / 2 + view.y,
    width,
    height,
  };
}

export function zoomed(view: View, factor: number): View {
  const zoom = Math.min(8, Math.max(1, view.zoom * factor));
  return zoom === 1 ? FIT : { ...view, zoom };
}

/** Moved by so much, but never so far that nothing is seen any more. */
export function panned(box: Box, view: View, x: number, y: number): View {
  const clamp = (value: number, most: number) => Math.min(most / 2, Math.max(-most / 2, value));
  return { ...view, x: clamp(view.x + x, box.width), y: clamp(view.y + y, box.height) };
}

function linesOf(connections: Schemas["ConnectionDiff"][], nodes: DrawnNode[]): DrawnLine[] {
  // One name can be that of a node that went and of one that was renamed to it.
  const named = (name: string, fate: Fate) => {
    const all = nodes.filter(({ node }) => node.name === name);
    return (fate === "removed" ? undefined : all.find(({ node }) => node.fate !== "removed")) ?? all[0];
  };
  const outputs = new Map<string, number>();
  const inputs = new Map<string, number>();
  for (const { kind, from, output, to, input } of connections) {
    if (kind !== "main") continue;
    outputs.set(from, Math.max(outputs.get(from) ?? 1, output + 1));
    inputs.set(to, Math.max(inputs.get(to) ?? 1, input + 1));
  }
  return connections.flatMap((one, at) => {
    const from = named(one.from, one.fate);
    const to = named(one.to, one.fate);
    if (!from || !to) return [];
    const slot = (box: Box, index: number, most = 1) => box.y + (box.height * (index + 1)) / (most + 1);
    const path =
      one.kind === "main"
        ? across(
            from.x + from.width,
            slot(from, one.output, outputs.get(one.from)),
            to.x,
            slot(to, one.input, inputs.get(one.to)),
          )
        : upward(from.x + from.width / 2, from.y, to.x + to.width / 2, to.y + to.height);
    return [{ key: `${at}`, fate: one.fate, kind: one.kind, path }];
  });
}

/** From a node's right to another's left. */
function across(x1: number, y1: number, x2: number, y2: number): string {
  const bend = x2 > x1 ? Math.max(24, (x2 - x1) / 2) : 90;
  return `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2} ${y2}`;
}

/** From a part, such as a model or a tool, up to the node that uses it. */
function upward(x1: number, y1: number, x2: number, y2: number): string {
  const bend = Math.max(24, Math.abs(y1 - y2) / 2);
  return `M ${x1} ${y1} C ${x1} ${y1 - bend}, ${x2} ${y2 + bend}, ${x2} ${y2}`;
}

/** The drawing in words. */
export function summary(diff: Pick<Schemas["FlowDiff"], "nodes" | "connections">): string {
  const { nodes, connections } = diff;
  const parts = (["added", "removed", "changed"] as const).flatMap((fate) => {
    const names = nodes.filter((node) => node.fate === fate).map((node) => node.name);
    return names.length === 0 ? [] : [`${names.length} ${fate} (${some(names)})`];
  });
  const same = nodes.filter((node) => node.fate === "same").length;
  if (same > 0) parts.push(`${same} the same`);
  const moved = nodes.filter((node) => node.is_moved).length;
  if (moved > 0) parts.push(`${moved} moved`);
  const touched = connections.filter((one) => one.fate !== "same").length;
  return `${count(nodes.length, "node")}: ${parts.join(", ") || "none"}. ${count(connections.length, "connection")}, ${touched} of them added or removed.`;
}

const count = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
const some = (names: string[]) => names.slice(0, 8).join(", ") + (names.length > 8 ? ", …" : "");

/** Text that has room in so many signs. */
export function shortened(text: string, most: number): string {
  const signs = [...text];
  return signs.length <= most ? text : `${signs.slice(0, most - 1).join("")}…`;
}
