import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, api, call, fieldError, installHandlers, query } from "./client";

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
