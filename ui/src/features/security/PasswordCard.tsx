import { Alert, Button, Card, Group, PasswordInput, SimpleGrid, Title } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { api, fieldError } from "../../api/client";
import { queryClient } from "../../api/queries";
import { tell } from "../../components/notify";

export function PasswordCard() {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const [again, setAgain] = useState("");
  const change = useMutation({
    mutationFn: () => api.put("/api/auth/password", { current_password: current, new_password: fresh }),
    onSuccess: () => {
      setCurrent("");
      setFresh("");
      setAgain("");
      tell("The password is changed; every other session has ended.");
      void queryClient.invalidateQueries({ queryKey: ["sessions"] });
    },
  });
  const differs = again !== "" && again !== fresh;
  const freshError = fieldError(change.error, "new_password");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!differs) change.mutate();
  };
  return (
    <Card withBorder>
      <Title order={2} size="h4" mb="sm">
        Password
      </Title>
      <form onSubmit={submit}>
        {change.error && !freshError ? (
          <Alert color="red" mb="sm" role="alert">
            {change.error.message}
          </Alert>
        ) : null}
        <SimpleGrid cols={{ base: 1, sm: 3 }}>
          <PasswordInput
            label="Present password"
            autoComplete="current-password"
            required
            value={current}
            onChange={(e) => setCurrent(e.currentTarget.value)}
          />
          <PasswordInput
            label="New password"
            autoComplete="new-password"
            required
            minLength={12}
            value={fresh}
            onChange={(e) => setFresh(e.currentTarget.value)}
            error={freshError}
          />
          <PasswordInput
            label="New password again"
            autoComplete="new-password"
            required
            value={again}
            onChange={(e) => setAgain(e.currentTarget.value)}
            error={differs ? "The two differ." : undefined}
          />
        </SimpleGrid>
        <Group justify="flex-end" mt="md">
          <Button type="submit" loading={change.isPending}>
            Change the password
          </Button>
        </Group>
      </form>
    </Card>
  );
}
