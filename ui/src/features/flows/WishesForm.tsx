import { Alert, PasswordInput, Radio, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { fieldError } from "../../api/client";
import { queries } from "../../api/queries";
import { toPlace } from "./versions";
import { CONFLICTS, type Wishes } from "./wizard";

const STATIC_DATA: { value: Wishes["staticData"]; label: string }[] = [
  { value: "usual", label: "As usual: kept when overwritten, brought back when new, cleared for a copy" },
  { value: "keep", label: "Keep what n8n has" },
  { value: "restore", label: "Bring back what it was" },
  { value: "clear", label: "Clear it" },
];

const FIELDS = ["source_encryption_key", "project_id"];

/** How workflows are to be put back. */
export function WishesForm({
  source,
  wishes,
  setWishes,
  error,
}: {
  source: string;
  wishes: Wishes;
  setWishes: (wishes: Wishes) => void;
  error: Error | null;
}) {
  const set = (change: Partial<Wishes>) => setWishes({ ...wishes, ...change });
  return (
    <Stack>
      <Radio.Group
        label="If n8n has it already"
        value={wishes.onConflict}
        onChange={(value) => set({ onConflict: value as Wishes["onConflict"] })}
      >
        <Stack gap="xs" mt="xs">
          {CONFLICTS.map(({ value, label, about }) => (
            <Radio key={value} value={value} label={label} description={about} />
          ))}
        </Stack>
      </Radio.Group>
      <Switch
        label="Bring missing credentials back too"
        description="Those that these workflows use and n8n lacks. Credentials that n8n has stay as they are."
        checked={wishes.withCredentials}
        onChange={(event) => set({ withCredentials: event.currentTarget.checked })}
      />
      {wishes.withCredentials ? (
        <PasswordInput
          label="Key of the old n8n"
          description="Only if it had another encryption key than n8n has now. It is used once and not kept."
          value={wishes.sourceKey}
          onChange={(event) => set({ sourceKey: event.currentTarget.value })}
          error={fieldError(error, "source_encryption_key")}
          autoComplete="off"
        />
      ) : null}
      <Select
        label="What nodes remember between runs"
        description="Such as the last item that a trigger has seen."
        data={STATIC_DATA}
        allowDeselect={false}
        value={wishes.staticData}
        onChange={(value) => set({ staticData: value as Wishes["staticData"] })}
      />
      <ProjectInput
        source={source}
        value={wishes.projectId}
        set={(projectId) => set({ projectId })}
        error={fieldError(error, "project_id")}
      />
      {error && !FIELDS.some((field) => fieldError(error, field)) ? (
        <Alert color="red" role="alert" title="That is not possible">
          {error.message}
        </Alert>
      ) : null}
    </Stack>
  );
}

const OTHER = "\0other";

/** The project of new workflows: one that the backup knows, or any by its id. */
function ProjectInput({
  source,
  value,
  set,
  error,
}: {
  source: string;
  value: string;
  set: (id: string) => void;
  error?: string;
}) {
  const contents = useQuery({ ...queries.flowContents(source), enabled: toPlace(source) !== undefined });
  const [isOther, setOther] = useState(false);
  const projects = contents.data?.projects ?? [];
  const isTyped = isOther || projects.length === 0;
  return (
    <>
      {projects.length > 0 ? (
        <Select
          label="Project of new workflows"
          placeholder="The one they were in"
          clearable
          data={[
            ...projects.map(({ id, name, type }) => ({ value: id, label: `${name} (${type})` })),
            { value: OTHER, label: "Another one…" },
          ]}
          value={isOther ? OTHER : value || null}
          onChange={(chosen) => {
            setOther(chosen === OTHER);
            set(chosen === OTHER ? "" : (chosen ?? ""));
          }}
          error={isOther ? undefined : error}
        />
      ) : null}
      {isTyped ? (
        <TextInput
          label={projects.length > 0 ? "Id of the project" : "Project of new workflows"}
          description="n8n shows the id in the address of the project."
          placeholder="The one they were in"
          value={value}
          onChange={(event) => set(event.currentTarget.value)}
          error={error}
        />
      ) : null}
    </>
  );
}
