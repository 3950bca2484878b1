/** The one way to the API: same origin, JSON, errors in one shape. */
import type { components } from "./schema.gen";

export type Schemas = components["schemas"];

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly fields: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Seconds after which another try makes sense, if the server said. */
  get retryAfterSeconds(): number | undefined {
    const value = this.fields.retry_after_seconds;
    return typeof value === "number" ? value : undefined;
  }
}

/** Whether it failed because no n8n is connected: then there is nothing of it, and nothing is wrong. */
export const isNoN8n = (error: unknown): boolean => error instanceof ApiError && error.code === "n8n_not_configured";

type Reauthenticate = () => Promise<boolean>;
let askAgain: Reauthenticate = async () => false;
let onSignedOut: () => void = () => {};

/** Installs what happens when a dangerous act needs the password again, and when the session ended. */
export function installHandlers(handlers: { reauthenticate: Reauthenticate; signedOut: () => void }) {
  askAgain = handlers.reauthenticate;
  onSignedOut = handlers.signedOut;
}

async function toError(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as Schemas["ErrorBody"];
    return new ApiError(response.status, body.error.code, body.error.message, body.error.fields);
  } catch {
    return new ApiError(response.status, "unreachable", `The server answered ${response.status} without a reason.`);
  }
}

async function send(method: string, path: string, body?: unknown): Promise<Response> {
  try {
    return await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new ApiError(0, "unreachable", "Flowkeep does not answer. Check that it runs.");
  }
}

async function answer(method: string, path: string, body?: unknown): Promise<Response> {
  let response = await send(method, path, body);
  if (response.status === 403) {
    const error = await toError(response.clone());
    if (error.code === "reauthentication_required" && (await askAgain())) {
      response = await send(method, path, body);
    }
  }
  if (!response.ok) {
    const error = await toError(response);
    if (error.code === "unauthenticated") onSignedOut();
    throw error;
  }
  return response;
}

export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const text = await (await answer(method, path, body)).text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Asks for a file and hands it to the browser, under the server's name for it if it gives one. */
export async function download(path: string, body: unknown, name: string): Promise<void> {
  const response = await answer(body === undefined ? "GET" : "POST", path, body);
  const blob = await response.blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName(response.headers.get("content-disposition")) ?? name;
  link.click();
  URL.revokeObjectURL(url);
}

/** The name of a file that an answer carries. */
export function fileName(disposition: string | null): string | undefined {
  const encoded = disposition?.match(/filename\*=UTF-8''([^;]+)/i)?.[1];
  try {
    return encoded ? decodeURIComponent(encoded) : undefined;
  } catch {
    return undefined;
  }
}

function sendFile(path: string, file: Blob, onProgress: (part: number) => void): Promise<XMLHttpRequest> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.upload.onprogress = (event) => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onload = () => resolve(request);
    request.onerror = () =>
      reject(new ApiError(0, "unreachable", "The upload broke off. Check that Flowkeep runs, and try again."));
    request.send(file);
  });
}

/** Sends a file as it is, and tells how much of it went, from 0 to 1. */
export async function upload<T>(path: string, file: Blob, onProgress: (part: number) => void): Promise<T> {
  const toResponse = (request: XMLHttpRequest) => new Response(request.responseText, { status: request.status || 500 });
  let response = toResponse(await sendFile(path, file, onProgress));
  if (response.status === 403) {
    const error = await toError(response.clone());
    if (error.code === "reauthentication_required" && (await askAgain())) {
      response = toResponse(await sendFile(path, file, onProgress));
    }
  }
  if (!response.ok) {
    const error = await toError(response);
    if (error.code === "unauthenticated") onSignedOut();
    throw error;
  }
  return (await response.json()) as T;
}

export const api = {
  get: <T>(path: string) => call<T>("GET", path),
  post: <T>(path: string, body?: unknown) => call<T>("POST", path, body ?? {}),
  put: <T>(path: string, body?: unknown) => call<T>("PUT", path, body ?? {}),
  remove: <T>(path: string) => call<T>("DELETE", path),
};

/** A query string of what is set. */
export function query(values: Record<string, string | number | boolean | undefined | null>): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) search.set(name, String(value));
  }
  const text = search.toString();
  return text === "" ? "" : `?${text}`;
}

/** The reason for one field of a form, if the server named it. */
export function fieldError(error: unknown, field: string): string | undefined {
  const reason = error instanceof ApiError ? error.fields[field] : undefined;
  return typeof reason === "string" ? reason : undefined;
}
