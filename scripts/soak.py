"""What a busy box asks of Flowkeep, all at once and for long; scripts/bench-soak starts the daemon."""
import gzip
import http.client
import http.server
import json
import os
import random
import statistics
import sys
import threading
import time
import urllib.parse

base, password, pid, seconds, talks, samples_file = sys.argv[1:]
pid, seconds = int(pid), int(seconds)
address = urllib.parse.urlsplit(base)
over = threading.Event()
counts = {}
lock = threading.Lock()
# Whoever looks reads these, one after the other and in no order.
PAGES = [
    "/api/overview", "/api/backups/history", "/api/backups/growth", "/api/backups/verification/history", "/api/audit", "/api/settings",
    "/api/containers", "/api/containers/stats", "/api/system/overview", "/api/system/history?range=24h", "/api/system/forecast",
    "/api/system/n8n-database", "/api/watchdog", "/api/watchdog/executions", "/api/notifications/history", "/api/notifications/feed",
    "/api/notifications/event-types", "/api/notifications/service-types", "/api/flows/list", "/api/flows/search?q=order",
    "/api/email/templates", "/api/auth/sessions", "/metrics", "/", "/api/openapi.json",
]
# And follows these.
STREAMS = ["/api/system/live", "/api/containers/stats/live", "/api/notifications/feed/live", "/api/backups/events"]


def did(what, status):
    with lock:
        done, failed = counts.get(what, (0, 0))
        # Nothing here is wrong to ask: only a second backup beside the first (409) is refused.
        counts[what] = (done + 1, failed + (status != 409 and not 200 <= status < 300))


def connection():
    return http.client.HTTPConnection(address.hostname, address.port, timeout=120)


class Sink(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        did("messages received", 200)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
threading.Thread(target=sink.serve_forever, daemon=True).start()
token = None


def ask(method, path, body=None, what=None, link=None):
    headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    link = link or connection()
    try:
        link.request(method, path, None if body is None else json.dumps(body), headers)
        answer = link.getresponse()
        text = answer.read()
        if answer.getheader("Content-Encoding") == "gzip":
            text = gzip.decompress(text)
    except OSError:
        if what and not over.is_set():
            did(what, 0)
        return 0, b""
    if what:
        did(what, answer.status)
    return answer.status, text


def every(pause, work):
    """Does something again and again, from a moment of its own on, until the end."""
    def run():
        over.wait(random.random() * pause)
        while not over.is_set():
            work()
            over.wait(pause * random.uniform(0.8, 1.2))
    threading.Thread(target=run, daemon=True).start()


def follow(path, most):
    """Follows a stream for a while, as a page does that is opened and closed."""
    def run():
        while not over.is_set():
            link = connection()
            try:
                link.request("GET", path, None, {"Authorization": f"Bearer {token}"})
                answer = link.getresponse()
                did("streams opened", answer.status)
                until = time.monotonic() + most * random.uniform(0.3, 1)
                while not over.is_set() and time.monotonic() < until and answer.read1(65536):
                    pass
            except OSError:
                pass
            link.close()
            over.wait(random.random() * 5)
    threading.Thread(target=run, daemon=True).start()


def resident_kb():
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def cpu_seconds():
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


status, text = ask("POST", "/api/auth/login", {"username": "admin", "password": password, "issue": "token"})
assert status == 200, text
token = json.loads(text)["token"]
ask("POST", "/api/auth/reauthenticate", {"password": password})
# Before anything is asked of it.
time.sleep(60)
cpu = cpu_seconds()
time.sleep(30)
idle_kb, idle_cpu = resident_kb(), (cpu_seconds() - cpu) / 30 * 100

for method, path, body in [
    ("POST", "/api/n8n/sample", {}),
    ("PUT", "/api/settings/notifications.allow_private_networks", {"value": True}),
]:
    status, text = ask(method, path, body)
    assert status < 300, (path, status, text)
status, text = ask("POST", "/api/notifications/services", {
    "name": "sink", "service_type": "webhook", "config": {"url": f"http://127.0.0.1:{sink.server_address[1]}/"}})
assert status < 300, text
service = json.loads(text)["id"]
for event_type in ["backup.*", "verification.*", "management.*", "container.*", "n8n.*", "system.*"]:
    status, text = ask("POST", "/api/notifications/rules", {"name": event_type, "service_id": service, "event_type": event_type})
    assert status < 300, text

reader = [connection() for _ in range(3)]
for link in reader:
    every(0.4, lambda link=link: ask("GET", random.choice(PAGES), what="pages read", link=link))
for _ in range(2):
    link = connection()
    every(0.05, lambda link=link: ask("GET", "/api/auth/verify", what="auth_request", link=link))
for path in STREAMS * 2:
    follow(path, 120)
if talks:
    for _ in range(5):
        follow(f"/api/containers/{talks}/logs/follow?tail=500", 180)
    every(60, lambda: ask("POST", "/api/containers/n8n_restarts/restart", {}, "containers restarted"))
every(120, lambda: ask("POST", "/api/backups/run", {"backup_type": "postgres_n8n"}, "backups"))
every(180, lambda: ask("POST", "/api/backups/run", {"backup_type": "flows"}, "backups"))
level = iter(range(1, 1_000_000_000))
every(3, lambda: ask("PUT", "/api/settings/backups.compression_level", {"value": next(level) % 9 + 1}, "settings changed"))

begun, samples, cpu = time.monotonic(), [], cpu_seconds()
with open(samples_file, "w", encoding="ascii") as kept:
    while (at := time.monotonic() - begun) < seconds:
        samples.append((at, resident_kb()))
        print(f"{at:.0f} {samples[-1][1]}", file=kept, flush=True)
        time.sleep(5)
busy_cpu = (cpu_seconds() - cpu) / seconds * 100
over.set()
time.sleep(90)
after_kb = resident_kb()


def mb(kb):
    return f"{kb / 1024:.1f} MB"


third = [statistics.median(kb for at, kb in samples if part <= at / seconds * 3 < part + 1) for part in range(3)]
rows = [
    ("at rest, before", idle_kb, 30),
    ("at work, first third, median", third[0], None),
    ("at work, second third, median", third[1], None),
    ("at work, last third, median", third[2], None),
    ("at work, highest", max(kb for _, kb in samples), None),
    ("at rest again, after", after_kb, 50),
]
missed = False
print(f"\n{os.cpu_count()} CPUs, {seconds / 3600:.2g} h:", ", ".join(f"{done} {what}" for what, (done, _) in sorted(counts.items())) + ".\n")
print("| resident memory | measured | target | |\n| --- | --- | --- | --- |")
for what, kb, limit in rows:
    holds = limit is None or kb < limit * 1024
    missed |= not holds
    print(f"| {what} | {mb(kb)} | {f'under {limit} MB' if limit else '-'} | {'holds' if holds else 'MISSED'} |")
failures = {what: failed for what, (_, failed) in counts.items() if failed}
print(f"\nCPU: {idle_cpu:.2f} % of a core at rest, {busy_cpu:.1f} % at work. Failures: {failures or 'none'}.")
sys.exit(missed or bool(failures) or idle_cpu > 0.5)
