import { Grid, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { queries } from "../../api/queries";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { Difference } from "./Difference";
import { RestoreWizard } from "./RestoreWizard";
import { Versions } from "./Versions";
import { defaultPair, type Entry, entryOf, fold, type Version } from "./versions";
import { plural } from "./wizard";

/** One workflow through time. */
export function FlowPage() {
  const { id } = useParams({ strict: false }) as { id: string };
  const history = useQuery(queries.flowHistory(id));
  if (history.isPending) return <Loading lines={6} />;
  if (history.isError) return <Failed error={history.error} retry={() => void history.refetch()} />;
  return <Shown key={id} id={id} versions={history.data.versions} />;
}

function Shown({ id, versions }: { id: string; versions: Version[] }) {
  const entries = fold(versions);
  // What is looked at stays when a restore makes other versions the usual ones.
  const [chosen, setChosen] = useState<{ from?: string; to?: string }>(defaultPair(entries) ?? {});
  const [restored, setRestored] = useState<string>();
  const usual = defaultPair(entries);
  // What was chosen may be gone after a restore or when a backup was deleted.
  const still = (version?: string) => (version && entryOf(entries, version) ? version : undefined);
  const from = still(chosen.from) ?? usual?.from;
  const to = still(chosen.to) ?? usual?.to;
  const name = versions.find((version) => version.name)?.name ?? id;
  const isLive = versions[0]?.version === "live";
  return (
    <Page
      title={name}
      about={
        <>
          {isLive ? "n8n has it. " : "n8n does not have it any more. "}
          {plural(entries.length, "version")}.{" "}
          <Text span size="xs" ff="monospace">
            {id}
          </Text>
        </>
      }
    >
      <Grid>
        <Grid.Col span={{ base: 12, md: 4 }}>
          <Versions
            id={id}
            entries={entries}
            from={from}
            to={to}
            choose={(change) => setChosen({ from, to, ...change })}
            restore={setRestored}
          />
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 8 }}>
          {from && to ? (
            <Difference id={id} from={from} to={to} isOnly={isOnly(entries)} restore={setRestored} />
          ) : null}
        </Grid.Col>
      </Grid>
      {restored ? (
        <RestoreWizard source={restored} flows={[{ id, name }]} close={() => setRestored(undefined)} />
      ) : null}
    </Page>
  );
}

function isOnly(entries: Entry[]): boolean {
  return entries.length === 1 && entries[0]?.length === 1;
}
