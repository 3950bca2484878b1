/*
 * One thing only: a page that cannot be reached is answered with /offline.html, which comes back by itself.
 * Nothing else is kept, neither answers of the API nor the page itself, so that an upgrade is never hidden.
 * The page asks for it with its own build in the address: another build fetches the files anew.
 */
const CACHE = `offline-${new URL(self.location.href).searchParams.get("build")}`;
const FILES = ["/offline.html", "/offline.js", "/favicon.svg"];
// What a proxy in front says while Flowkeep itself is not there.
const NOT_THERE = [502, 504];

self.addEventListener("install", (event) => {
  const fresh = FILES.map((path) => new Request(path, { cache: "reload" }));
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(fresh))
      .then(() => self.skipWaiting()),
  );
});

async function activate() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)));
  // The page is asked for while this starts: it costs no time.
  await self.registration.navigationPreload?.enable();
  await self.clients.claim();
}
self.addEventListener("activate", (event) => event.waitUntil(activate()));

async function page(event) {
  const offline = () => caches.match("/offline.html");
  try {
    const answer = (await event.preloadResponse) ?? (await fetch(event.request));
    return NOT_THERE.includes(answer.status) ? ((await offline()) ?? answer) : answer;
  } catch (error) {
    const kept = await offline();
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { pathname } = new URL(request.url);
  if (request.mode === "navigate" && request.method === "GET" && !pathname.startsWith("/api/")) {
    event.respondWith(page(event));
  } else if (FILES.includes(pathname)) {
    event.respondWith(fetch(request).catch(async () => (await caches.match(pathname)) ?? Response.error()));
  }
});
