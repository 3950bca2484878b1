import { Alert, Button, Card, Group, Text, TextInput, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError } from "../../api/client";
import { tell } from "../../components/notify";
import { type Overview, refresh } from "./queries";

/** The domain that Flowkeep and the tools share. */
export function DomainCard({ overview }: { overview: Overview }) {
  const [domain, setDomain] = useState(overview.parent_domain ?? "");
  const save = useMutation({
    mutationFn: () => api.put<Overview>("/api/auth/sso/parent-domain", { parent_domain: domain.trim() || null }),
    onSuccess: (fresh) => {
      tell(
        fresh.parent_domain
          ? `Tools under ${fresh.parent_domain} can be opened by this login.`
          : "Only tools under a path of Flowkeep's own host name can be opened by this login.",
      );
      void refresh();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate();
  };
  const wrong = fieldError(save.error, "parent_domain");
  const affected = overview.items.filter(({ is_at_home }) => !is_at_home).length;
  const isChanged = domain.trim() !== (overview.parent_domain ?? "");
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Parent domain
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        For tools with a host name of their own. A second cookie is set for this domain. It opens tools and nothing
        else: whoever steals it from a tool cannot use Flowkeep with it.
      </Text>
      <form onSubmit={submit}>
        <Group align="flex-end">
          <TextInput
            label="Domain"
            description={`Flowkeep itself is at ${overview.host}`}
            placeholder="example.com"
            autoComplete="off"
            value={domain}
            onChange={(event) => setDomain(event.currentTarget.value)}
            error={wrong}
            flex={1}
            miw={220}
          />
          <Button type="submit" variant="default" loading={save.isPending} disabled={!isChanged}>
            Save
          </Button>
        </Group>
        {isChanged && affected > 0 ? (
          <Text size="sm" c="dimmed" mt="xs">
            Whoever is in {affected === 1 ? "a tool" : "one of the tools"} by the old domain has to come by the login
            again.
          </Text>
        ) : null}
        {save.error && !wrong ? (
          <Alert color="red" mt="sm" role="alert">
            {save.error.message}
          </Alert>
        ) : null}
      </form>
    </Card>
  );
}
