import { Alert, Button, Card, Group, Text, TextInput, Title } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError, type Schemas } from "../../api/client";
import { queries, queryClient } from "../../api/queries";
import { tell } from "../../components/notify";
import { Failed, Loading } from "../../components/States";

/** Who the administrator is to others: the tools behind the login are told the address. */
export function ProfileCard() {
  const session = useQuery(queries.session());
  return (
    <Card withBorder>
      <Title order={2} size="h4">
        Profile
      </Title>
      {session.isPending ? <Loading lines={1} /> : null}
      {session.isError ? <Failed error={session.error} /> : null}
      {session.data ? <ProfileForm user={session.data.user} /> : null}
    </Card>
  );
}

function ProfileForm({ user }: { user: Schemas["User"] }) {
  const saved = user.email ?? "";
  const [email, setEmail] = useState(saved);
  const change = useMutation({
    mutationFn: () => api.put<Schemas["User"]>("/api/auth/profile", { email: email.trim() || null }),
    onSuccess: (changed) => {
      setEmail(changed.email ?? "");
      tell(changed.email ? `Your e-mail address is ${changed.email}.` : "Your e-mail address is removed.");
      void queryClient.invalidateQueries({ queryKey: ["session"] });
    },
  });
  const emailError = fieldError(change.error, "email");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Text size="sm" c="dimmed" mb="sm">
        You sign in as {user.username}. Tools behind single sign-on are told this address (Remote-Email); leave it empty
        to tell none.
      </Text>
      {change.error && !emailError ? (
        <Alert color="red" mb="sm" role="alert">
          {change.error.message}
        </Alert>
      ) : null}
      <Group align="flex-end">
        <TextInput
          label="E-mail"
          type="email"
          autoComplete="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={emailError}
          style={{ flex: "1 1 220px", maxWidth: 420 }}
        />
        <Button type="submit" variant="default" loading={change.isPending} disabled={email.trim() === saved}>
          Save
        </Button>
      </Group>
    </form>
  );
}
