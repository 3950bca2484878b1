import {
  Alert,
  Button,
  Checkbox,
  Group,
  Modal,
  NumberInput,
  SegmentedControl,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError } from "../../api/client";
import { tell } from "../../components/notify";
import { type Draft, isSameName, type Overview, RIGHTS, type Rights, refresh, requestOf, type Tool } from "./queries";

/** Says where a tool is, and who gets what in it. */
export function ToolDialog({
  draft: first,
  isNew,
  overview,
  close,
}: {
  draft: Draft;
  isNew: boolean;
  overview: Overview;
  close: (saved?: Tool) => void;
}) {
  const [draft, setDraft] = useState(first);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const save = useMutation({
    mutationFn: () => {
      const request = requestOf(draft, overview);
      return isNew
        ? api.post<Tool>("/api/auth/sso/services", { slug: draft.slug, ...request })
        : api.put<Tool>(`/api/auth/sso/services/${encodeURIComponent(draft.slug)}`, request);
    },
    onSuccess: (saved) => {
      tell(isNew ? `${saved.name} is on the list. Now tell nginx about it.` : `${saved.name} is saved.`);
      void refresh();
      close(saved);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const wrong = (field: string) => fieldError(save.error, field);
  const text = (
    field: "name" | "slug" | "host" | "path_prefix" | "upstream" | "remote_filter",
    label: string,
    more: { description?: string; placeholder?: string; required?: boolean },
  ) => (
    <TextInput
      label={label}
      {...more}
      value={draft[field]}
      onChange={(event) => set({ [field]: event.currentTarget.value })}
      error={wrong(field)}
      autoComplete="off"
    />
  );
  const fields = [
    "name",
    "slug",
    "host",
    "path_prefix",
    "upstream",
    "remote_filter",
    "remote_roles",
    "step_up_minutes",
  ];
  const isUnexplained =
    save.error &&
    (!fields.some((field) => wrong(field)) ||
      (draft.place === "path" && wrong("host")) ||
      (draft.place === "own" && wrong("path_prefix")));
  return (
    <Modal opened onClose={() => close()} title={isNew ? "Add a tool" : `Edit ${first.name}`} size="lg">
      <form onSubmit={submit}>
        <Stack>
          {text("name", "Name", { placeholder: "Dozzle", required: true })}
          {isNew
            ? text("slug", "Name in nginx", {
                placeholder: "dozzle",
                description: "Small letters, digits and hyphens. nginx asks about the tool by this name; it stays.",
                required: true,
              })
            : null}
          <div>
            <Text size="sm" fw={500} mb={4}>
              Where people open it
            </Text>
            <SegmentedControl
              fullWidth
              aria-label="Where people open it"
              value={draft.place}
              onChange={(place) => set({ place: place as Draft["place"] })}
              data={[
                { value: "own", label: "A host name of its own" },
                { value: "path", label: "A path beside Flowkeep" },
              ]}
            />
          </div>
          {draft.place === "own" ? (
            <>
              {overview.parent_domain || isSameName(draft.host, overview) ? null : (
                <Alert color="orange">Set the parent domain first; it is at the end of the page.</Alert>
              )}
              {text("host", "Host name", {
                placeholder: `dozzle.${overview.parent_domain ?? "example.com"}`,
                description: "With its port if that is not 443. Its name must lead to the same nginx.",
                required: true,
              })}
            </>
          ) : (
            <>
              {text("path_prefix", "Path", {
                placeholder: "/dozzle/",
                description: `Under ${overview.host}. The tool must know it: Dozzle by DOZZLE_BASE.`,
                required: true,
              })}
              <Text size="sm" c="dimmed">
                It then shares Flowkeep's origin: what breaks into this tool can act as you in Flowkeep. A host name of
                its own keeps them apart.
              </Text>
            </>
          )}
          {text("upstream", "Where nginx finds it", {
            placeholder: "http://127.0.0.1:8080",
            description: "Only for the configuration that you are shown. Nobody else should reach this address.",
            required: true,
          })}
          <Switch
            label="Ask for a code of the authenticator app"
            description="Before anybody opens it, though they are signed in. For tools that can do harm."
            checked={draft.requires_step_up}
            onChange={(event) => set({ requires_step_up: event.currentTarget.checked })}
          />
          {draft.requires_step_up ? (
            <NumberInput
              label="A code is good for (minutes)"
              min={1}
              max={1440}
              value={draft.step_up_minutes}
              onChange={(value) => set({ step_up_minutes: Number(value) })}
              error={wrong("step_up_minutes")}
            />
          ) : null}
          <div>
            <Text size="sm" fw={500} mb={4}>
              What people may do in Dozzle
            </Text>
            <Text size="xs" c="dimmed" mb={4}>
              Actions and the shell only if Dozzle itself was started with them.
            </Text>
            <SegmentedControl
              fullWidth
              aria-label="What people may do in Dozzle"
              value={draft.rights}
              onChange={(rights) => set({ rights: rights as Rights })}
              data={[
                { value: "none", label: "Look only" },
                { value: "some", label: "Some things" },
                { value: "all", label: "Everything" },
              ]}
            />
            {draft.rights === "some" ? (
              <Checkbox.Group
                mt="sm"
                aria-label="Rights"
                value={draft.some}
                onChange={(some) => set({ some })}
                error={wrong("remote_roles")}
              >
                <Stack gap="xs">
                  {RIGHTS.map((right) => (
                    <Checkbox key={right.value} {...right} />
                  ))}
                </Stack>
              </Checkbox.Group>
            ) : null}
          </div>
          {text("remote_filter", "Which containers they see in Dozzle", {
            placeholder: "all of them",
            description:
              "A filter of Docker, as in name=n8n or label=com.docker.compose.project=n8n. Other tools do not read it.",
          })}
          <Switch
            label="On"
            description="Off, nginx is told to let nobody through."
            checked={draft.is_enabled}
            onChange={(event) => set({ is_enabled: event.currentTarget.checked })}
          />
          {isUnexplained ? (
            <Alert color="red" role="alert">
              {save.error?.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => close()}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {isNew ? "Add" : "Save"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
