import { ActionIcon, Group, Paper, Text } from "@mantine/core";
import { IconArrowsMaximize, IconMinus, IconPlus } from "@tabler/icons-react";
import { type KeyboardEvent, type PointerEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { NodeChanges } from "./ChangeList";
import classes from "./Graph.module.css";
import { GraphNode } from "./GraphNode";
import { FATES, FIT, layout, noteSizes, panned, seen, summary, zoomed } from "./graph";

/** Two versions drawn over each other. */
export function Graph({ comparison }: { comparison: Schemas["FlowComparison"] }) {
  const { diff, old, new: fresh } = comparison;
  const drawing = useMemo(() => layout(diff, noteSizes(old, fresh)), [diff, old, fresh]);
  const [view, setView] = useState(FIT);
  const [chosen, setChosen] = useState<string>();
  const svg = useRef<SVGSVGElement>(null);
  const drag = useRef<{ x: number; y: number } | undefined>(undefined);
  const hint = useId();
  const box = seen(drawing.box, view);
  // By keyboard the nodes are walked through as they are read: from left to right.
  const order = useMemo(
    () => [...drawing.nodes].sort((a, b) => a.x - b.x || a.y - b.y).map(({ key }) => key),
    [drawing],
  );
  useEffect(() => {
    const element = svg.current;
    // A wheel alone scrolls the page, as everywhere.
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setView((before) => zoomed(before, event.deltaY < 0 ? 1.15 : 1 / 1.15));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, []);
  const move = (event: PointerEvent) => {
    const element = svg.current;
    if (!drag.current || !element || event.buttons === 0) return;
    const unit = Math.max(box.width / element.clientWidth, box.height / element.clientHeight);
    const [x, y] = [drag.current.x - event.clientX, drag.current.y - event.clientY];
    drag.current = { x: event.clientX, y: event.clientY };
    setView((before) => panned(drawing.box, before, x * unit, y * unit));
  };
  const walk = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
    const at = order.indexOf(chosen ?? order[0] ?? "");
    const next =
      event.key === "Home" ? 0 : event.key === "End" ? order.length - 1 : at + (steps[event.key] ?? Number.NaN);
    const key = order[next];
    if (key === undefined) return;
    event.preventDefault();
    svg.current?.querySelector<SVGGElement>(`[data-node="${key}"]`)?.focus();
  };
  const shown = drawing.nodes.find(({ key }) => key === chosen);
  if (drawing.nodes.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        There is no node in it.
      </Text>
    );
  }
  return (
    <div>
      {/* biome-ignore lint/a11y/useSemanticElements: a drawing is no set of form fields */}
      <svg
        ref={svg}
        role="group"
        aria-label="Drawing of the workflow"
        aria-describedby={hint}
        className={`${classes.drawing} ${view.zoom > 1 ? classes.free : ""}`}
        style={{ aspectRatio: `${drawing.box.width} / ${drawing.box.height}` }}
        viewBox={`${box.x} ${box.y} ${box.width} ${box.height}`}
        onPointerDown={(event) => {
          drag.current = { x: event.clientX, y: event.clientY };
        }}
        onPointerMove={move}
        onPointerUp={() => {
          drag.current = undefined;
        }}
        onKeyDown={walk}
      >
        <svg role="img" aria-label={summary(diff)} overflow="visible">
          {drawing.lines.map(({ key, fate, kind, path }) => (
            <path
              key={key}
              d={path}
              className={`${classes.line} ${classes[fate] ?? ""}`}
              strokeWidth={FATES[fate].width}
              strokeDasharray={FATES[fate].dash ?? (kind === "main" ? undefined : "2 4")}
            />
          ))}
        </svg>
        {/* Notes lie under everything else. */}
        {[...drawing.nodes]
          .sort((a, b) => Number(b.isNote) - Number(a.isNote))
          .map((drawn) => (
            <GraphNode
              key={drawn.key}
              drawn={drawn}
              isChosen={drawn.key === chosen}
              isReachable={drawn.key === (chosen ?? order[0])}
              choose={() => setChosen(drawn.key)}
            />
          ))}
      </svg>
      <Group justify="space-between" my={6}>
        <Legend />{" "}
        <Group gap={4}>
          <ActionIcon variant="default" aria-label="Zoom in" onClick={() => setView(zoomed(view, 1.4))}>
            <IconPlus size={16} />
          </ActionIcon>
          <ActionIcon
            variant="default"
            aria-label="Zoom out"
            disabled={view.zoom === 1}
            onClick={() => setView(zoomed(view, 1 / 1.4))}
          >
            <IconMinus size={16} />
          </ActionIcon>
          <ActionIcon variant="default" aria-label="Fit into the box" onClick={() => setView(FIT)}>
            <IconArrowsMaximize size={16} />
          </ActionIcon>
        </Group>
      </Group>
      <Text size="xs" c="dimmed" id={hint}>
        Choose a node to see what changed in it. Drag to move the drawing; Ctrl and the wheel zoom. Arrow keys go from
        node to node.
      </Text>
      <Paper withBorder p="sm" mt="sm" role="status" hidden={!shown}>
        {shown ? (
          <>
            <NodeChanges node={shown.node} />
            {shown.node.changes.length === 0 ? (
              <Text size="sm" c="dimmed">
                {ALONE[shown.node.fate]}
              </Text>
            ) : null}
          </>
        ) : null}
      </Paper>
    </div>
  );
}

const ALONE: Record<Schemas["Fate"], string> = {
  same: "Nothing changed in it.",
  added: "Only the new version has it.",
  removed: "Only the old version has it.",
  changed: "Only its name changed.",
};

function Legend() {
  return (
    <Group gap="md" component="ul" p={0} m={0} style={{ listStyle: "none" }} aria-label="Legend">
      {(["added", "removed", "changed", "same"] as const).map((fate) => (
        <Group key={fate} gap={6} component="li" wrap="nowrap">
          <svg width={30} height={18} aria-hidden>
            <rect
              x={2}
              y={2}
              width={26}
              height={14}
              rx={4}
              className={`${classes.box} ${classes[fate] ?? ""}`}
              strokeWidth={FATES[fate].width}
              strokeDasharray={FATES[fate].dash ? "4 3" : undefined}
            />
            <text x={15} y={13} textAnchor="middle" className={classes.sign}>
              {FATES[fate].symbol}
            </text>
          </svg>
          <Text size="xs">{FATES[fate].label}</Text>
        </Group>
      ))}
    </Group>
  );
}
