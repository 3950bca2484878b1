import type { KeyboardEvent } from "react";
import classes from "./Graph.module.css";
import { type DrawnNode, FATES, shortened, shortKind } from "./graph";

/** One node, which can be chosen by mouse and keyboard. */
export function GraphNode({
  drawn,
  isChosen,
  isReachable,
  choose,
}: {
  drawn: DrawnNode;
  isChosen: boolean;
  /** Whether Tab comes to it; the others are reached from it by arrow keys. */
  isReachable: boolean;
  choose: () => void;
}) {
  const { node, x, y, width, height, isNote } = drawn;
  const { label, symbol, dash, width: stroke } = FATES[node.fate];
  const more = [node.is_moved ? "moved" : "", node.is_disabled ? "switched off" : ""].filter(Boolean);
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: there is no button in SVG
    <g
      role="button"
      tabIndex={isReachable ? 0 : -1}
      data-node={drawn.key}
      aria-pressed={isChosen}
      aria-label={[node.name, shortKind(node.kind), label, ...more].join(", ")}
      className={`${classes.node} ${isChosen ? classes.chosen : ""}`}
      transform={`translate(${x} ${y})`}
      onClick={choose}
      onFocus={choose}
      onKeyDown={press}
    >
      <title>{`${node.name} (${[label, ...more].join(", ")})`}</title>
      <rect className={classes.ring} x={-6} y={-6} width={width + 12} height={height + 12} rx={14} />
      <rect
        width={width}
        height={height}
        rx={10}
        className={`${classes.box} ${isNote ? classes.note : ""} ${classes[node.fate] ?? ""}`}
        strokeWidth={stroke}
        strokeDasharray={dash}
      />
      <text x={12} y={28} className={`${classes.name} ${node.is_disabled ? classes.off : ""}`}>
        {shortened(node.name, Math.floor((width - 20) / 9))}
      </text>
      <text x={12} y={50} className={classes.kind}>
        {shortened([shortKind(node.kind), ...more].join(" · "), Math.floor((width - 16) / 7.2))}
      </text>
      {symbol ? (
        <g transform={`translate(${width - 4} 4)`} aria-hidden>
          <circle r={12} className={`${classes.badge} ${classes[node.fate] ?? ""}`} />
          <text y={5.5} textAnchor="middle" className={classes.symbol}>
            {symbol}
          </text>
        </g>
      ) : null}
    </g>
  );
}
