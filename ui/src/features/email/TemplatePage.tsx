import { Anchor, Badge, Button, Group, SimpleGrid } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useBlocker, useParams } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tell, tellError } from "../../components/notify";
import { Page } from "../../components/Page";
import { Failed, Loading } from "../../components/States";
import { type EmailTemplate, emailQueries } from "./queries";
import { TemplateForm } from "./TemplateForm";
import { Preview, usePreview } from "./TemplatePreview";

export type TemplateDraft = Pick<EmailTemplate, "subject" | "html_body" | "text_body" | "enabled">;

/** What one kind of mail says, and how it looks. */
export function TemplatePage() {
  const { key } = useParams({ strict: false }) as { key: string };
  const template = useQuery(emailQueries.template(key));
  const { data } = template;
  // The default begins a new draft; saving does not, for there may be more typed meanwhile.
  const [resets, setResets] = useState(0);
  return (
    <Page
      title={data?.name ?? "Template"}
      about={
        <>
          <Anchor component={Link} to="/email" size="sm" underline="always">
            E-mail
          </Anchor>{" "}
          {data ? `· ${data.description}` : ""}
        </>
      }
      action={data?.is_customized ? <Reset template={data} done={() => setResets((times) => times + 1)} /> : null}
    >
      {template.isPending ? <Loading lines={6} /> : null}
      {template.isError ? <Failed error={template.error} retry={() => void template.refetch()} /> : null}
      {data ? <Editor key={`${data.key}:${resets}`} template={data} /> : null}
    </Page>
  );
}

function keep(fresh: EmailTemplate) {
  queryClient.setQueryData(emailQueries.template(fresh.key).queryKey, fresh);
  void queryClient.invalidateQueries({ queryKey: ["email", "templates"], exact: true });
}

function Editor({ template }: { template: EmailTemplate }) {
  const { subject, html_body, text_body, enabled } = template;
  const saved: TemplateDraft = { subject, html_body, text_body, enabled };
  const [draft, setDraft] = useState(saved);
  const preview = usePreview(template.key, draft);
  const save = useMutation({
    mutationFn: () => api.put<EmailTemplate>(`/api/email/templates/${template.key}`, draft),
    onSuccess: (fresh) => {
      keep(fresh);
      tell(`${fresh.name} is saved.`);
    },
  });
  const isChanged = JSON.stringify(draft) !== JSON.stringify(saved);
  const leaving = useBlocker({
    shouldBlockFn: () => isChanged,
    enableBeforeUnload: () => isChanged,
    withResolver: true,
  });
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
      <Confirm
        title="Leave without saving?"
        act="Leave"
        keep="Stay here"
        color="red"
        isOpen={leaving.status === "blocked"}
        isPending={false}
        close={() => leaving.reset?.()}
        go={() => leaving.proceed?.()}
      >
        What you wrote is not saved yet, and would be lost.
      </Confirm>
      <TemplateForm
        draft={draft}
        set={(change) => {
          save.reset();
          setDraft((before) => ({ ...before, ...change }));
        }}
        variables={template.variables}
        error={save.error ?? preview.error}
        action={
          <Button loading={save.isPending} disabled={!isChanged} onClick={() => save.mutate()}>
            Save
          </Button>
        }
      />
      <Preview preview={preview} />
    </SimpleGrid>
  );
}

function Reset({ template, done }: { template: EmailTemplate; done: () => void }) {
  const [isAsking, setAsking] = useState(false);
  const reset = useMutation({
    mutationFn: () => api.post<EmailTemplate>(`/api/email/templates/${template.key}/reset`),
    onSuccess: (fresh) => {
      keep(fresh);
      setAsking(false);
      done();
      tell(`${fresh.name} says what it said at first.`);
    },
    onError: tellError,
  });
  return (
    <Group gap="xs">
      <Badge variant="light">Changed</Badge>
      <Button variant="default" onClick={() => setAsking(true)}>
        Default text
      </Button>
      <Confirm
        title="Back to the default text?"
        act="Take the default"
        keep="Keep mine"
        color="red"
        isOpen={isAsking}
        isPending={reset.isPending}
        close={() => setAsking(false)}
        go={() => reset.mutate()}
      >
        What you wrote as subject, formatted and plain text is lost.
      </Confirm>
    </Group>
  );
}
