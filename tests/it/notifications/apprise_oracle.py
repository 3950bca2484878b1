"""Says what Apprise itself would send: URLs on standard input, one a line; JSON on standard output.

Nothing leaves this machine: every request is written down and answered by something plausible.
"""

import json
import logging
import sys
import time
from unittest import mock

import requests

import apprise

logging.disable(logging.CRITICAL)

# One answer that all plugins take for a success.
ANSWER = {
    "ok": True, "status": 1, "errcode": 0, "code": 0, "StatusCode": 0, "success": True,
    "result": "success", "access_token": "tok", "user_id": "@u:h", "room_id": "!r:h",
    "data": {"authToken": "at", "userId": "ui", "success": 1, "failure": 0}, "id": "1",
    "messages": [{"status": "0"}], "device_id": "d", "home_server": "h", "channel": {"id": "D1"},
}


class Answer:
    """What a plugin reads of an answer."""

    reason = "OK"
    ok = True
    headers: dict = {}

    def __init__(self, url):
        said = dict(ANSWER)
        if "/api/v1/" in url:
            said["status"] = "success"
        self.status_code = 202 if "sendgrid" in url else 200
        self.content = json.dumps(said).encode()
        self.text = self.content.decode()

    def json(self):
        return json.loads(self.content)

    def raise_for_status(self):
        pass

    def close(self):
        pass


def main():
    noted = []

    def request(_, method, url, params=None, data=None, headers=None, auth=None, json=None, **__):
        prepared = requests.Request(
            method.upper(), url, params=params, data=data, headers=headers, auth=auth, json=json
        ).prepare()
        body = prepared.body
        noted.append({
            "method": prepared.method,
            "url": prepared.url,
            "authorization": prepared.headers.get("Authorization"),
            "body": body.decode() if isinstance(body, bytes) else body,
        })
        return Answer(url)

    def notify(url):
        noted.clear()
        plugin = apprise.Apprise.instantiate(url, suppress_exceptions=False)
        kind = url.split("://")[0]
        if kind.startswith("mqtt"):
            return {
                "host": plugin.host, "port": plugin.port, "user": plugin.user,
                "password": plugin.password, "topics": sorted(plugin.topics),
                "qos": plugin.qos, "retain": plugin.retain, "tls": plugin.secure,
            }
        if kind.startswith("mailto"):
            return {
                "host": plugin.smtp_host, "port": plugin.port, "user": plugin.user,
                "password": plugin.password, "mode": plugin.secure_mode,
                "from": plugin.from_addr[1], "to": sorted(to for _, to in plugin.targets),
                "cc": sorted(plugin.cc), "bcc": sorted(plugin.bcc),
            }
        # notify_type is bad news, so that nothing is resolved.
        is_sent = plugin.notify(title="Title", body="Body", notify_type="failure")
        return {"is_sent": bool(is_sent), "requests": list(noted)}

    def write(url):
        return apprise.Apprise.instantiate(url, suppress_exceptions=False).url(privacy=False)

    answer = write if sys.argv[1:] == ["write"] else notify
    said = []
    with mock.patch.object(requests.Session, "request", request), mock.patch.object(time, "sleep"):
        for line in sys.stdin:
            try:
                said.append(answer(line.strip()))
            except Exception as error:  # a plugin may raise anything
                said.append({"error": repr(error)})
    json.dump(said, sys.stdout)


main()
