import { Alert, Anchor, Badge, Button, Card, Group, Radio, Stack, Text, Title } from "@mantine/core";
import { IconArrowBackUp, IconDownload } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { Time } from "../../components/Time";
import { useExport } from "./actions";
import { type Entry, restorable, toPlace, unchangedIn, versionLabel } from "./versions";
import { plural } from "./wizard";

/** Every version that can be had, newest first; two of them are compared. */
export function Versions({
  id,
  entries,
  from,
  to,
  choose,
  restore,
}: {
  id: string;
  entries: Entry[];
  from?: string;
  to?: string;
  choose: (change: { from?: string; to?: string }) => void;
  restore: (version: string) => void;
}) {
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Versions
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        Choose an old and a new one to compare.
      </Text>
      {entries.length === 0 ? <Alert color="gray">No backup, no archive and no n8n knows this workflow.</Alert> : null}
      <Stack gap={0} component="ol" p={0} m={0} style={{ listStyle: "none" }}>
        {entries.map((entry) => (
          <One key={entry[0].version} id={id} entry={entry} from={from} to={to} choose={choose} restore={restore} />
        ))}
      </Stack>
    </Card>
  );
}

function One({
  id,
  entry,
  from,
  to,
  choose,
  restore,
}: {
  id: string;
  entry: Entry;
  from?: string;
  to?: string;
  choose: (change: { from?: string; to?: string }) => void;
  restore: (version: string) => void;
}) {
  const [newest] = entry;
  const oldest = entry.at(-1) ?? newest;
  const label = versionLabel(newest.version);
  const take = useExport(newest.version);
  const unchanged = unchangedIn(entry);
  const back = restorable(entry);
  const has = (version?: string) => entry.some((one) => one.version === version);
  // The newest of those that are alike stands for them, but live is never the old one if a backup is as it.
  const asOld = (entry.find(({ version }) => version !== "live") ?? newest).version;
  const kept = entry.find(({ version }) => toPlace(version));
  const place = kept ? toPlace(kept.version) : undefined;
  return (
    <li style={{ borderTop: "1px solid var(--mantine-color-default-border)", padding: "10px 0" }}>
      <Group gap="xs">
        <Text fw={600} span>
          {label}
        </Text>
        {newest.is_active ? (
          <Badge size="sm" variant="light" color="teal">
            Active
          </Badge>
        ) : null}
      </Group>
      <Text size="sm" c="dimmed">
        {newest.at ? <Time at={newest.at} /> : "No time known"}
        {newest.authors ? `, by ${newest.authors}` : ""}, {plural(newest.node_count, "node")}
      </Text>
      {unchanged ? (
        <Text size="sm" c="dimmed">
          {unchanged}
          {oldest.at ? (
            <>
              , back to <Time at={oldest.at} />
            </>
          ) : null}
        </Text>
      ) : null}
      {place && kept ? (
        <Anchor component={Link} to="/flows/in/$place" params={{ place } as never} size="sm">
          What else is in {versionLabel(kept.version).toLowerCase()}
        </Anchor>
      ) : null}
      <Group gap="md" mt={6}>
        <Radio
          name="old-version"
          size="xs"
          label="Old"
          aria-label={`Old: ${label}`}
          checked={has(from)}
          onChange={() => choose({ from: asOld })}
        />
        <Radio
          name="new-version"
          size="xs"
          label="New"
          aria-label={`New: ${label}`}
          checked={has(to)}
          onChange={() => choose({ to: newest.version })}
        />
        <Group gap={4} ml="auto">
          <Button
            size="compact-xs"
            variant="subtle"
            loading={take.isPending}
            leftSection={<IconDownload size={14} />}
            aria-label={`Export ${label}`}
            onClick={() => take.mutate([id])}
          >
            Export
          </Button>
          {back ? (
            <Button
              size="compact-xs"
              variant="subtle"
              leftSection={<IconArrowBackUp size={14} />}
              aria-label={`Restore ${label}`}
              onClick={() => restore(back.version)}
            >
              Restore
            </Button>
          ) : null}
        </Group>
      </Group>
    </li>
  );
}
