import { Card, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { queries } from "../../api/queries";
import { Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes } from "../../lib/format";

/** Which Flowkeep this is and what it stands on. */
export function AboutCard() {
  const about = useQuery(queries.about());
  const { data } = about;
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        About this Flowkeep
      </Title>
      {about.isPending ? <Loading lines={3} /> : null}
      {about.isError ? <Failed error={about.error} retry={() => void about.refetch()} /> : null}
      {data ? (
        <Table variant="vertical" layout="fixed" withRowBorders={false} verticalSpacing={5}>
          <Table.Tbody>
            {(
              [
                ["Version", data.version],
                ["Running", <Time key="started" at={data.started_at} />],
                ["Memory", bytes(data.resident_bytes)],
                [
                  "Own database",
                  data.database.mode === "private"
                    ? `private PostgreSQL ${data.database.version ?? ""}, in ${data.data_dir}`
                    : `${data.database.database} at ${data.database.address}`,
                ],
                ["Backups", data.backup_dir],
              ] as const
            ).map(([name, value]) => (
              <Table.Tr key={name}>
                <Table.Th w={140} bg="transparent" fw={500}>
                  {name}
                </Table.Th>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
              </Table.Tr>
            ))}
            <Table.Tr>
              <Table.Th w={140} bg="transparent" fw={500}>
                PostgreSQL here
              </Table.Th>
              <Table.Td>
                {data.postgres_installations.length === 0 ? "none" : null}
                {data.postgres_installations.map((one) => (
                  <Text key={one.bin_dir} size="sm" style={{ overflowWrap: "anywhere" }}>
                    {one.version}{" "}
                    <Text span c="dimmed">
                      {one.has_server ? "dumps and proves" : "dumps only"} · {one.bin_dir}
                    </Text>
                  </Text>
                ))}
              </Table.Td>
            </Table.Tr>
          </Table.Tbody>
        </Table>
      ) : null}
    </Card>
  );
}
