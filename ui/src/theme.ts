import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  parseThemeColor,
  type VariantColorsResolver,
} from "@mantine/core";

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

/**
 * Mantine's light variant is too faint for WCAG AA: darker text by day, lighter by night. So is white on its red.
 */
const readable: VariantColorsResolver = (input) => {
  const resolved = defaultVariantColorsResolver(input);
  const color = parseThemeColor({ color: input.color ?? input.theme.primaryColor, theme: input.theme });
  const shade = (number: number) => `var(--mantine-color-${color.color}-${number})`;
  if (color.isThemeColor && input.variant === "filled" && color.color === "red") {
    return { ...resolved, background: shade(9), hover: `color-mix(in srgb, ${shade(9)} 85%, black)`, color: "white" };
  }
  if (!color.isThemeColor || !["light", "subtle"].includes(input.variant)) return resolved;
  return { ...resolved, color: `light-dark(color-mix(in srgb, ${shade(9)} 76%, black), ${shade(2)})` };
};

export const theme = createTheme({
  variantColorResolver: readable,
  components: {
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    // Beneath a title Mantine's own grey is too faint for WCAG AA.
    Notification: { styles: { description: { color: "var(--mantine-color-text)" } } },
    Drawer: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
  },
  primaryColor: "keep",
  primaryShade: { light: 7, dark: 7 },
  colors: { keep },
  defaultRadius: "md",
  fontFamily: "Inter, ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
  fontFamilyMonospace: "ui-monospace, 'JetBrains Mono', SFMono-Regular, Menlo, monospace",
  headings: { fontWeight: "650" },
  autoContrast: true,
  respectReducedMotion: true,
});

/** Mantine's own values for these are too faint for WCAG AA. */
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
  return { variables: {}, light, dark };
};
