import { Anchor, Button, Card, Table, Text, VisuallyHidden } from "@mantine/core";
import { IconArchive, IconTrash } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Empty, Failed, Loading } from "../../components/States";
import { Time } from "../../components/Time";
import { bytes, count } from "../../lib/format";
import { UploadBox } from "./UploadBox";

type Archive = Schemas["FlowArchive"];

/** Archives that were brought from elsewhere. */
export function ArchivesTab() {
  const list = useQuery(queries.flowArchives());
  const [deleted, setDeleted] = useState<Archive>();
  const items = list.data?.items ?? [];
  return (
    <>
      <UploadBox />
      {list.isPending ? <Loading lines={2} /> : null}
      {list.isError ? <Failed error={list.error} retry={() => void list.refetch()} /> : null}
      {list.isSuccess && items.length === 0 ? (
        <Card withBorder>
          <Empty icon={<IconArchive size={40} stroke={1.3} />} title="No archive was uploaded yet">
            Workflows of another n8n, or of a dump that you made yourself, can be looked at and put back from here.
          </Empty>
        </Card>
      ) : null}
      {items.length > 0 ? (
        <Card withBorder p={0}>
          <Table.ScrollContainer
            minWidth={620}
            scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": "Archives" } }}
          >
            <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Archive</Table.Th>
                  <Table.Th ta="right">Workflows</Table.Th>
                  <Table.Th>n8n</Table.Th>
                  <Table.Th ta="right">Size</Table.Th>
                  <Table.Th>Uploaded</Table.Th>
                  <Table.Th>
                    <VisuallyHidden>Act</VisuallyHidden>
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {items.map((archive) => (
                  <Table.Tr key={archive.id}>
                    <Table.Td style={{ overflowWrap: "anywhere" }}>
                      <Anchor
                        component={Link}
                        to="/flows/in/$place"
                        params={{ place: `archive-${archive.id}` } as never}
                        fw={600}
                      >
                        {archive.name}
                      </Anchor>
                      <Text size="xs" c="dimmed">
                        Archive {archive.id}
                      </Text>
                    </Table.Td>
                    <Table.Td ta="right">{count(archive.workflow_count)}</Table.Td>
                    <Table.Td>{archive.n8n_version ?? "–"}</Table.Td>
                    <Table.Td ta="right" title={`${bytes(archive.stored_bytes)} on disk`}>
                      {bytes(archive.original_bytes)}
                    </Table.Td>
                    <Table.Td style={{ whiteSpace: "nowrap" }}>
                      <Time at={archive.uploaded_at} />
                    </Table.Td>
                    <Table.Td ta="right">
                      <Button
                        size="xs"
                        variant="subtle"
                        color="red"
                        leftSection={<IconTrash size={14} />}
                        aria-label={`Delete ${archive.name}`}
                        onClick={() => setDeleted(archive)}
                      >
                        Delete
                      </Button>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        </Card>
      ) : null}
      {deleted ? <DeleteDialog archive={deleted} close={() => setDeleted(undefined)} /> : null}
    </>
  );
}

function DeleteDialog({ archive, close }: { archive: Archive; close: () => void }) {
  const remove = useMutation({
    mutationFn: () => api.remove(`/api/flows/archives/${archive.id}`),
    onSuccess: () => {
      tell(`${archive.name} was deleted.`);
      void queryClient.invalidateQueries({ queryKey: ["flows"] });
      queryClient.removeQueries({ queryKey: ["flow-contents", `archive:${archive.id}`] });
      close();
    },
    onError: tellError,
  });
  return (
    <Confirm
      title={`Delete ${archive.name}?`}
      act="Delete the archive"
      keep="Keep it"
      color="red"
      isPending={remove.isPending}
      close={close}
      go={() => remove.mutate()}
    >
      Flowkeep forgets it and what it found in it. Workflows that were put back from it stay in n8n.
    </Confirm>
  );
}
