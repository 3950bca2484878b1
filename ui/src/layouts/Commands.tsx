import { ActionIcon, UnstyledButton } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useRouter } from "@tanstack/react-router";
import { type ComponentType, lazy, Suspense, useEffect, useState } from "react";
import classes from "./Commands.module.css";
import { type Command, openCommand, useCommand } from "./commands";
import { tellMissingPart } from "./newer";
import { type Act, isApple, MOD, pageSearch, useShortcuts } from "./shortcuts";

type Dialog = ComponentType<{ opened: boolean; close: () => void }>;

/** A part that an upgrade took away must not take the page with it. */
const part = (load: () => Promise<Dialog>) =>
  lazy(async () => {
    try {
      return { default: await load() };
    } catch {
      tellMissingPart();
      return { default: (() => null) as Dialog };
    }
  });

const loadPalette = () => import("../features/palette/Palette").then(({ Palette }) => Palette);
const DIALOGS: Record<Command, Dialog> = {
  palette: part(loadPalette),
  help: part(() => import("./ShortcutsDialog").then(({ ShortcutsDialog }) => ShortcutsDialog)),
};

/** The button of the palette, the palette, the help, and the keys for all of it. */
export function Commands() {
  const router = useRouter();
  const opened = useCommand();
  const [used, setUsed] = useState<Command[]>([]);
  useEffect(() => {
    if (opened) setUsed((before) => (before.includes(opened) ? before : [...before, opened]));
  }, [opened]);
  // Signed out, nothing stays open for who comes next.
  useEffect(() => () => openCommand(undefined), []);
  useShortcuts((act: Act) => {
    if (act.type === "go") router.history.push(act.to);
    else if (act.type === "search") {
      const field = pageSearch();
      if (field) field.select();
      else openCommand("palette");
      field?.focus();
    } else openCommand(act.type);
  });
  const trigger = {
    onClick: () => openCommand("palette"),
    // It is there when the click is.
    onPointerEnter: () => void loadPalette().catch(() => {}),
    "aria-label": "Search and do",
    "aria-haspopup": "dialog",
    "aria-keyshortcuts": isApple ? "Meta+K" : "Control+K",
  } as const;
  return (
    <>
      <UnstyledButton className={classes.wide} visibleFrom="md" {...trigger}>
        <IconSearch size={16} stroke={1.7} aria-hidden />
        <span className={classes.text}>Search and do</span>
        <kbd className={classes.keys} aria-hidden>
          {isApple ? `${MOD}K` : `${MOD} K`}
        </kbd>
      </UnstyledButton>
      <ActionIcon variant="subtle" color="gray" size="lg" hiddenFrom="md" {...trigger}>
        <IconSearch size={19} stroke={1.7} />
      </ActionIcon>
      <Suspense fallback={null}>
        {used.map((name) => {
          const Shown = DIALOGS[name];
          return <Shown key={name} opened={opened === name} close={() => openCommand(undefined)} />;
        })}
      </Suspense>
    </>
  );
}
