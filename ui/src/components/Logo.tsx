import { Group, Text } from "@mantine/core";

export function Logo({ size = 28 }: { size?: number }) {
  return (
    <Group gap={9} wrap="nowrap">
      <img src="/favicon.svg" width={size} height={size} alt="" />
      <Text fw={700} size={size > 30 ? "xl" : "lg"} component="span">
        Flowkeep
      </Text>
    </Group>
  );
}
