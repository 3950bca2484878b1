import { Badge, Button, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { Fragment, useState } from "react";
import type { Schemas } from "../../api/client";
import classes from "./ChangeList.module.css";
import { FateBadge } from "./FateBadge";
import { shortKind } from "./graph";
import { hunks, isLong, type Line, lineDiff, toLines, valueText } from "./lines";

type Change = Schemas["Change"];

/** What changed in one node. */
export function NodeChanges({ node }: { node: Schemas["NodeDiff"] }) {
  return (
    <div>
      <Group gap="xs" mb="xs">
        <Text fw={600} style={{ overflowWrap: "anywhere" }}>
          {node.name}
        </Text>
        <FateBadge fate={node.fate} />
        {node.is_moved ? (
          <Badge variant="outline" color="gray" tt="none">
            moved
          </Badge>
        ) : null}
        {node.is_disabled ? (
          <Badge variant="outline" color="gray" tt="none">
            switched off
          </Badge>
        ) : null}
        <Text size="xs" c="dimmed" title={node.kind}>
          {shortKind(node.kind)}
        </Text>
      </Group>
      {node.old_name ? (
        <Text size="sm" mb="xs">
          It was called <b>{node.old_name}</b>.
        </Text>
      ) : null}
      {node.changes.length > 0 ? <Changes changes={node.changes} /> : null}
    </div>
  );
}

/** Each change with what was and what is. */
export function Changes({ changes }: { changes: Change[] }) {
  return (
    <Stack gap="sm">
      {changes.map((change) => (
        <One key={change.path} change={change} />
      ))}
    </Stack>
  );
}

function One({ change }: { change: Change }) {
  const old = valueText(change.old);
  const fresh = valueText(change.new);
  return (
    <div>
      <Text size="sm" ff="monospace" mb={4} style={{ overflowWrap: "anywhere" }}>
        {change.path}
      </Text>
      {isLong(old) || isLong(fresh) ? (
        <LineByLine lines={lineDiff(toLines(old), toLines(fresh))} label={change.path} />
      ) : (
        <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs">
          <Value label="Old" sign="−" text={old} className={classes.removed} />
          <Value label="New" sign="+" text={fresh} className={classes.added} />
        </SimpleGrid>
      )}
    </div>
  );
}

function Value({ label, sign, text, className }: { label: string; sign: string; text?: string; className?: string }) {
  return (
    <div className={`${classes.value} ${className ?? ""}`}>
      <Text size="xs" fw={600} component="div">
        <span aria-hidden>{sign} </span>
        {label}
      </Text>
      {text === undefined ? (
        <Text size="sm" fs="italic">
          nothing
        </Text>
      ) : (
        <code className={classes.text}>{text === "" ? "(empty)" : text}</code>
      )}
    </div>
  );
}

const SIGNS: Record<Line["kind"], { sign: string; said: string }> = {
  same: { sign: " ", said: "" },
  added: { sign: "+", said: "added: " },
  removed: { sign: "−", said: "removed: " },
};
const MOST = 40;

/** Texts of many lines, with what came and what went. */
function LineByLine({ lines, label }: { lines: Line[]; label: string }) {
  const [isAll, setAll] = useState(false);
  const parts = isAll ? [{ isFolded: false, lines }] : hunks(lines);
  const isFolding = parts.some((part) => part.isFolded);
  let left = isAll ? Number.POSITIVE_INFINITY : MOST;
  return (
    <div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <section className={classes.lines} tabIndex={0} aria-label={`${label}, line by line`}>
        {parts.map((part, at) => {
          const shown = part.isFolded ? [] : part.lines.slice(0, Math.max(0, left));
          left -= shown.length;
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a text do not move
            <Fragment key={at}>
              {part.isFolded ? (
                <div className={classes.folded}>{part.lines.length} lines are the same</div>
              ) : (
                shown.map((line, number) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: the lines of a text do not move
                  <div key={number} className={`${classes.line} ${classes[line.kind] ?? ""}`}>
                    <span className={classes.sign} aria-hidden>
                      {SIGNS[line.kind].sign}
                    </span>
                    <span className={classes.hidden}>{SIGNS[line.kind].said}</span>
                    <span className={classes.text}>{line.text}</span>
                  </div>
                ))
              )}
            </Fragment>
          );
        })}
      </section>
      {isAll || isFolding || left < 0 || lines.length > MOST ? (
        <Button size="compact-xs" variant="subtle" mt={4} aria-expanded={isAll} onClick={() => setAll(!isAll)}>
          {isAll ? "Show less" : `Show all ${lines.length} lines`}
        </Button>
      ) : null}
    </div>
  );
}
