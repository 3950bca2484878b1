import { Accordion, Alert, Code, List, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { CopyLine } from "../../components/Copy";
import { Failed, Loading } from "../../components/States";
import { ssoQueries, type Tool } from "./queries";

/** What to paste where. */
export function NginxDialog({ tool, close }: { tool: Tool; close: () => void }) {
  const files = useQuery(ssoQueries.nginx(tool.slug));
  const items = files.data?.items ?? [];
  return (
    <Modal opened onClose={close} title={`nginx for ${tool.name}`} size="xl">
      <Stack>
        <List type="ordered" size="sm" spacing={4}>
          <List.Item>
            Start Flowkeep with <Code>FLOWKEEP_LISTEN=127.0.0.1:3334</Code> and{" "}
            <Code>FLOWKEEP_TRUSTED_PROXIES=127.0.0.1/32</Code>, so that only nginx reaches it.
          </List.Item>
          <List.Item>Put the first file below under /etc/nginx; the others are there once for all tools.</List.Item>
          <List.Item>Put in your own certificates, then check and load it:</List.Item>
        </List>
        <CopyLine text="nginx -t && systemctl reload nginx" label="Copy the command" />
        {files.isPending ? <Loading lines={3} /> : null}
        {files.isError ? <Failed error={files.error} retry={() => void files.refetch()} /> : null}
        {items.length > 0 ? (
          <Accordion defaultValue={items[0]?.path} variant="separated">
            {items.map((file) => (
              <Accordion.Item key={file.path} value={file.path}>
                <Accordion.Control>
                  <Text size="sm" fw={600} style={{ overflowWrap: "anywhere" }}>
                    /etc/nginx/{file.path}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {file.about} {file.is_shared ? "Once for all tools." : "For this tool."}
                  </Text>
                </Accordion.Control>
                <Accordion.Panel>
                  <CopyLine text={file.text} label={`Copy ${file.path}`} />
                </Accordion.Panel>
              </Accordion.Item>
            ))}
          </Accordion>
        ) : null}
        <Alert color="orange" title="nginx must be the only way in">
          <Text size="sm">
            The tool believes whatever these headers say. Let it listen at {tool.upstream} for nginx alone, never on the
            network.
          </Text>
        </Alert>
      </Stack>
    </Modal>
  );
}
