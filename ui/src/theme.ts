import { type CSSVariablesResolver, createTheme, type MantineColorsTuple } from "@mantine/core";

/** Teal of the logo, dark enough at 7 to 9 for white text (WCAG AA). */
const keep: MantineColorsTuple = [
  "#effcf9",
  "#d5f6ef",
  "#a9ecdf",
  "#74dccb",
  "#45c6b3",
  "#25a897",
  "#15897c",
  "#0f766e",
  "#115e59",
  "#134e4a",
];

export const theme = createTheme({
  primaryColor: "keep",
  primaryShade: { light: 7, dark: 7 },
  colors: { keep },
  defaultRadius: "md",
  fontFamily: "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'JetBrains Mono', SFMono-Regular, Menlo, monospace",
  headings: { fontWeight: "650" },
  autoContrast: true,
});

/** Mantine's own values for these are too faint for WCAG AA, and its light badges too. */
export const variables: CSSVariablesResolver = () => {
  const light: Record<string, string> = {
    "--mantine-color-dimmed": "#57606a",
    "--mantine-color-placeholder": "#5f6871",
    "--mantine-color-error": "#c92a2a",
  };
  const dark: Record<string, string> = {
    "--mantine-color-dimmed": "#a6adb5",
    "--mantine-color-placeholder": "#9aa1a9",
    "--mantine-color-error": "#ff8787",
    "--mantine-primary-color-light-color": "#74dccb",
    "--mantine-color-anchor": "#74dccb",
  };
  for (const [color, text] of Object.entries({
    teal: "#087f5b",
    red: "#b02525",
    orange: "#9c3f00",
    blue: "#1864ab",
    gray: "#495057",
    keep: "#0b5f58",
  })) {
    light[`--mantine-color-${color}-light-color`] = text;
  }
  return { variables: {}, light, dark };
};
