import { Alert, Group, NumberInput, PasswordInput, Select, Switch, TextInput } from "@mantine/core";
import { type EmailDraft, PROVIDERS, SECURITIES } from "./providers";

type Props = {
  draft: EmailDraft;
  set: (change: Partial<EmailDraft>) => void;
  wrong: (field: string) => string | undefined;
};

/** What a provider asks for, and nothing else. */
export function ProviderFields({ draft, set, wrong, isKept }: Props & { isKept: boolean }) {
  const { hasOwnServer, username, password, region, takesIamKey } = PROVIDERS[draft.provider];
  const isIam = takesIamKey && draft.is_iam_key;
  return (
    <>
      {hasOwnServer ? <ServerFields draft={draft} set={set} wrong={wrong} isNeeded /> : null}
      {region?.choices ? (
        <Select
          label={region.label}
          allowDeselect={false}
          data={region.choices}
          value={draft.region || (region.choices[0]?.value ?? null)}
          onChange={(value) => set({ region: value ?? "" })}
          error={wrong("region")}
        />
      ) : null}
      {region && !region.choices ? (
        <TextInput
          label={region.label}
          withAsterisk
          placeholder={region.placeholder}
          value={draft.region}
          onChange={(event) => set({ region: event.currentTarget.value })}
          error={wrong("region")}
        />
      ) : null}
      {takesIamKey ? (
        <Switch
          label="It is the access key of an IAM user"
          description="The SMTP password is worked out from its secret; the secret itself is not kept."
          checked={draft.is_iam_key}
          onChange={(event) => set({ is_iam_key: event.currentTarget.checked })}
        />
      ) : null}
      {username || password ? (
        <Group grow align="flex-start" preventGrowOverflow={false}>
          {username ? (
            <TextInput
              label={isIam ? "Access key id" : username.label}
              description={username.help}
              placeholder={username.placeholder}
              autoComplete="off"
              value={draft.username}
              onChange={(event) => set({ username: event.currentTarget.value })}
              error={wrong("username")}
            />
          ) : null}
          {password ? (
            <PasswordInput
              label={isIam ? "Secret access key" : password.label}
              description={username?.help ? "Kept encrypted." : undefined}
              placeholder={isKept ? "kept; type to replace" : password.placeholder}
              autoComplete="new-password"
              value={draft.password}
              onChange={(event) => set({ password: event.currentTarget.value })}
              error={wrong("password")}
            />
          ) : null}
        </Group>
      ) : null}
      {draft.security === "none" && draft.username.trim() ? (
        <Alert color="orange" role="status">
          Not encrypted: the password goes over the network as it is, and whoever is in between can read it.
        </Alert>
      ) : null}
    </>
  );
}

/** Which server, and how it is spoken to. */
export function ServerFields({ draft, set, wrong, isNeeded = false }: Props & { isNeeded?: boolean }) {
  const ways = Object.entries(SECURITIES).filter(([way]) => isNeeded || way !== "none");
  return (
    <Group grow align="flex-start" preventGrowOverflow={false}>
      <TextInput
        label="Server"
        withAsterisk={isNeeded}
        placeholder={isNeeded ? "mail.example.com" : "the provider's own"}
        value={draft.smtp_host}
        onChange={(event) => set({ smtp_host: event.currentTarget.value })}
        error={wrong("smtp_host")}
      />
      <NumberInput
        label="Port"
        placeholder="as the encryption says"
        clampBehavior="none"
        allowDecimal={false}
        value={draft.smtp_port ?? ""}
        onChange={(value) => set({ smtp_port: value === "" ? null : Number(value) })}
        error={wrong("smtp_port")}
      />
      <Select
        label="Encryption"
        allowDeselect={false}
        data={[{ value: "", label: "What goes with the port" }, ...ways.map(([value, label]) => ({ value, label }))]}
        value={draft.security ?? ""}
        onChange={(value) => set({ security: value ? (value as EmailDraft["security"]) : null })}
        error={wrong("security")}
      />
    </Group>
  );
}
