import { Stack } from "@mantine/core";
import { Page } from "../../components/Page";
import { PasswordCard } from "./PasswordCard";
import { ProfileCard } from "./ProfileCard";
import { SessionsCard } from "./SessionsCard";
import { SubnetsCard } from "./SubnetsCard";
import { TotpCard } from "./TotpCard";

export function SecurityPage() {
  return (
    <Page title="Security" about="Who can sign in, how, and from where.">
      <Stack>
        <ProfileCard />
        <PasswordCard />
        <TotpCard />
        <SessionsCard />
        <SubnetsCard />
      </Stack>
    </Page>
  );
}
