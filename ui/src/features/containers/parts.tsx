/** What several pages of containers show. */
import { Alert, Anchor, Badge, Button, Group, Text } from "@mantine/core";
import { IconPlayerPlay, IconPlayerStop, IconPlugConnectedX, IconRefresh, type TablerIcon } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { ApiError, api } from "../../api/client";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { type Container, type Containers, refreshContainers, type Update } from "./queries";

const COLORS: Record<Container["status"], string> = {
  running: "green",
  unhealthy: "red",
  restarting: "orange",
  paused: "yellow",
  created: "gray",
  stopped: "gray",
};

export function StatusBadge({ container }: { container: Container }) {
  const { status, health, exit_code, is_out_of_memory } = container;
  const more =
    status === "stopped" && is_out_of_memory
      ? " · out of memory"
      : status === "stopped" && exit_code
        ? ` · code ${exit_code}`
        : status === "running" && health !== "none"
          ? ` · ${health}`
          : "";
  return (
    <Badge color={COLORS[status]} variant="light" miw="max-content" style={{ textTransform: "none" }}>
      {status}
      {more}
    </Badge>
  );
}

/** Why the engine cannot be asked, and what helps. */
export function EngineAlert({ engine, isStale }: { engine: Containers["engine"]; isStale: boolean }) {
  if (engine.is_reachable) return null;
  return (
    <Alert color="red" icon={<IconPlugConnectedX size={18} />} title="Docker cannot be reached" role="alert" mb="md">
      <Text size="sm">{engine.message}</Text>
      <Text size="sm" fw={600} mt={4}>
        {engine.remedy}
      </Text>
      {isStale ? (
        <Text size="sm" mt={4}>
          Below is what was known last. Docker is asked again by itself.
        </Text>
      ) : null}
    </Alert>
  );
}

export function PolicyNote({ policy }: { policy: Containers["policy"] }) {
  const reasons = [
    policy.prefixes.length > 0 ? `names that begin with ${policy.prefixes.join(", ")}` : null,
    policy.names.length > 0 ? `n8n's own: ${policy.names.join(", ")}` : null,
    policy.projects.length > 0 ? `compose projects ${policy.projects.join(", ")}` : null,
    policy.labels.length > 0 ? `labels ${policy.labels.join(", ")}` : null,
  ].filter(Boolean);
  return (
    <>
      {reasons.length > 0 ? `Shown: ${reasons.join("; ")}.` : "No container is allowed by the settings."}{" "}
      <Anchor component={Link} to="/settings" inherit underline="always">
        Change that in the settings
      </Anchor>
      .
    </>
  );
}

const UPDATES: Record<Update["state"], { label: string; color: string }> = {
  current: { label: "up to date", color: "green" },
  available: { label: "update there", color: "blue" },
  local_only: { label: "made here", color: "gray" },
  pinned: { label: "pinned", color: "gray" },
  unreachable: { label: "registry away", color: "orange" },
  denied: { label: "registry denies", color: "orange" },
};

export function UpdateBadge({ update }: { update: Update | null | undefined }) {
  if (!update) return null;
  const { label, color } = UPDATES[update.state];
  return (
    <Badge color={color} variant="light" title={update.message} style={{ textTransform: "none" }}>
      {label}
    </Badge>
  );
}

export const VERBS = ["start", "stop", "restart"] as const;
export type Verb = (typeof VERBS)[number];

/** What can be done with a container as it is now; nothing with the one that Flowkeep itself runs in. */
export const verbsOf = ({ status, is_own }: Pick<Container, "status" | "is_own">): Verb[] =>
  is_own ? [] : ["running", "unhealthy", "paused", "restarting"].includes(status) ? ["restart", "stop"] : ["start"];

export const WORDS: Record<Verb, { title: string; does: string; done: string }> = {
  start: { title: "Start", does: "It begins to run with the settings it was made with.", done: "was started" },
  stop: {
    title: "Stop",
    does: "It is asked to end and killed if it does not end in its time. It stays stopped until somebody starts it, whatever its restart policy is.",
    done: "was stopped",
  },
  restart: {
    title: "Restart",
    does: "It is asked to end, killed if it does not end in its time, and started again. It does not answer meanwhile.",
    done: "was restarted",
  },
};

export const VERB_ICONS: Record<Verb, TablerIcon> = {
  start: IconPlayerPlay,
  stop: IconPlayerStop,
  restart: IconRefresh,
};

type ActsProps = {
  container: Container;
  isReachable?: boolean;
  /** What is asked about at once, as after the palette, if it can be done now. */
  first?: Verb;
  /** The question was answered. */
  onAnswered?: () => void;
};

/** Start, stop and restart, with what will happen. */
export function Acts({ container, isReachable = true, first, onAnswered }: ActsProps) {
  const verbs = verbsOf(container);
  const [asked, setAsked] = useState<Verb | null>(first && verbs.includes(first) ? first : null);
  const close = () => {
    setAsked(null);
    onAnswered?.();
  };
  const act = useMutation({
    mutationFn: (verb: Verb) =>
      api.post<Container>(`/api/containers/${encodeURIComponent(container.name)}/${verb}?id=${container.id}`, {}),
    onSuccess: (_, verb) => {
      tell(`${container.name} ${WORDS[verb].done}.`);
      close();
      refreshContainers();
    },
    onError: (error) => {
      tellError(error);
      close();
      if (error instanceof ApiError) refreshContainers();
    },
  });
  const isN8n = /n8n/i.test(container.name) || /n8n/i.test(container.image);
  if (container.is_own)
    return (
      <Text size="sm" c="dimmed">
        Flowkeep runs in this one: stop and restart it with docker on the machine.
      </Text>
    );
  return (
    <Group gap="xs">
      {verbs.map((verb) => {
        const Icon = VERB_ICONS[verb];
        return (
          <Button
            key={verb}
            size="xs"
            variant="default"
            leftSection={<Icon size={14} />}
            disabled={!isReachable}
            onClick={() => setAsked(verb)}
            aria-label={`${WORDS[verb].title} ${container.name}`}
          >
            {WORDS[verb].title}
          </Button>
        );
      })}
      {asked ? (
        <Confirm
          title={`${WORDS[asked].title} ${container.name}?`}
          act={WORDS[asked].title}
          keep="Cancel"
          color={asked === "start" ? undefined : "red"}
          isPending={act.isPending}
          close={close}
          go={() => act.mutate(asked)}
        >
          <Text size="sm">{WORDS[asked].does}</Text>
          {isN8n && asked !== "start" ? (
            <Text size="sm">
              If n8n runs in it, executions that have not ended are cut off, and webhooks and schedules are missed until
              it runs again.
            </Text>
          ) : null}
        </Confirm>
      ) : null}
    </Group>
  );
}
