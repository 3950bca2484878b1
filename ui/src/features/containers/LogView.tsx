import {
  ActionIcon,
  Alert,
  Button,
  Group,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import {
  IconArrowDown,
  IconDownload,
  IconPlayerPause,
  IconPlayerPlay,
  IconRegex,
  IconSearch,
  IconZoomScan,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Failed } from "../../components/States";
import { count, dateTime } from "../../lib/format";
import { type FollowState, useFollow } from "./follow";
import classes from "./LogView.module.css";
import { type Level, type Line, level, MOST_LINES, marked, matcher, places, plain, prettyJson, spans } from "./lines";
import { containerQueries, type Looked, MOST_LOOKED_AT } from "./queries";

const TAILS = [
  { value: "100", label: "Last 100 lines" },
  { value: "500", label: "Last 500 lines" },
  { value: "2000", label: "Last 2,000 lines" },
  { value: "10000", label: "Last 10,000 lines" },
  { value: "m15", label: "Last 15 minutes" },
  { value: "m60", label: "Last hour" },
  { value: "m1440", label: "Last day" },
];

const NO_LINES: Line[] = [];

/** Lines that are drawn or left out together. */
const BLOCK = 100;
const LINE_HEIGHT = 20;

type Shown = { lines: Line[]; isPaused: boolean };

/** The logs of one or more containers, live. */
export function LogView({ names, search: firstSearch = "" }: { names: string[]; search?: string }) {
  const [range, setRange] = useState("500");
  const minutes = range.startsWith("m") ? Number(range.slice(1)) : null;
  const since = useMemo(
    () => (minutes === null ? null : new Date(Date.now() - minutes * 60_000).toISOString()),
    [minutes],
  );
  const tail = minutes === null ? Number(range) : MOST_LINES;
  const { buffer, states, dropped, holes, histories, error } = useFollow(names, tail, since);
  // Who asks for the last 500 lines knows that there are older ones; who asks for a day takes it for the whole day.
  const isCut = Object.values(histories).some(
    (history) => history.isCut || (since !== null && history.lines >= MOST_LINES),
  );
  const [stream, setStream] = useState("all");
  const [text, setText] = useState(firstSearch);
  const [isRegex, setRegex] = useState(false);
  const [isOnly, setOnly] = useState(false);
  const [isWrapped, setWrapped] = useState(false);
  const [paused, setPaused] = useState<Line[] | null>(null);
  const expression = useMemo(() => matcher({ text, isRegex, isExact: false }), [text, isRegex]);
  const isWrong = expression !== null && "error" in expression;
  const usable = isWrong ? null : (expression as RegExp | null);
  // What was asked for stands for as long as it is what the fields say.
  const [asked, setAsked] = useState<Looked | null>(null);
  const wanted: Looked = { text, isRegex, stream: stream === "all" ? null : (stream as Looked["stream"]), since };
  const isWhole = asked !== null && JSON.stringify(asked) === JSON.stringify(wanted);
  const whole = useQuery({ ...containerQueries.found(names, asked ?? wanted), enabled: isWhole });
  const lines = isWhole ? (whole.data?.lines ?? NO_LINES) : (paused ?? buffer.lines);
  const shown = useMemo(
    () =>
      lines.filter(
        (line) =>
          (stream === "all" || line.stream === stream) &&
          (!isOnly || usable === null || places(plain(line.text), usable).length > 0),
      ),
    [lines, stream, isOnly, usable],
  );
  const found = useMemo(
    () => (usable ? shown.reduce((sum, line) => sum + (places(plain(line.text), usable).length > 0 ? 1 : 0), 0) : 0),
    [shown, usable],
  );
  const waiting = paused && !isWhole ? buffer.nextId - 1 - (paused.at(-1)?.id ?? 0) : 0;
  return (
    <Stack gap="sm">
      <Group gap="sm" align="flex-end">
        <Select
          label="Show"
          data={TAILS}
          value={range}
          onChange={(value) => value && setRange(value)}
          allowDeselect={false}
          w={180}
          size="sm"
        />
        <TextInput
          label="Search"
          leftSection={<IconSearch size={15} />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          error={isWrong ? `No expression: ${expression.error}` : undefined}
          rightSection={
            <ActionIcon
              variant={isRegex ? "filled" : "subtle"}
              size="sm"
              aria-label="Regular expression"
              aria-pressed={isRegex}
              onClick={() => setRegex(!isRegex)}
            >
              <IconRegex size={15} />
            </ActionIcon>
          }
          w={260}
          size="sm"
        />
        <SegmentedControl
          value={stream}
          onChange={setStream}
          aria-label="Stream"
          data={[
            { value: "all", label: "all" },
            { value: "stdout", label: "stdout" },
            { value: "stderr", label: "stderr" },
          ]}
        />
        <Switch
          label="Only what is found"
          checked={isOnly}
          onChange={(event) => setOnly(event.currentTarget.checked)}
          mb={8}
        />
        <Switch
          label="Wrap lines"
          checked={isWrapped}
          onChange={(event) => setWrapped(event.currentTarget.checked)}
          mb={8}
        />
        <Button
          variant="default"
          leftSection={paused ? <IconPlayerPlay size={15} /> : <IconPlayerPause size={15} />}
          onClick={() => setPaused(paused ? null : buffer.lines)}
        >
          {paused ? "Follow" : "Pause"}
        </Button>
        <Button
          variant={isWhole ? "filled" : "default"}
          leftSection={<IconZoomScan size={15} />}
          loading={isWhole && whole.isFetching}
          disabled={!usable}
          aria-pressed={isWhole}
          onClick={() => setAsked(isWhole ? null : wanted)}
        >
          {isWhole ? "Back to the live log" : "Search older lines too"}
        </Button>
        {names.map((name) => (
          <Button
            key={name}
            variant="default"
            component="a"
            href={download(name, stream, minutes, usable && (isOnly || isWhole) ? { text, isRegex } : null)}
            download
            leftSection={<IconDownload size={15} />}
          >
            {names.length > 1 ? name : "Download"}
          </Button>
        ))}
      </Group>
      <States states={states} names={names} error={error} />
      {isWhole && whole.isError ? <Failed error={whole.error} retry={() => void whole.refetch()} /> : null}
      <Group gap="md" role="status">
        <Text size="sm" c="dimmed">
          {isWhole && whole.data ? `${count(whole.data.lookedAt)} lines looked through: ` : ""}
          {count(shown.length)} {shown.length === 1 ? "line" : "lines"}
          {usable ? `, ${count(found)} with “${text}”` : ""}
          {buffer.gone > 0 && !isWhole ? `; ${count(buffer.gone)} older ones are not shown any more` : ""}
          {waiting > 0 ? `; ${count(waiting)} more came since you paused` : ""}
        </Text>
        {isWhole && whole.data?.isCut ? (
          <Text size="sm" c="orange">
            There may be more: the newest {count(MOST_LOOKED_AT)} lines{names.length > 1 ? " of each container" : ""}{" "}
            are looked through, and at most {count(MOST_LINES)} shown. Download has all that are found.
          </Text>
        ) : null}
        {isWhole && whole.data?.isUnfinished ? (
          <Text size="sm" c="orange">
            The engine took too long: the newest lines are left out.
          </Text>
        ) : null}
        {isCut && !isWhole ? (
          <Text size="sm" c="orange">
            These are only the newest lines: at most {count(tail)}
            {names.length > 1 ? " of each container" : ""}, and 8 MB. Download has them all.
          </Text>
        ) : null}
        {holes > 0 && !isWhole ? (
          <Text size="sm" c="orange">
            Lines may be missing: the connection to Flowkeep was away for longer than these lines reach back. Download
            has them.
          </Text>
        ) : null}
        {dropped > 0 && !isWhole ? (
          <Text size="sm" c="orange">
            {count(dropped)} lines are missing: they came faster than this page could take them, or while the Docker
            engine was away. Download has them.
          </Text>
        ) : null}
      </Group>
      <List
        // Both count their lines from one.
        key={isWhole ? "found" : "live"}
        lines={shown}
        expression={usable}
        isWrapped={isWrapped}
        isPaused={paused !== null || isWhole}
        isMany={names.length > 1}
      />
    </Stack>
  );
}

function download(
  name: string,
  stream: string,
  minutes: number | null,
  search: { text: string; isRegex: boolean } | null,
): string {
  const query = new URLSearchParams();
  if (stream !== "all") query.set("stream", stream);
  if (minutes !== null) query.set("since", new Date(Date.now() - minutes * 60_000).toISOString());
  if (search) {
    query.set("search", search.text);
    query.set("regex", String(search.isRegex));
  }
  const text = query.toString();
  return `/api/containers/${encodeURIComponent(name)}/logs/download${text ? `?${text}` : ""}`;
}

const STATES: Record<FollowState["state"], string> = {
  connecting: "is being asked for",
  following: "is being followed",
  stopped: "does not run; its next lines come when it does",
  gone: "is not there any more: it was removed, renamed, or the settings leave it out",
  down: "cannot be followed",
};

function States({
  states,
  names,
  error,
}: {
  states: Record<string, FollowState>;
  names: string[];
  error: string | null;
}) {
  const down = names.map((name) => states[name]).find((state) => state?.state === "down");
  const others = names
    .map((name) => states[name])
    .filter((state) => state && ["stopped", "gone"].includes(state.state));
  return (
    <>
      {error ? (
        <Alert color="red" role="alert" title="The log cannot be followed">
          {error}
        </Alert>
      ) : null}
      {down ? (
        <Alert color="red" role="alert" title="Docker cannot be reached">
          <Text size="sm">{down.message}</Text>
          <Text size="sm" fw={600}>
            {down.remedy}
          </Text>
          <Text size="sm">It is tried again by itself; the lines go on where they were.</Text>
        </Alert>
      ) : null}
      {others.map((state) =>
        state ? (
          <Alert key={state.container} color={state.state === "gone" ? "orange" : "gray"} role="status" py="xs">
            {state.container} {STATES[state.state]}
            {state.state === "stopped" && state.exit_code != null ? ` (exit code ${state.exit_code})` : ""}.
          </Alert>
        ) : null,
      )}
    </>
  );
}

function List({
  lines,
  expression,
  isWrapped,
  isPaused,
  isMany,
}: Shown & { expression: RegExp | null; isWrapped: boolean; isMany: boolean }) {
  const frame = useRef<HTMLDivElement>(null);
  const [isAtEnd, setAtEnd] = useState(true);
  // Blocks begin at ids that are multiples, so that those in the middle stay the same when lines come and go.
  const blocks = useMemo(() => {
    const all: { key: number; lines: Line[] }[] = [];
    for (const line of lines) {
      const key = Math.floor(line.id / BLOCK);
      const last = all.at(-1);
      if (last?.key === key && last.lines.length < BLOCK) last.lines.push(line);
      else all.push({ key, lines: [line] });
    }
    return all;
  }, [lines]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: new lines are what moves the end
  useEffect(() => {
    if (isAtEnd && !isPaused && frame.current) frame.current.scrollTop = frame.current.scrollHeight;
  }, [lines, isAtEnd, isPaused, isWrapped]);
  const scrolled = useCallback(() => {
    const element = frame.current;
    if (element) setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 40);
  }, []);
  return (
    <div style={{ position: "relative" }}>
      <section
        ref={frame}
        className={`${classes.frame} ${isWrapped ? classes.wrapped : ""}`}
        onScroll={scrolled}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
        tabIndex={0}
        aria-label="Log"
      >
        {lines.length === 0 ? (
          <Text size="sm" px="md" c="#adb5bd">
            No lines yet.
          </Text>
        ) : null}
        {blocks.map((block) => (
          <Block
            key={`${block.key}-${block.lines[0]?.container}-${block.lines[0]?.id}`}
            lines={block.lines}
            frame={frame}
            expression={expression}
            isMany={isMany}
          />
        ))}
      </section>
      {isAtEnd ? null : (
        <Button
          size="xs"
          leftSection={<IconArrowDown size={14} />}
          style={{ position: "absolute", right: 20, bottom: 14 }}
          onClick={() => setAtEnd(true)}
        >
          To the newest
        </Button>
      )}
    </div>
  );
}

type BlockProps = {
  lines: Line[];
  frame: React.RefObject<HTMLDivElement | null>;
  expression: RegExp | null;
  isMany: boolean;
};

/** Draws its lines only near to what is seen. */
const Block = memo(
  function Block({ lines, frame, expression, isMany }: BlockProps) {
    const holder = useRef<HTMLDivElement>(null);
    const height = useRef(lines.length * LINE_HEIGHT);
    const [isNear, setNear] = useState(typeof IntersectionObserver === "undefined");
    useEffect(() => {
      const element = holder.current;
      if (!element || typeof IntersectionObserver === "undefined") return;
      const observer = new IntersectionObserver(
        ([entry]) => {
          if (!entry) return;
          if (!entry.isIntersecting) height.current = element.offsetHeight || height.current;
          setNear(entry.isIntersecting);
        },
        { root: frame.current, rootMargin: "800px 0px" },
      );
      observer.observe(element);
      return () => observer.disconnect();
    }, [frame]);
    return (
      <div ref={holder} style={isNear ? undefined : { height: height.current }}>
        {isNear
          ? lines.map((line) => <LogLine key={line.id} line={line} expression={expression} isMany={isMany} />)
          : null}
      </div>
    );
  },
  (before, after) =>
    before.expression === after.expression &&
    before.isMany === after.isMany &&
    before.lines.length === after.lines.length &&
    before.lines[0]?.id === after.lines[0]?.id &&
    before.lines.at(-1)?.id === after.lines.at(-1)?.id,
);

const SEEN: Record<NonNullable<Level>, string> = {
  error: "error",
  warn: "warning",
  info: "information",
  debug: "debug",
};

const LogLine = memo(function LogLine({
  line,
  expression,
  isMany,
}: {
  line: Line;
  expression: RegExp | null;
  isMany: boolean;
}) {
  const [isOpen, setOpen] = useState(false);
  const text = plain(line.text);
  const guessed = level(text);
  const pieces = marked(spans(line.text), places(text, expression));
  const json = prettyJson(text);
  return (
    <>
      <div className={classes.line} data-level={guessed ?? undefined} data-stream={line.stream}>
        {json ? (
          <button
            type="button"
            className={classes.open}
            aria-expanded={isOpen}
            aria-label="Show as JSON"
            onClick={() => setOpen(!isOpen)}
          >
            {isOpen ? "▾" : "▸"}
          </button>
        ) : null}
        <span
          className={classes.time}
          title={`${dateTime(line.at)} · ${line.stream}${guessed ? ` · ${SEEN[guessed]}` : ""}`}
        >
          {line.at ? new Date(line.at).toLocaleTimeString("en-GB") : "        "}
        </span>
        {isMany ? <span className={classes.from}>{line.container}</span> : null}
        <span className={classes.text}>
          {pieces.map((piece, index) => {
            const { color, background, bold, dim, italic, underline } = piece.style;
            return (
              <span
                // biome-ignore lint/suspicious/noArrayIndexKey: pieces of a line never move
                key={index}
                className={piece.isFound ? classes.found : undefined}
                style={
                  piece.isFound
                    ? undefined
                    : {
                        color,
                        background,
                        fontWeight: bold ? 700 : undefined,
                        opacity: dim ? 0.7 : undefined,
                        fontStyle: italic ? "italic" : undefined,
                        textDecoration: underline ? "underline" : undefined,
                      }
                }
              >
                {piece.text}
              </span>
            );
          })}
          {line.cut_bytes ? <span className={classes.cut}> … cut: {count(line.cut_bytes)} bytes in all</span> : null}
        </span>
      </div>
      {isOpen && json ? <pre className={classes.json}>{json}</pre> : null}
    </>
  );
});
