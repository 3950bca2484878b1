import { Alert, Box, Card, Code, Group, SegmentedControl, Text, Title } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas } from "../../api/client";
import { Loading } from "../../components/States";
import type { TemplateDraft } from "./TemplatePage";

/** A draft with sample values, a moment after it was typed. What was right before stays while it is wrong. */
export function usePreview(key: string, { subject, html_body, text_body }: TemplateDraft) {
  const [draft] = useDebouncedValue(JSON.stringify({ subject, html_body, text_body }), 400);
  const preview = useQuery({
    queryKey: ["email", "preview", key, draft],
    queryFn: () => api.post<Schemas["EmailPreview"]>(`/api/email/templates/${key}/preview`, JSON.parse(draft)),
    placeholderData: (before) => before,
    retry: false,
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return preview;
}

const WIDTHS = { desktop: "100%", phone: 375 } as const;

/** How it looks when it arrives. The frame runs nothing and leads nowhere. */
export function Preview({ preview }: { preview: ReturnType<typeof usePreview> }) {
  const [view, setView] = useState<keyof typeof WIDTHS | "text">("desktop");
  const [last, setLast] = useState(preview.data);
  if (preview.data && preview.data !== last) setLast(preview.data);
  const shown = preview.data ?? last;
  return (
    <Card withBorder style={{ alignSelf: "start", minWidth: 0 }}>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          Preview
        </Title>
        <SegmentedControl
          size="xs"
          aria-label="Shown as"
          value={view}
          onChange={(value) => setView(value as typeof view)}
          data={[
            { value: "desktop", label: "Desktop" },
            { value: "phone", label: "Phone" },
            { value: "text", label: "Plain text" },
          ]}
        />
      </Group>
      {preview.isError ? (
        <Alert color="orange" mb="sm" role="status">
          It cannot be shown as it is now{shown ? "; this is how it was before" : ""}.
        </Alert>
      ) : null}
      {!shown && preview.isPending ? <Loading lines={3} /> : null}
      {shown ? (
        <>
          <Text size="sm" mb="xs" style={{ overflowWrap: "anywhere" }}>
            <Text span c="dimmed" size="sm">
              Subject:{" "}
            </Text>
            {shown.subject}
          </Text>
          {view === "text" ? (
            <Code block style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
              {shown.text_body}
            </Code>
          ) : (
            <Box style={{ overflowX: "auto" }}>
              <iframe
                title="How the mail looks"
                sandbox=""
                srcDoc={shown.html_body}
                style={{
                  display: "block",
                  width: WIDTHS[view],
                  maxWidth: "100%",
                  height: 620,
                  margin: "0 auto",
                  border: "1px solid var(--mantine-color-default-border)",
                  borderRadius: "var(--mantine-radius-md)",
                }}
              />
            </Box>
          )}
        </>
      ) : null}
    </Card>
  );
}
