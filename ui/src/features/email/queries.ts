/** What the pages of e-mail read, by name. */
import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, query, type Schemas } from "../../api/client";

export type EmailConfig = Schemas["EmailConfig"];
export type EmailTemplate = Schemas["EmailTemplate"];

export const emailQueries = {
  config: () =>
    queryOptions({
      queryKey: ["email", "config"],
      queryFn: () => api.get<EmailConfig>("/api/email/config"),
    }),
  tests: () =>
    infiniteQueryOptions({
      queryKey: ["email", "tests"],
      initialPageParam: "",
      queryFn: ({ pageParam }) =>
        api.get<Schemas["Page_EmailTest"]>(`/api/email/test-history${query({ limit: 10, cursor: pageParam })}`),
      getNextPageParam: (page) => page.next_cursor ?? undefined,
    }),
  templates: () =>
    queryOptions({
      queryKey: ["email", "templates"],
      queryFn: () => api.get<Schemas["EmailTemplates"]>("/api/email/templates"),
    }),
  template: (key: string) =>
    queryOptions({
      queryKey: ["email", "templates", key],
      queryFn: () => api.get<EmailTemplate>(`/api/email/templates/${encodeURIComponent(key)}`),
    }),
};
