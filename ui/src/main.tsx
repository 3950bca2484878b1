import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import "@mantine/core/styles.css";
import "@mantine/notifications/styles.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { queryClient } from "./api/queries";
import { ReauthenticateDialog } from "./features/auth/ReauthenticateDialog";
import { listenForInstall } from "./lib/install";
import { registerServiceWorker } from "./lib/serviceWorker";
import { router } from "./router";
import { theme, variables } from "./theme";

listenForInstall();
registerServiceWorker();

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
        <Notifications position="top-right" />
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
          <ReauthenticateDialog />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
