/** Renders a page as the browser would, with answers of the API that the test chooses. */
import { MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterProvider,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import { queryClient } from "../api/queries";

export type Answer = { status?: number; body: unknown };
export type Sent = { method: string; path: string; body: unknown };

/** Answers by "METHOD /path", without the query; what is not listed is 404. Returns what was sent. */
export function answering(answers: Record<string, Answer | unknown>): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal(
    "fetch",
    vi.fn(async (input: string, init?: RequestInit) => {
      const method = init?.method ?? "GET";
      const path = input.split("?")[0] ?? "";
      sent.push({ method, path: input, body: init?.body ? JSON.parse(String(init.body)) : undefined });
      const found = answers[`${method} ${path}`];
      const { status = 200, body } = isAnswer(found)
        ? found
        : found === undefined
          ? {
              status: 404,
              body: { error: { code: "not_found", message: `No answer for ${method} ${path}`, fields: {} } },
            }
          : { body: found };
      return new Response(status === 204 ? null : JSON.stringify(body), { status });
    }),
  );
  vi.stubGlobal(
    "EventSource",
    class {
      addEventListener() {}
      close() {}
    },
  );
  return sent;
}

function isAnswer(found: unknown): found is Answer {
  return typeof found === "object" && found !== null && "body" in found && "status" in found;
}

/** Shows a page at a path. */
export function show(Page: () => ReactNode, path = "/", pattern = path) {
  queryClient.clear();
  queryClient.setDefaultOptions({ queries: { retry: false, staleTime: 0 } });
  const root = createRootRoute();
  const route = createRoute({ getParentRoute: () => root, path: pattern, component: Page });
  const others = createRoute({ getParentRoute: () => root, path: "$", component: () => null });
  const router = createRouter({
    routeTree: root.addChildren([route, others]),
    history: createMemoryHistory({ initialEntries: [path] }),
  });
  return render(
    <MantineProvider env="test">
      <QueryClientProvider client={queryClient}>
        {/* biome-ignore lint/suspicious/noExplicitAny: a router of the test's own */}
        <RouterProvider router={router as any} />
      </QueryClientProvider>
    </MantineProvider>,
  );
}
