import { Alert, Button, Center, Loader, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { ApiError, api, type Schemas } from "../../api/client";
import { AuthFrame } from "../auth/AuthFrame";

/** These leave the way back open: another code may be right. */
const ASKS_FOR_CODE = ["step_up_required", "wrong_code", "account_locked", "rate_limited"];

/** Goes on to the tool that somebody came from; asks for a code if the tool wants one. */
export function Onward({
  id,
  signIn,
  go = (url) => window.location.replace(url),
}: {
  id: string;
  signIn: () => void;
  go?: (url: string) => void;
}) {
  const [code, setCode] = useState("");
  const [asksFor, setAsksFor] = useState<string>();
  const onward = useMutation({
    mutationFn: (given?: string) =>
      api.post<Schemas["ContinueResponse"]>("/api/auth/sso/continue", {
        return: id,
        ...(given ? { code: given } : {}),
      }),
    onSuccess: ({ url }) => go(url),
    onError: (error) => {
      if (!(error instanceof ApiError)) return;
      if (error.code === "unauthenticated") signIn();
      if (error.code === "step_up_required") setAsksFor(error.message);
    },
  });
  const hasBegun = useRef(false);
  const begin = onward.mutate;
  useEffect(() => {
    if (hasBegun.current) return;
    hasBegun.current = true;
    begin(undefined);
  }, [begin]);
  const failure = onward.error instanceof ApiError ? onward.error : undefined;
  if (asksFor && (!failure || ASKS_FOR_CODE.includes(failure.code))) {
    const submit = (event: FormEvent) => {
      event.preventDefault();
      onward.mutate(code.trim());
    };
    return (
      <AuthFrame title="One more step" about={asksFor}>
        <form onSubmit={submit}>
          <Stack>
            {failure && failure.code !== "step_up_required" ? (
              <Alert color="red" role="alert">
                {failure.message}
              </Alert>
            ) : null}
            <TextInput
              label="Code of your authenticator app"
              description="One that was not used yet: wait for the next if you just signed in with it."
              inputMode="numeric"
              autoComplete="one-time-code"
              required
              autoFocus
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
            <Button type="submit" loading={onward.isPending || onward.isSuccess}>
              Go on
            </Button>
          </Stack>
        </form>
      </AuthFrame>
    );
  }
  if (onward.error && failure?.code !== "unauthenticated") {
    return (
      <AuthFrame title="This way ends here">
        <Stack mt="md">
          <Alert color="orange" role="alert">
            {onward.error.message}
          </Alert>
          {failure?.code === "totp_not_enabled" ? (
            <Button component={Link} to="/security">
              To Security
            </Button>
          ) : null}
          <Button component={Link} to="/" variant="default">
            To the overview
          </Button>
        </Stack>
      </AuthFrame>
    );
  }
  return (
    <AuthFrame title="Opening the tool">
      <Center mt="md" role="status">
        <Stack align="center" gap="sm">
          <Loader />
          <Text size="sm" c="dimmed">
            You are signed in. A moment…
          </Text>
        </Stack>
      </Center>
    </AuthFrame>
  );
}
