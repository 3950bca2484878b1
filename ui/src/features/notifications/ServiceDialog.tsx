import { Alert, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Failed, Loading } from "../../components/States";
import { type Chosen, Gallery } from "./Gallery";
import { notificationQueries } from "./queries";
import { ServiceForm } from "./ServiceForm";
import { draftOf, kindOf, newDraft, type Service } from "./services";

/** Adds a service, or changes one. */
export function ServiceDialog({ service, taken, close }: { service?: Service; taken: string[]; close: () => void }) {
  const types = useQuery(notificationQueries.serviceTypes());
  const [chosen, setChosen] = useState<Chosen>();
  const kinds = types.data?.items ?? [];
  const kind = service ? kindOf(service, kinds) : chosen?.kind;
  const title = service ? `Change ${service.name}` : kind ? `Add ${kind.name}` : "Add a service";
  return (
    <Modal opened onClose={close} title={title} size="lg">
      {types.isPending ? <Loading /> : null}
      {types.isError ? <Failed error={types.error} retry={() => void types.refetch()} /> : null}
      {types.data && !kind && !service ? <Gallery kinds={kinds} choose={setChosen} /> : null}
      {types.data && !kind && service ? (
        <Alert color="orange">This version of Flowkeep does not know {service.config.service}.</Alert>
      ) : null}
      {kind ? (
        <ServiceForm
          key={`${kind.service_type}:${kind.service}`}
          kind={kind}
          service={service}
          begin={
            service ? draftOf(service) : { ...newDraft(kind, taken, chosen?.fields), verify: chosen?.verify ?? true }
          }
          close={close}
          back={service ? undefined : () => setChosen(undefined)}
        />
      ) : null}
    </Modal>
  );
}
