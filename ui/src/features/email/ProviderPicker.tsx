import { Group, Radio, SimpleGrid, Text } from "@mantine/core";
import classes from "./ProviderPicker.module.css";
import { PROVIDERS, type Provider } from "./providers";

/** Who carries the mail, as cards. */
export function ProviderPicker({ value, change }: { value: Provider; change: (provider: Provider) => void }) {
  return (
    <Radio.Group value={value} onChange={(next) => change(next as Provider)} aria-label="Who carries the mail">
      <SimpleGrid cols={{ base: 1, xs: 2, md: 3 }} spacing="xs">
        {Object.entries(PROVIDERS).map(([provider, { name, about }]) => (
          <Radio.Card key={provider} value={provider} className={classes.card} aria-label={`${name}: ${about}`}>
            <Group wrap="nowrap" align="flex-start" gap="sm">
              <Radio.Indicator />
              <div>
                <Text size="sm" fw={600}>
                  {name}
                </Text>
                <Text size="xs" c="dimmed">
                  {about}
                </Text>
              </div>
            </Group>
          </Radio.Card>
        ))}
      </SimpleGrid>
    </Radio.Group>
  );
}
