import { Button, List, Text } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { api } from "../../api/client";
import { queryClient } from "../../api/queries";
import { Confirm } from "../../components/Confirm";
import { tellError } from "../../components/notify";

/** Ends every session, after saying what that means. */
export function LogoutEverywhere() {
  const [isAsking, setAsking] = useState(false);
  const navigate = useNavigate();
  const end = useMutation({
    mutationFn: () => api.post("/api/auth/logout-everywhere"),
    onSuccess: async () => {
      queryClient.clear();
      await navigate({ to: "/login" });
    },
    onError: tellError,
  });
  return (
    <>
      <Button variant="light" color="red" onClick={() => setAsking(true)}>
        Sign out everywhere
      </Button>
      <Confirm
        title="Sign out everywhere?"
        act="Sign out everywhere"
        keep="Stay"
        color="red"
        isOpen={isAsking}
        isPending={end.isPending}
        close={() => setAsking(false)}
        go={() => end.mutate()}
      >
        <Text size="sm">This happens at once:</Text>
        <List size="sm" spacing={4}>
          <List.Item>Every session of yours ends, this one too, and so do tokens that programs hold.</List.Item>
          <List.Item>The tools behind single sign-on let you in no longer.</List.Item>
          <List.Item>A terminal or log that is open in a tool goes on until it is closed.</List.Item>
        </List>
        <Text size="sm">You sign in again with your password.</Text>
      </Confirm>
    </>
  );
}
