import { Button, Card, Group, SimpleGrid } from "@mantine/core";
import { IconBroadcast, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Empty, Failed, Loading } from "../../components/States";
import { notificationQueries } from "./queries";
import { ServiceCard } from "./ServiceCard";
import { ServiceDialog } from "./ServiceDialog";
import { kindOf, type Service, servicesOf } from "./services";

/** The services that carry messages, and how they are. */
export function ServicesTab() {
  const services = useQuery(notificationQueries.services());
  const types = useQuery(notificationQueries.serviceTypes());
  const rules = useQuery(notificationQueries.rules());
  const [edited, setEdited] = useState<Service | "new">();
  const items = servicesOf(services.data);
  const add = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setEdited("new")}>
      Add a service
    </Button>
  );
  return (
    <>
      {items.length > 0 ? (
        <Group justify="flex-end" mb="md">
          {add}
        </Group>
      ) : null}
      {services.isPending ? <Loading /> : null}
      {services.isError ? <Failed error={services.error} retry={() => void services.refetch()} /> : null}
      {services.isSuccess && items.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconBroadcast size={40} stroke={1.3} />} title="Nobody is told anything yet" action={add}>
            Add a chat, a phone, a mailbox or a webhook, then say by rules what it is told.
          </Empty>
        </Card>
      ) : null}
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {items.map((service) => (
          <ServiceCard
            key={service.id}
            service={service}
            kind={kindOf(service, types.data?.items ?? [])}
            rules={rules.data?.items}
            edit={() => setEdited(service)}
          />
        ))}
      </SimpleGrid>
      {edited ? (
        <ServiceDialog
          service={edited === "new" ? undefined : edited}
          taken={items.map(({ name }) => name)}
          close={() => setEdited(undefined)}
        />
      ) : null}
    </>
  );
}
