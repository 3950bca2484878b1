import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, api, call, fieldError, fileName, installHandlers, query, upload } from "./client";

const answer = (status: number, body?: unknown) =>
  new Response(body === undefined ? null : JSON.stringify(body), { status });
const failure = (status: number, code: string, fields = {}) =>
  answer(status, { error: { code, message: `because ${code}`, fields } });
const fetched = vi.fn<typeof fetch>();

beforeEach(() => vi.stubGlobal("fetch", fetched));
afterEach(() => {
  fetched.mockReset();
  vi.unstubAllGlobals();
});

describe("the client", () => {
  it("turns the server's error into one of ours", async () => {
    fetched.mockResolvedValueOnce(failure(422, "invalid_input", { cidr: "is no network" }));
    const error = await api.post("/api/x").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ApiError);
    expect(fieldError(error, "cidr")).toBe("is no network");
    expect(fieldError(error, "other")).toBeUndefined();
  });

  it("asks for the password and tries once more", async () => {
    const reauthenticate = vi.fn(async () => true);
    installHandlers({ reauthenticate, signedOut: () => {} });
    fetched.mockResolvedValueOnce(failure(403, "reauthentication_required")).mockResolvedValueOnce(answer(204));
    await call("DELETE", "/api/backups/1");
    expect(reauthenticate).toHaveBeenCalledOnce();
    expect(fetched).toHaveBeenCalledTimes(2);
  });

  it("gives up when the password is not given", async () => {
    installHandlers({ reauthenticate: async () => false, signedOut: () => {} });
    fetched.mockResolvedValueOnce(failure(403, "reauthentication_required"));
    await expect(call("DELETE", "/api/backups/1")).rejects.toMatchObject({ code: "reauthentication_required" });
    expect(fetched).toHaveBeenCalledOnce();
  });

  it("says when the session has ended", async () => {
    const signedOut = vi.fn();
    installHandlers({ reauthenticate: async () => false, signedOut });
    fetched.mockResolvedValueOnce(failure(401, "unauthenticated"));
    await expect(api.get("/api/x")).rejects.toBeInstanceOf(ApiError);
    expect(signedOut).toHaveBeenCalledOnce();
  });

  it("says when nobody answers", async () => {
    fetched.mockRejectedValueOnce(new TypeError("failed"));
    await expect(api.get("/api/x")).rejects.toMatchObject({ status: 0, code: "unreachable" });
  });

  it("puts only what is set into a query", () => {
    expect(query({ a: "x y", b: undefined, c: "", d: false, e: 3 })).toBe("?a=x+y&e=3");
    expect(query({})).toBe("");
  });
});

describe("files", () => {
  it("have the server's name if it gives one", () => {
    expect(fileName("attachment; filename*=UTF-8''Order%20totals.json")).toBe("Order totals.json");
    expect(fileName("attachment; filename*=UTF-8''%E0%A4%A")).toBeUndefined();
    expect(fileName(null)).toBeUndefined();
  });

  it("go up as they are, with progress, and are refused with the server's words", async () => {
    const answers = [
      { status: 201, text: '{"id":3}' },
      { status: 422, text: '{"error":{"code":"invalid_input","message":"It is no archive.","fields":{}}}' },
    ];
    const sent: unknown[] = [];
    class Request {
      upload: { onprogress?: (event: object) => void } = {};
      onload?: () => void;
      status = 0;
      responseText = "";
      open(method: string, path: string) {
        sent.push(`${method} ${path}`);
      }
      setRequestHeader() {}
      send(body: unknown) {
        sent.push(body);
        this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 4 });
        const next = answers.shift();
        this.status = next?.status ?? 0;
        this.responseText = next?.text ?? "";
        this.onload?.();
      }
    }
    vi.stubGlobal("XMLHttpRequest", Request);
    const file = new Blob(["x"]);
    const parts: number[] = [];
    await expect(upload("/api/flows/archives", file, (part) => parts.push(part))).resolves.toEqual({ id: 3 });
    expect(sent).toEqual(["POST /api/flows/archives", file]);
    expect(parts).toEqual([0.25]);
    await expect(upload("/api/flows/archives", file, () => {})).rejects.toThrow("It is no archive.");
  });
});
