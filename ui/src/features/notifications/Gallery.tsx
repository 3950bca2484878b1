import { Alert, Anchor, Button, Group, SimpleGrid, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { IconExternalLink, IconSearch } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import classes from "./Gallery.module.css";
import { found, type Kind } from "./services";

export type Chosen = { kind: Kind; fields?: Record<string, unknown>; verify?: boolean };

/** The kinds of services, to choose one, or an address that says which it is. */
export function Gallery({ kinds, choose }: { kinds: Kind[]; choose: (chosen: Chosen) => void }) {
  const [search, setSearch] = useState("");
  const shown = found(kinds, search);
  const howMany = shown.length === 1 ? "1 service" : `${shown.length} services`;
  return (
    <Stack>
      <PasteAddress kinds={kinds} choose={choose} />
      <TextInput
        label="Or choose a service"
        placeholder="Search"
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
      />
      <Text size="xs" c="dimmed" role="status">
        {shown.length === 0 ? "None is called that. Webhooks reach everything else." : howMany}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2, sm: 3 }} spacing="xs">
        {shown.map((kind) => (
          <div key={`${kind.service_type}:${kind.service}`} className={classes.kind}>
            <UnstyledButton
              className={classes.choose}
              onClick={() => choose({ kind })}
              aria-label={kind.schemes[0] ? `${kind.name}, ${kind.schemes[0]}://` : kind.name}
            >
              <Text size="sm" fw={600}>
                {kind.name}
              </Text>
              <Text size="xs" c="dimmed" truncate>
                {kind.schemes[0] ? `${kind.schemes[0]}://` : "built in"}
              </Text>
            </UnstyledButton>
            {kind.docs ? (
              <Anchor
                href={kind.docs}
                target="_blank"
                rel="noreferrer"
                className={classes.docs}
                aria-label={`${kind.name}'s documentation`}
              >
                <IconExternalLink size={15} aria-hidden />
              </Anchor>
            ) : null}
          </div>
        ))}
      </SimpleGrid>
    </Stack>
  );
}

function PasteAddress({ kinds, choose }: { kinds: Kind[]; choose: (chosen: Chosen) => void }) {
  const [url, setUrl] = useState("");
  const read = useMutation({
    mutationFn: () => api.post<Schemas["NotificationUrl"]>("/api/notifications/services/read-url", { url }),
    onSuccess: (meant) => {
      const kind = kinds.find((one) => one.service === meant.service && one.service_type === "apprise");
      if (kind) choose({ kind, fields: meant.fields as Record<string, unknown>, verify: meant.verify });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (url.trim()) read.mutate();
  };
  const webhook = /^https?:\/\//i.test(url) ? kinds.find((kind) => kind.service_type === "webhook") : undefined;
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs" wrap="nowrap">
        <TextInput
          flex={1}
          label="Paste an address"
          description="An Apprise URL, or the webhook address that the service shows."
          placeholder="https://discord.com/api/webhooks/…"
          value={url}
          onChange={(event) => {
            read.reset();
            setUrl(event.currentTarget.value);
          }}
          autoComplete="off"
          data-autofocus
        />
        <Button type="submit" variant="default" loading={read.isPending} disabled={!url.trim()}>
          Read it
        </Button>
      </Group>
      {read.error ? (
        <Alert color="orange" mt="xs" role="alert">
          <Text size="sm">{fieldError(read.error, "url") ?? read.error.message}</Text>
          {webhook ? (
            <Button
              size="xs"
              variant="default"
              mt="xs"
              onClick={() => choose({ kind: webhook, fields: { url: url.trim() } })}
            >
              Use it as a webhook
            </Button>
          ) : null}
        </Alert>
      ) : null}
    </form>
  );
}
