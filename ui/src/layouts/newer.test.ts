import { expect, it } from "vitest";
import { isAnother, ownEntry } from "./newer";

const page = (entry: string) =>
  `<!doctype html><script type="module" src="/assets/${entry}"></script><div id="root"></div>`;

it("another page is one that begins with another script", () => {
  expect(isAnother(page("index-new_-1.js"), "/assets/index-old.js")).toBe(true);
  expect(isAnother(page("index-old.js"), "/assets/index-old.js")).toBe(false);
});

it("what a proxy says is no newer page", () => {
  expect(isAnother("<h1>Sign in</h1>", "/assets/index-old.js")).toBe(false);
  expect(isAnother('<script src="/assets/index-theirs.js"></script>', "/assets/index-old.js")).toBe(false);
});

it("a page knows its own script, and none while it is developed", () => {
  const html = new DOMParser().parseFromString(page("index-Ab_-9.js"), "text/html");
  expect(ownEntry(html)).toBe("/assets/index-Ab_-9.js");
  expect(ownEntry()).toBeUndefined();
});
