import { Tabs } from "@mantine/core";
import type { ReactNode } from "react";

/** Tabs in one line, which scrolls in itself where the screen is narrow. */
export function ScrolledTabs({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div style={{ overflowX: "auto", overflowY: "hidden" }}>
      <Tabs.List aria-label={label} style={{ flexWrap: "nowrap", minWidth: "max-content" }}>
        {children}
      </Tabs.List>
    </div>
  );
}
