import { Alert, Anchor, Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { ApiError, api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Onward } from "../sso/Onward";
import { AuthFrame } from "./AuthFrame";

type Step = "password" | "code" | "recovery";

/** Signs in. Whoever came from a tool goes back there, at once if they are signed in already. */
export function LoginPage() {
  const { return: id } = useSearch({ from: "/login" });
  const [isSignedOut, setSignedOut] = useState(false);
  if (id && !isSignedOut) return <Onward id={id} signIn={() => setSignedOut(true)} />;
  return <SignIn goOn={id ? () => setSignedOut(false) : undefined} />;
}

function SignIn({ goOn }: { goOn?: () => void }) {
  const { back } = useSearch({ from: "/login" });
  const [step, setStep] = useState<Step>("password");
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const navigate = useNavigate();
  const router = useRouter();
  const login = useMutation({
    mutationFn: () =>
      api.post("/api/auth/login", {
        username,
        password,
        ...(step === "code" ? { totp_code: code.trim() } : step === "recovery" ? { recovery_code: code.trim() } : {}),
      }),
    onSuccess: async () => {
      queryClient.clear();
      if (goOn) goOn();
      else if (back) router.history.push(back);
      else await navigate({ to: "/" });
    },
    onError: (error) => {
      if (error instanceof ApiError && error.code === "totp_required" && step === "password") setStep("code");
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    login.mutate();
  };
  const isHint = login.error instanceof ApiError && login.error.code === "totp_required";
  const turnTo = (next: Step) => {
    setCode("");
    login.reset();
    setStep(next);
  };
  return (
    <AuthFrame
      title="Sign in"
      about={step !== "password" ? "One more step." : goOn ? "Then you go back to where you came from." : undefined}
    >
      <form onSubmit={submit}>
        <Stack mt={step === "password" && !goOn ? "md" : 0}>
          {login.error && !isHint ? (
            <Alert color="red" role="alert">
              {login.error.message}
            </Alert>
          ) : null}
          {step === "password" ? (
            <>
              <TextInput
                label="User name"
                autoComplete="username"
                required
                autoFocus
                value={username}
                onChange={(event) => setUsername(event.currentTarget.value)}
              />
              <PasswordInput
                label="Password"
                autoComplete="current-password"
                required
                value={password}
                onChange={(event) => setPassword(event.currentTarget.value)}
              />
            </>
          ) : (
            <TextInput
              key={step}
              label={step === "code" ? "Code of your authenticator app" : "Recovery code"}
              inputMode={step === "code" ? "numeric" : "text"}
              autoComplete="one-time-code"
              required
              autoFocus
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
          )}
          <Button type="submit" loading={login.isPending}>
            Sign in
          </Button>
          {step === "password" ? null : (
            <Anchor
              component="button"
              type="button"
              size="sm"
              onClick={() => turnTo(step === "code" ? "recovery" : "code")}
            >
              {step === "code" ? "Use a recovery code" : "Use the authenticator app"}
            </Anchor>
          )}
        </Stack>
      </form>
    </AuthFrame>
  );
}
