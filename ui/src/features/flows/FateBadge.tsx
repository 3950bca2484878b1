import { Badge } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { FATES } from "./graph";

const COLORS: Record<Schemas["Fate"], string> = { same: "gray", added: "teal", removed: "red", changed: "orange" };

/** What became of a part: by sign, word and colour. */
export function FateBadge({ fate }: { fate: Schemas["Fate"] }) {
  const { symbol, label } = FATES[fate];
  return (
    <Badge variant="light" color={COLORS[fate]} tt="none" style={{ flexShrink: 0 }}>
      {symbol ? `${symbol} ` : ""}
      {label}
    </Badge>
  );
}
