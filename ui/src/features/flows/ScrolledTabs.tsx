import { Tabs } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";

/** Tabs in one line, which scrolls in itself where the screen is narrow. */
export function ScrolledTabs({ label, children }: { label: string; children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const chosen = box.current?.querySelector<HTMLElement>('[aria-selected="true"]');
    if (!box.current || !chosen) return;
    const past = chosen.getBoundingClientRect().right - box.current.getBoundingClientRect().right;
    if (past > 0) box.current.scrollLeft += past;
  });
  return (
    <div ref={box} style={{ overflowX: "auto", overflowY: "hidden" }}>
      <Tabs.List aria-label={label} style={{ flexWrap: "nowrap", minWidth: "max-content" }}>
        {children}
      </Tabs.List>
    </div>
  );
}
