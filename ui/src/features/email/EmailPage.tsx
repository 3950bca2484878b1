import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { ConfigCard } from "./ConfigCard";
import { emailQueries } from "./queries";
import { TemplatesCard } from "./TemplatesCard";
import { TestCard } from "./TestCard";

/** A field of the configuration that a check found at fault. */
export type Fault = { field: string; reason: string };

/** How mail goes out, whether it arrives, and what it says. */
export function EmailPage() {
  const config = useQuery(emailQueries.config());
  const [fault, setFault] = useState<Fault>();
  return (
    <Page title="E-mail" about="For notifications by mail: who carries it, who gets it, and what it says.">
      {config.isPending ? <Loading lines={6} /> : null}
      {config.isError ? <Failed error={config.error} retry={() => void config.refetch()} /> : null}
      {config.data ? (
        <Stack>
          <ConfigCard config={config.data} fault={fault} setFault={setFault} />
          {config.data.is_set ? <TestCard config={config.data} setFault={setFault} /> : null}
          <TemplatesCard />
        </Stack>
      ) : null}
    </Page>
  );
}
