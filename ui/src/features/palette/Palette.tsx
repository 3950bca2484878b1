import {
  CloseButton,
  Input,
  Kbd,
  Loader,
  Modal,
  Text,
  useComputedColorScheme,
  useMantineColorScheme,
  VisuallyHidden,
} from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useQueries, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { type KeyboardEvent, useCallback, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { queries } from "../../api/queries";
import { tellError } from "../../components/notify";
import { focusOrigin } from "../../layouts/commands";
import { signOut } from "../auth/signOut";
import classes from "./Palette.module.css";
import { type Ranked, rank } from "./rank";
import { keepRecent, recentIds } from "./recent";
import { actions, type Entry, PAGES, SOURCES } from "./registry";

const MOST = 60;
const NO_MARKS: ReadonlySet<number> = new Set();
const USED = "Used last";
type Group = { title?: string; found: Ranked<Entry>[] };

/** Finds every page, thing and act by a few letters. Loaded when it is first wanted. */
export function Palette({ opened, close }: { opened: boolean; close: () => void }) {
  // Who goes to another page is not brought back to where it was opened: the page's heading gets the focus.
  const isLeaving = useRef(false);
  const leave = useCallback(() => {
    isLeaving.current = true;
  }, []);
  useEffect(() => {
    if (opened) isLeaving.current = false;
    else if (!isLeaving.current) focusOrigin();
  }, [opened]);
  return (
    <Modal.Root
      opened={opened}
      onClose={close}
      // Its own way would come too late, or to the field itself, which has the focus from the first moment.
      returnFocus={false}
      size={620}
      yOffset="10dvh"
      transitionProps={{ duration: 80 }}
    >
      <Modal.Overlay />
      <Modal.Content aria-label="Search and do">
        <Search close={close} leave={leave} />
      </Modal.Content>
    </Modal.Root>
  );
}

/** Everything that can be chosen, as far as it is known by now. */
function useEntries() {
  const router = useRouter();
  const overview = useQuery({ ...queries.overview(), retry: false });
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const isDark = useComputedColorScheme("light") === "dark";
  const read = useQueries({
    queries: SOURCES.map(({ name, load }) => ({ queryKey: ["palette", name], queryFn: load, retry: false, gcTime: 0 })),
    combine: (all) => ({
      found: all.flatMap(({ data }) => data ?? []),
      isPending: all.some(({ isPending }) => isPending),
      missing: SOURCES.filter((_, at) => all[at]?.isError).map(({ name }) => name),
    }),
  });
  const entries = useMemo(() => {
    const facts = {
      overview: overview.data,
      scheme: colorScheme,
      isDark,
      setScheme: setColorScheme,
      signOut: () => signOut(() => router.navigate({ to: "/login" })),
    };
    return [...actions(facts), ...PAGES, ...read.found];
  }, [overview.data, colorScheme, isDark, setColorScheme, router, read.found]);
  return { entries, isPending: read.isPending, missing: read.missing };
}

/** Without words what was used last stands first, then acts and pages; with them what fits best. */
export function arrange(entries: readonly Entry[], text: string, recent: readonly string[]): Group[] {
  if (text.trim() !== "") return [{ found: rank(entries, text, recent).slice(0, MOST) }];
  const plain = (entry: Entry) => ({ entry, score: 0, marks: NO_MARKS });
  const used = recent.flatMap((id) => entries.filter((entry) => entry.id === id)).map(plain);
  const others = (kind: string) =>
    entries.filter((entry) => entry.kind === kind && !recent.includes(entry.id)).map(plain);
  return [
    { title: USED, found: used },
    { title: "Actions", found: others("Action") },
    { title: "Pages", found: others("Page") },
  ].filter(({ found }) => found.length > 0);
}

function Search({ close, leave }: { close: () => void; leave: () => void }) {
  const id = useId();
  const router = useRouter();
  const { entries, isPending, missing } = useEntries();
  const [recent] = useState(recentIds);
  const [text, setText] = useState("");
  const words = useDeferredValue(text);
  const groups = useMemo(() => arrange(entries, words, recent), [entries, words, recent]);
  const shown = useMemo(() => groups.flatMap(({ found }) => found.map(({ entry }) => entry)), [groups]);
  // By its id: entries that arrive later must not move the choice to another one.
  const [chosen, setChosen] = useState<string>();
  const list = useRef<HTMLDivElement>(null);
  const found = shown.findIndex((entry) => entry.id === chosen);
  // Nothing is chosen before somebody wrote or chose: a stray Enter must not begin a backup.
  const at = found < 0 && words.trim() !== "" && text.trim() !== "" ? 0 : found;
  const active = shown[at];
  const optionId = (entry: Entry) => `${id}-${entry.id}`;

  useEffect(() => {
    // A group's name is seen again with its first entry.
    if (at <= 0) list.current?.scrollTo?.({ top: 0 });
    else if (active) document.getElementById(`${id}-${active.id}`)?.scrollIntoView({ block: "nearest" });
  }, [id, at, active]);

  const choose = (entry: Entry | undefined) => {
    if (!entry) return;
    keepRecent(entry.id);
    const { does } = entry;
    if (typeof does === "function") {
      close();
      void Promise.resolve(does()).catch(tellError);
    } else if (does.isServed) {
      window.location.assign(does.to);
    } else {
      const isElsewhere = does.to.includes("#") || does.to.split("?")[0] !== router.state.location.pathname;
      if (isElsewhere) leave();
      close();
      router.history.push(does.to);
    }
  };

  const move = (by: 1 | -1) => setChosen(shown.at((at < 0 && by < 0 ? -1 : at + by) % shown.length)?.id);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const isPalette = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k";
    const act = isPalette
      ? close
      : {
          ArrowDown: () => move(1),
          ArrowUp: () => move(-1),
          PageDown: () => setChosen(shown[Math.min(at + 8, shown.length - 1)]?.id),
          PageUp: () => setChosen(shown[Math.max(at - 8, 0)]?.id),
          // Who writes fast means what is written, not what is still shown.
          Enter: () => choose(words === text || text.trim() === "" ? active : rank(entries, text, recent)[0]?.entry),
        }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  return (
    <>
      <Input
        size="lg"
        variant="unstyled"
        // At once: who types on after the keys that opened it loses nothing.
        autoFocus
        data-autofocus
        role="combobox"
        aria-label="Search and do"
        aria-expanded={shown.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={active ? optionId(active) : undefined}
        aria-autocomplete="list"
        autoComplete="off"
        autoCorrect="off"
        autoCapitalize="off"
        spellCheck={false}
        enterKeyHint="go"
        placeholder="A page, a workflow, something to do…"
        maxLength={100}
        leftSection={<IconSearch size={20} stroke={1.7} aria-hidden />}
        rightSection={isPending ? <Loader size="xs" aria-hidden /> : <CloseButton aria-label="Close" onClick={close} />}
        rightSectionPointerEvents="all"
        classNames={{ wrapper: classes.search }}
        value={text}
        onChange={(event) => {
          setText(event.currentTarget.value);
          setChosen(undefined);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id={`${id}-list`} role="listbox" aria-label="What was found" className={classes.list}>
        {groups.map(({ title, found }) => {
          const options = found.map(({ entry, marks }) => (
            <Option
              key={entry.id}
              id={optionId(entry)}
              entry={entry}
              marks={marks}
              hasKind={title === undefined || title === USED}
              isActive={entry === active}
              point={() => setChosen(entry.id)}
              choose={() => choose(entry)}
            />
          ));
          return title ? (
            // biome-ignore lint/a11y/useSemanticElements: options are no fields of a form
            <div key={title} role="group" aria-label={title}>
              <Text size="xs" fw={600} c="dimmed" px="sm" pt={8} pb={4} aria-hidden>
                {title}
              </Text>
              {options}
            </div>
          ) : (
            options
          );
        })}
      </div>
      {shown.length === 0 ? (
        <Text c="dimmed" size="sm" ta="center" py="xl" px="md" style={{ overflowWrap: "anywhere" }}>
          {isPending ? "Looking…" : `Nothing is called “${words.trim()}”.`}
        </Text>
      ) : null}
      <VisuallyHidden role="status">
        {words.trim() === "" ? "" : shown.length === 1 ? "1 found" : `${shown.length} found`}
      </VisuallyHidden>
      <div className={classes.foot} data-quiet={missing.length === 0 || undefined}>
        <Text size="xs" c="dimmed">
          {missing.length > 0 ? `Could not be searched: ${missing.join(", ")}.` : ""}
        </Text>
        <Text size="xs" c="dimmed" aria-hidden visibleFrom="sm" className={classes.keys}>
          <Kbd size="xs">↑</Kbd> <Kbd size="xs">↓</Kbd> choose <Kbd size="xs">Enter</Kbd> go <Kbd size="xs">Esc</Kbd>{" "}
          close
        </Text>
      </div>
    </>
  );
}

function Option({
  id,
  entry,
  marks,
  hasKind,
  isActive,
  point,
  choose,
}: {
  id: string;
  entry: Entry;
  marks: ReadonlySet<number>;
  hasKind: boolean;
  isActive: boolean;
  point: () => void;
  choose: () => void;
}) {
  const { icon: Icon, label, detail, kind } = entry;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the focus and the keys
    // biome-ignore lint/a11y/useFocusableInteractive: the field points at it by aria-activedescendant
    <div
      id={id}
      role="option"
      aria-selected={isActive}
      className={classes.option}
      // Not on entering: what scrolls under a resting pointer is not chosen.
      onMouseMove={isActive ? undefined : point}
      onMouseDown={(event) => event.preventDefault()}
      onClick={choose}
    >
      <Icon size={18} stroke={1.7} aria-hidden className={classes.icon} />
      <span className={classes.text}>
        <span className={classes.label}>{marked(label, marks)}</span>
        {detail ? <span className={classes.detail}>{detail}</span> : null}
      </span>
      {hasKind ? <span className={classes.kind}>{kind}</span> : null}
    </div>
  );
}

/** The letters that were found stand out; letters beside each other together. */
function marked(label: string, marks: ReadonlySet<number>) {
  if (marks.size === 0) return label;
  const parts: { text: string; isMarked: boolean; at: number }[] = [];
  [...label].forEach((letter, at) => {
    const isMarked = marks.has(at);
    const last = parts.at(-1);
    if (last?.isMarked === isMarked) last.text += letter;
    else parts.push({ text: letter, isMarked, at });
  });
  return parts.map(({ text, isMarked, at }) => (isMarked ? <b key={at}>{text}</b> : <span key={at}>{text}</span>));
}
