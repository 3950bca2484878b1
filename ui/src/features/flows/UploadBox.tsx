import { Alert, Button, Card, FileButton, Group, Progress, Stack, Text } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type DragEvent, useState } from "react";
import { query, type Schemas, upload } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import { bytes } from "../../lib/format";
import { plural } from "./wizard";

/** Takes a file, dropped or chosen. */
export function UploadBox() {
  const [isOver, setOver] = useState(false);
  const [part, setPart] = useState(0);
  const send = useMutation({
    mutationFn: (file: File) => {
      setPart(0);
      return upload<Schemas["FlowArchive"]>(`/api/flows/archives${query({ name: file.name })}`, file, setPart);
    },
    onSuccess: (archive) => {
      tell(`${archive.name} has ${plural(archive.workflow_count, "workflow")}.`);
      void queryClient.invalidateQueries({ queryKey: ["flows"] });
    },
  });
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const file = event.dataTransfer.files[0];
    if (file && !send.isPending) send.mutate(file);
  };
  return (
    <Card
      withBorder
      mb="md"
      onDragOver={(event: DragEvent) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      style={{ borderStyle: "dashed", borderColor: isOver ? "var(--mantine-primary-color-filled)" : undefined }}
    >
      <Stack gap="sm">
        <Group justify="space-between">
          <div style={{ flex: "1 1 260px", minWidth: 0 }}>
            <Text fw={600}>{isOver ? "Let go to upload it" : "Drop an archive here"}</Text>
            <Text size="sm" c="dimmed">
              A dump by pg_dump, a backup of Flowkeep's, or workflows that n8n exported: JSON, zip or tar.
            </Text>
          </div>
          <FileButton onChange={(file) => file && send.mutate(file)}>
            {(props) => (
              <Button {...props} leftSection={<IconUpload size={16} />} loading={send.isPending}>
                Choose a file
              </Button>
            )}
          </FileButton>
        </Group>
        {send.isPending ? (
          <div>
            <Progress
              value={part * 100}
              aria-label={`Upload of ${send.variables.name}`}
              animated={part === 1}
              striped={part === 1}
            />
            <Text size="sm" mt={4} style={{ overflowWrap: "anywhere" }}>
              {send.variables.name}, {bytes(send.variables.size)}:{" "}
              {part < 1 ? `${Math.floor(part * 100)} % sent` : "looking into it"}
            </Text>
          </div>
        ) : null}
        {send.error ? (
          <Alert color="red" role="alert" title={`${send.variables?.name ?? "The file"} was not taken`}>
            {send.error.message.replace(/^file: /, "")}
          </Alert>
        ) : null}
      </Stack>
    </Card>
  );
}
