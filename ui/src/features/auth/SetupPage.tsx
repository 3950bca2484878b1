import { Alert, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { api, fieldError } from "../../api/client";
import { queryClient } from "../../api/queries";
import { AuthFrame } from "./AuthFrame";

const token = () => new URLSearchParams(window.location.hash.slice(1)).get("token") ?? "";

export function SetupPage() {
  const [link] = useState(token);
  const [username, setUsername] = useState("admin");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [email, setEmail] = useState("");
  const navigate = useNavigate();
  const check = useQuery({
    queryKey: ["setup", link],
    queryFn: () => api.post("/api/setup/check", { token: link }),
    retry: false,
  });
  const create = useMutation({
    mutationFn: () => api.post("/api/setup", { token: link, username, password, ...(email ? { email } : {}) }),
    onSuccess: async () => {
      queryClient.clear();
      await navigate({ to: "/" });
    },
  });
  const differs = again !== "" && again !== password;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!differs) create.mutate();
  };
  if (check.isError) {
    return (
      <AuthFrame title="This setup link does not work">
        <Stack mt="md">
          <Alert color="orange" role="alert">
            {check.error.message}
          </Alert>
          <Button component={Link} to="/login" variant="default">
            Sign in
          </Button>
        </Stack>
      </AuthFrame>
    );
  }
  const fields = ["username", "password", "email"].map((name) => fieldError(create.error, name));
  return (
    <AuthFrame title="Welcome" about="Make the administrator of this Flowkeep. The link works once.">
      <form onSubmit={submit}>
        <Stack>
          {create.error && fields.every((reason) => !reason) ? (
            <Alert color="red" role="alert">
              {create.error.message}
            </Alert>
          ) : null}
          <TextInput
            label="User name"
            autoComplete="username"
            required
            value={username}
            onChange={(event) => setUsername(event.currentTarget.value)}
            error={fields[0]}
          />
          <PasswordInput
            label="Password"
            description="12 characters or more; a sentence is good."
            autoComplete="new-password"
            required
            minLength={12}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
            error={fields[1]}
          />
          <PasswordInput
            label="Password again"
            autoComplete="new-password"
            required
            value={again}
            onChange={(event) => setAgain(event.currentTarget.value)}
            error={differs ? "The two passwords differ." : undefined}
          />
          <TextInput
            label="E-mail"
            description="For messages, later. May stay empty."
            type="email"
            autoComplete="email"
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
            error={fields[2]}
          />
          <Button type="submit" loading={create.isPending} disabled={check.isPending}>
            Make the administrator
          </Button>
        </Stack>
      </form>
    </AuthFrame>
  );
}
