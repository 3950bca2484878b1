import {
  Alert,
  Button,
  Group,
  Modal,
  NumberInput,
  PasswordInput,
  SegmentedControl,
  Stack,
  Switch,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { tell } from "../../components/notify";
import { keep } from "./DestinationsPage";

type Kind = "folder" | "s3" | "sftp";

const EMPTY = {
  name: "",
  path: "",
  endpoint: "",
  region: "us-east-1",
  bucket: "",
  prefix: "",
  access_key_id: "",
  secret_access_key: "",
  virtual_host: false,
  host: "",
  port: 22,
  user: "",
  folder: "",
  password: "",
  private_key: "",
};

type Draft = typeof EMPTY;

function request(kind: Kind, draft: Draft): Schemas["CreateDestinationRequest"] {
  const { name } = draft;
  if (kind === "folder") return { name, path: draft.path };
  if (kind === "s3") {
    const { endpoint, region, bucket, prefix, access_key_id, secret_access_key, virtual_host } = draft;
    return { name, s3: { endpoint, region, bucket, prefix, access_key_id, secret_access_key, virtual_host } };
  }
  const { host, port, user, folder } = draft;
  const opens = draft.private_key ? { private_key: draft.private_key } : { password: draft.password };
  return { name, sftp: { host, port, user, folder, ...opens } };
}

/** Makes a folder, a bucket or another machine a destination. */
export function AddDestinationDialog({ close }: { close: () => void }) {
  const [kind, setKind] = useState<Kind>("folder");
  const [draft, setDraft] = useState(EMPTY);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const add = useMutation({
    mutationFn: () => api.post<Schemas["Destinations"]>("/api/backups/destinations", request(kind, draft)),
    onSuccess: (fresh) => {
      keep(fresh);
      tell(`${draft.name} is a destination now; the backups that are there are copied first.`);
      close();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate();
  };
  const wrong = (field: string) => fieldError(add.error, field);
  const text = (field: keyof Draft, label: string, more?: { description?: string; placeholder?: string }) => (
    <TextInput
      label={label}
      {...more}
      value={String(draft[field])}
      onChange={(event) => set({ [field]: event.currentTarget.value })}
      error={wrong(field)}
      autoComplete="off"
    />
  );
  const isUnexplained = add.error && !Object.keys(EMPTY).some((field) => wrong(field));
  return (
    <Modal opened onClose={close} title="Add a destination">
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label="Kind of destination"
            value={kind}
            onChange={(value) => {
              add.reset();
              setKind(value as Kind);
            }}
            data={[
              { value: "folder", label: "Folder" },
              { value: "s3", label: "S3 bucket" },
              { value: "sftp", label: "SFTP" },
            ]}
          />
          {text("name", "Name", { placeholder: kind === "folder" ? "NAS" : kind === "s3" ? "Cloud" : "Other box" })}
          {kind === "folder"
            ? text("path", "Folder", {
                placeholder: "/mnt/nas/backups",
                description:
                  "Another disk, or where a network share is mounted. A small file is left in it, by which Flowkeep knows that the share is mounted.",
              })
            : null}
          {kind === "s3" ? (
            <>
              {text("endpoint", "Server", {
                placeholder: "https://s3.eu-central-1.amazonaws.com",
                description: "S3 of AWS, MinIO, Garage, Backblaze, R2 or whatever speaks like it.",
              })}
              <Group grow align="flex-start">
                {text("bucket", "Bucket")}
                {text("region", "Region")}
              </Group>
              {text("prefix", "Folder in the bucket", { placeholder: "may be empty" })}
              {text("access_key_id", "Access key")}
              <PasswordInput
                label="Secret access key"
                description="Kept encrypted. The key needs the rights to list, read, write and delete."
                value={draft.secret_access_key}
                onChange={(event) => set({ secret_access_key: event.currentTarget.value })}
                error={wrong("secret_access_key")}
                autoComplete="off"
              />
              <Switch
                label="The bucket is part of the host's name"
                checked={draft.virtual_host}
                onChange={(event) => set({ virtual_host: event.currentTarget.checked })}
              />
            </>
          ) : null}
          {kind === "sftp" ? (
            <>
              <Group grow align="flex-start">
                {text("host", "Host", { placeholder: "nas.lan" })}
                <NumberInput
                  label="Port"
                  min={1}
                  max={65535}
                  clampBehavior="none"
                  value={draft.port}
                  onChange={(value) => set({ port: Number(value) })}
                  error={wrong("port")}
                />
              </Group>
              {text("user", "User")}
              {text("folder", "Folder", { placeholder: "/volume1/backups", description: "It must be there already." })}
              <PasswordInput
                label="Password"
                value={draft.password}
                onChange={(event) => set({ password: event.currentTarget.value })}
                error={wrong("password")}
                autoComplete="off"
              />
              <Textarea
                label="Or a private key"
                description="As ssh-keygen writes it, without a passphrase. Password and key are kept encrypted."
                value={draft.private_key}
                onChange={(event) => set({ private_key: event.currentTarget.value })}
                error={wrong("private_key")}
                autosize
                minRows={2}
                maxRows={6}
              />
            </>
          ) : null}
          {isUnexplained ? (
            <Alert color="red" role="alert">
              {add.error?.message}
            </Alert>
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Leave it
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
