import { Alert, Button, Group, Modal, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useState } from "react";
import { ApiError, api } from "../../api/client";
import { answerReauthentication, onReauthentication } from "./reauthenticate";

export function ReauthenticateDialog() {
  const [isOpen, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [needsCode, setNeedsCode] = useState(false);
  useEffect(() => onReauthentication(setOpen), []);
  const confirm = useMutation({
    mutationFn: () => api.post("/api/auth/reauthenticate", { password, ...(needsCode ? { totp_code: code } : {}) }),
    onSuccess: () => finish(true),
    onError: (error) => {
      if (error instanceof ApiError && error.code === "totp_required") setNeedsCode(true);
    },
  });
  const finish = (isDone: boolean) => {
    setPassword("");
    setCode("");
    setNeedsCode(false);
    confirm.reset();
    answerReauthentication(isDone);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm.mutate();
  };
  const isHint = confirm.error instanceof ApiError && confirm.error.code === "totp_required";
  return (
    <Modal opened={isOpen} onClose={() => finish(false)} title="Is it you?" zIndex={400}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm" c="dimmed">
            This is a dangerous act. Give your password once more; it counts for ten minutes.
          </Text>
          {confirm.error && !isHint ? (
            <Alert color="red" role="alert">
              {confirm.error.message}
            </Alert>
          ) : null}
          <PasswordInput
            label="Password"
            autoComplete="current-password"
            data-autofocus
            required
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {needsCode ? (
            <TextInput
              label="Code of your authenticator app"
              inputMode="numeric"
              autoComplete="one-time-code"
              required
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
          ) : null}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => finish(false)}>
              Cancel
            </Button>
            <Button type="submit" loading={confirm.isPending}>
              Go on
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
