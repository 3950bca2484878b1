"""Uses the box as its owner would, over HTTPS through nginx: story.py BOX HTTPS_PORT PAGE_PORT SETUP_TOKEN."""

import http.client
import json
import pathlib
import socket
import ssl
import sys
import time

box, https, page, token = pathlib.Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
env = dict(line.split("=", 1) for line in (box / ".env").read_text().splitlines() if "=" in line and not line.startswith("#"))
# Adminer has a name of its own, Dozzle is under a path of Flowkeep's.
FLOWKEEP, N8N, ADMINER = env["FLOWKEEP_HOST"], env["N8N_HOST"], env["ADMINER_HOST"]
PASSWORD = "a long sentence for the box"
cookies = {}


def ask(method, path, body=None, host=FLOWKEEP, port=None, jar=True):
    """One request to the name of a host, on this machine. Returns status, headers, text."""
    name = host.split(".")[0]
    trust = ssl.create_default_context(cafile=box / f"certificates/{name}.pem")
    port = port or https
    link = http.client.HTTPSConnection(host, port, context=trust, timeout=60)
    link.sock = trust.wrap_socket(socket.create_connection(("127.0.0.1", port), 60), server_hostname=host)
    headers = {"Origin": f"https://{host}:{port}", "Host": f"{host}:{port}"}
    # Of Flowkeep's cookies one alone is for other names too.
    sent = {key: value for key, value in cookies.items() if host == FLOWKEEP or key.startswith("__Secure-")}
    if jar and sent:
        headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in sent.items())
        csrf = [value for key, value in cookies.items() if "csrf" in key]
        if csrf:
            headers["X-CSRF-Token"] = csrf[0]
    if body is not None:
        headers["Content-Type"] = "application/json"
    link.request(method, path, json.dumps(body) if body is not None else None, headers)
    answer = link.getresponse()
    text = answer.read().decode(errors="replace")
    for value in answer.headers.get_all("set-cookie") or []:
        key, value = value.split(";")[0].split("=", 1)
        if jar:
            cookies[key] = value
    return answer.status, answer.headers, text


def must(condition, what, *seen):
    if not condition:
        sys.exit(f"FAILED: {what}: {seen}")
    print(f"ok  {what}")


def api(method, path, body=None, wanted=(200, 201, 202, 204)):
    status, _, text = ask(method, path, body)
    if status not in wanted:
        sys.exit(f"FAILED: {method} {path}: {status} {text}")
    return json.loads(text) if text else None


def until(what, look, seconds=180):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.5)
    sys.exit(f"FAILED: never happened: {what}")


PLACES = {"adminer": (ADMINER, "/"), "dozzle": (FLOWKEEP, "/dozzle/")}
for tool, (host, path) in PLACES.items():
    status, _, _ = ask("GET", path, host=host, jar=False)
    must(status == 403, f"{tool} is closed before it is on the list", status)
status, _, text = ask("GET", "/adminer/", jar=False)
must(status == 200 and "<title>Flowkeep" in text, "Adminer is under no path of Flowkeep's besides", status)
status, _, text = ask("GET", "/", port=page)
must(status == 200 and "Flowkeep" in text, "the page answers on its own port", status)

api("POST", "/api/setup", {"token": token, "username": "admin", "password": PASSWORD})
api("POST", "/api/auth/login", {"username": "admin", "password": PASSWORD})
api("POST", "/api/auth/reauthenticate", {"password": PASSWORD})
api("PUT", "/api/auth/sso/parent-domain", {"parent_domain": FLOWKEEP.split(".", 1)[1]})
for slug, (host, path) in PLACES.items():
    port = "8081" if slug == "adminer" else "8080"
    api("POST", "/api/auth/sso/services", {
        "slug": slug, "name": slug.title(), "host": f"{host}:{https}", "path_prefix": path, "upstream": f"http://127.0.0.1:{port}",
        "is_enabled": True, "requires_step_up": False, "step_up_minutes": 15,
    })
    status, headers, _ = ask("GET", path, host=host, jar=False)
    login = f"https://{FLOWKEEP}:{https}/api/auth/sso/start"
    must(status == 302 and headers["location"].startswith(login), f"a stranger on the way to {slug} is sent to the login page", headers["location"])
status, headers, _ = ask("GET", "/?pgsql=postgres", host=ADMINER)
must(status == 302, "Adminer's name knows no cookie of Flowkeep's yet", status)
status, headers, _ = ask("GET", headers["location"].removeprefix(f"https://{FLOWKEEP}:{https}"))
way = headers["location"].removeprefix("/login?return=")
url = api("POST", "/api/auth/sso/continue", {"return": way})["url"]
must(url == f"https://{ADMINER}:{https}/?pgsql=postgres", "the login leads back to Adminer", url)
status, _, text = ask("GET", "/?pgsql=postgres", host=ADMINER)
must(status == 200 and "Adminer" in text, "after the login Adminer is there", status, text[:200])
status, headers, _ = ask("GET", "/dozzle")
must(status == 301 and headers["location"] == "/dozzle/", "without its slash a tool's path leads on where people are", status, headers["location"])
status, _, text = ask("GET", "/dozzle/")
told = json.loads(text)
must(told["told"].get("Remote-User") == "admin", "Dozzle is told who it is", told)
must("n8n_app" in told["containers"] and told["stop"] == 403, "Dozzle may look at containers and stop none", told)

status, _, _ = ask("GET", "/healthz", host=N8N, jar=False)
must(status == 200, "n8n answers under its own name", status)
owner = {"email": "owner@box.test", "firstName": "Box", "lastName": "Owner", "password": "Owner-of-the-box-1"}
status, _, text = ask("POST", "/rest/owner/setup", owner, host=N8N, jar=False)
must(status == 200, "n8n is set up", status, text[:300])

api("PUT", "/api/n8n/connection", {
    "database_url": f"postgres://n8n:{env['N8N_DATABASE_PASSWORD']}@postgres:5432/n8n", "encryption_key": env["N8N_ENCRYPTION_KEY"],
})
run = api("POST", "/api/backups/run", {"backup_type": "postgres_n8n"})["id"]


def proven():
    for one in api("GET", "/api/backups/history")["items"]:
        if one["id"] == run and (one["status"] == "failed" or one["verification_status"] not in ("pending", "running")):
            return one
    return None


backup = until("a proof", proven)
proof = api("GET", f"/api/backups/verification/history?backup_id={run}")["items"][0]
must(backup["verification_status"] == "passed", "n8n's database is backed up and proven", backup, proof)
must(proof["engine"] == "docker", f"in a container: {proof['message']}", proof)

names = {one["name"] for one in api("GET", "/api/containers")["items"]}
expected = {"n8n_app", "n8n_postgres", "n8n_nginx", "n8n_adminer", "n8n_dozzle", "n8n_docker_proxy"}
must(expected <= names, "Flowkeep sees the containers of the box", names)
status, _, text = ask("POST", "/api/containers/n8n_flowkeep/stop", {})
must(status in (403, 404, 409), "and does not stop its own", status, text)
api("POST", "/api/containers/n8n_dozzle/restart", {})
until("Dozzle back", lambda: ask("GET", "/dozzle/")[0] == 200)
must(True, "a container that was restarted is found again behind nginx")
session = next(one for one in api("GET", "/api/auth/sessions")["items"] if one["is_current"])
must(not session["ip_address"].startswith("172.30.33."), "Flowkeep believes nginx about who comes", session)

api("POST", "/api/auth/logout")
status, _, _ = ask("GET", "/", host=ADMINER)
must(status == 302, "after the logout Adminer is closed", status)
