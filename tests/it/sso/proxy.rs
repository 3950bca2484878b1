//! The whole of it behind a real nginx, with the configuration that is shipped.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SESSION, SSO};
use crate::support::app::{PASSWORD, TestApp, TestClient, USERNAME};
use crate::support::nginx::{Nginx, Ports, Reply, Tool, check, lay_out};

pub const FLOWKEEP: &str = "flowkeep.example.com";
pub const DOZZLE: &str = "dozzle.example.com";

/// Flowkeep, nginx and a tool.
pub struct Stage {
    pub app: TestApp,
    pub nginx: Nginx,
    pub tool: Tool,
    pub admin: TestClient,
}

/// A browser: cookies of a host go to that host, those of a domain to all under it.
#[derive(Clone, Default)]
pub struct Browser {
    host_only: BTreeMap<String, String>,
    shared: BTreeMap<String, String>,
}

impl Browser {
    pub fn cookie(&self, name: &str) -> &str {
        &self.shared[name]
    }
}

impl Stage {
    pub async fn new() -> Self {
        let ports = Ports::free();
        let public = format!("--public-url=https://{FLOWKEEP}:{}", ports.https);
        let app = TestApp::builder()
            .args(&[&public, "--trusted-proxies=127.0.0.1/32"])
            .start()
            .await;
        app.setup_admin().await;
        let tool = Tool::start().await;
        let nginx = Nginx::start(ports, app.listen().await, tool.address).await;
        let admin = app
            .client()
            .header("host", &format!("{FLOWKEEP}:{}", ports.https))
            .header("x-forwarded-for", "192.168.1.5")
            .header("x-forwarded-proto", "https");
        admin.login().await;
        admin.reauthenticate().await;
        super::set_domain(&admin, json!("example.com")).await;
        let stage = Self {
            app,
            nginx,
            tool,
            admin,
        };
        let rights = json!({ "remote_roles": ["actions"], "remote_filter": "name=n8n" });
        let dozzle = stage.authority(DOZZLE);
        super::add(&stage.admin, "dozzle", &dozzle, "/", rights).await;
        let own = stage.authority(FLOWKEEP);
        super::add(&stage.admin, "adminer", &own, "/adminer/", json!({})).await;
        stage
    }

    pub fn authority(&self, host: &str) -> String {
        format!("{host}:{}", self.nginx.ports.https)
    }

    pub async fn get(&self, browser: &mut Browser, host: &str, path: &str) -> Reply {
        self.send(browser, "GET", host, path, "", "").await
    }

    pub async fn send(
        &self,
        browser: &mut Browser,
        method: &str,
        host: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Reply {
        let mut cookies: Vec<String> = Vec::new();
        let pair = |(name, value): (&String, &String)| format!("{name}={value}");
        if host == FLOWKEEP {
            cookies.extend(browser.host_only.iter().map(pair));
        }
        cookies.extend(browser.shared.iter().map(pair));
        let authority = self.authority(host);
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n{headers}"
        );
        if !cookies.is_empty() {
            request = format!("{request}Cookie: {}\r\n", cookies.join("; "));
        }
        if method == "POST" {
            request = format!(
                "{request}Origin: https://{authority}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        let reply = self
            .nginx
            .raw(host, format!("{request}\r\n{body}").as_bytes())
            .await;
        for (name, value) in &reply.headers {
            if !name.eq_ignore_ascii_case("set-cookie") {
                continue;
            }
            let (pair, attributes) = value.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let jar = if attributes.contains("Domain=") {
                &mut browser.shared
            } else {
                &mut browser.host_only
            };
            jar.remove(name);
            if !attributes.contains("Max-Age=0") {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    pub async fn post(&self, browser: &mut Browser, path: &str, body: Value) -> Reply {
        self.send(browser, "POST", FLOWKEEP, path, "", &body.to_string())
            .await
    }

    /// Follows the way from a tool through the login back to it.
    pub async fn sign_in(&self, browser: &mut Browser, host: &str, path: &str) -> String {
        let sent = self.get(browser, host, path).await;
        assert_eq!(sent.status, 302, "{sent:?}");
        let location = sent.header("location").to_owned();
        let own = format!("https://{}/api/auth/sso/start?", self.authority(FLOWKEEP));
        assert!(location.starts_with(&own), "{location}");
        let start = location
            .strip_prefix(&format!("https://{}", self.authority(FLOWKEEP)))
            .unwrap();
        self.sign_in_from(browser, start).await
    }

    /// The same from where nginx sent the browser on.
    async fn sign_in_from(&self, browser: &mut Browser, start: &str) -> String {
        let login = self.get(browser, FLOWKEEP, start).await;
        assert_eq!(login.status, 302, "{login:?}");
        let id = login
            .header("location")
            .strip_prefix("/login?return=")
            .unwrap()
            .to_owned();
        let credentials = json!({ "username": USERNAME, "password": PASSWORD });
        let signed_in = self.post(browser, "/api/auth/login", credentials).await;
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
        let onward = self
            .post(browser, "/api/auth/sso/continue", json!({ "return": id }))
            .await;
        assert_eq!(onward.status, 200, "{onward:?}");
        let body: Value = serde_json::from_str(&onward.body).unwrap();
        body["url"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_shipped_files_pass_nginx_t() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = "127.0.0.1:9".parse().unwrap();
    lay_out(dir.path(), Ports::free(), nowhere, nowhere);
    let output = check(dir.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("[warn]"), "{said}");
}

#[tokio::test]
async fn what_flowkeep_shows_for_a_tool_passes_nginx_t() {
    let stage = Stage::new().await;
    let port = stage.nginx.ports.https;
    super::add(
        &stage.admin,
        "my-logs",
        &format!("logs.example.com:{port}"),
        "/",
        json!({}),
    )
    .await;
    super::add(
        &stage.admin,
        "db",
        &stage.authority(FLOWKEEP),
        "/tools/db",
        json!({}),
    )
    .await;
    let dir = tempfile::tempdir().unwrap();
    let nowhere = "127.0.0.1:9".parse().unwrap();
    let certificates = format!("{}/ssl/", dir.path().display());
    for slug in ["my-logs", "db"] {
        lay_out(dir.path(), stage.nginx.ports, nowhere, nowhere);
        let answer = stage
            .admin
            .get(&format!("/api/auth/sso/services/{slug}/nginx"))
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        for file in answer.json()["items"].as_array().unwrap() {
            let path = file["path"].as_str().unwrap();
            let text = file["text"].as_str().unwrap();
            let text = crate::support::nginx::fitted(
                text,
                stage.nginx.ports,
                nowhere,
                nowhere,
                &certificates,
            )
            .replace("ssl/logs.example.com", "ssl/other.example.com");
            std::fs::write(dir.path().join(path), text).unwrap();
        }
        let output = check(dir.path());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{slug}: {said}");
    }
}

#[tokio::test]
async fn one_login_opens_a_tool_on_a_host_of_its_own_and_the_tool_learns_who_it_is() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    let url = stage
        .sign_in(&mut browser, DOZZLE, "/show?name=n8n&host=a%20b")
        .await;
    assert_eq!(
        url,
        format!(
            "https://{}/show?name=n8n&host=a%20b",
            stage.authority(DOZZLE)
        )
    );
    assert_eq!(stage.tool.requests(), 0, "nothing reached the tool before");
    let page = stage
        .get(&mut browser, DOZZLE, "/show?name=n8n&host=a%20b")
        .await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(
        page.body
            .starts_with("GET /show?name=n8n&host=a%20b HTTP/1.1\r\n")
    );
    for line in [
        "Remote-User: admin",
        "Remote-Name: admin",
        "Remote-Email: admin@example.com",
        "Remote-Groups: admins",
        "Remote-Roles: actions",
        "Remote-Filter: name=n8n",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
    ] {
        assert!(
            page.body.contains(&format!("{line}\r\n")),
            "{line} is not in {}",
            page.body
        );
    }
    assert!(
        !page.body.contains("flowkeep_"),
        "Flowkeep's cookies reached the tool: {}",
        page.body
    );
    assert_eq!(page.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test]
async fn whoever_came_by_flowkeeps_other_port_is_sent_where_they_wanted_to_go() {
    let stage = Stage::new().await;
    let port = stage.nginx.ports.flowkeep;
    let request = format!(
        "GET /adminer/?server=db&table=a%20b HTTP/1.1\r\nHost: {FLOWKEEP}:{port}\r\nConnection: close\r\n\r\n"
    );
    let sent = stage.nginx.raw_at(FLOWKEEP, port, request.as_bytes()).await;
    assert_eq!(sent.status, 302, "{sent:?}");
    let own = format!("https://{}", stage.authority(FLOWKEEP));
    let start = sent.header("location").strip_prefix(&own).unwrap();
    let mut browser = Browser::default();
    let url = stage.sign_in_from(&mut browser, start).await;
    assert_eq!(url, format!("{own}/adminer/?server=db&table=a%20b"));
}

#[tokio::test]
async fn one_login_opens_a_tool_under_a_path_too() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    let url = stage
        .sign_in(&mut browser, FLOWKEEP, "/adminer/?server=db")
        .await;
    assert_eq!(
        url,
        format!("https://{}/adminer/?server=db", stage.authority(FLOWKEEP))
    );
    assert!(!browser.shared.contains_key(SSO));
    let page = stage
        .get(&mut browser, FLOWKEEP, "/adminer/?server=db")
        .await;
    assert!(page.body.contains("Remote-User: admin\r\n"), "{page:?}");
    assert!(page.body.contains("Remote-Roles: none\r\n"));
    assert!(!page.body.contains("flowkeep_"), "{}", page.body);
    // The other tool, on a host of its own, is one step away without a second password.
    let sent = stage.get(&mut browser, DOZZLE, "/").await;
    let at = sent.header("location").find("/api").unwrap();
    let start = sent.header("location")[at..].to_owned();
    let login = stage.get(&mut browser, FLOWKEEP, &start).await;
    let id = login.header("location").replace("/login?return=", "");
    let onward = stage
        .post(
            &mut browser,
            "/api/auth/sso/continue",
            json!({ "return": id }),
        )
        .await;
    assert_eq!(onward.status, 200);
    assert_eq!(stage.get(&mut browser, DOZZLE, "/").await.status, 200);
}

#[tokio::test]
async fn without_a_session_nothing_reaches_a_tool_however_the_path_is_spelled() {
    let stage = Stage::new().await;
    let mut stranger = Browser::default();
    for path in [
        "/",
        "/x",
        "//",
        "/?a",
        "/.",
        "/../",
        "/%2e%2e/",
        "/a/../../b",
        "/api/health",
        "/flowkeep-verify",
        "/flowkeep-verify/",
        "/login",
        "/healthz",
        "/ping",
        "/x.js",
        "/x.css?y=.png",
        "/;a",
        "/%00",
        "/%23",
        "/a%0d%0ab",
        "/@flowkeep_sign_in",
    ] {
        let reply = stage.get(&mut stranger, DOZZLE, path).await;
        assert!(matches!(reply.status, 302 | 400 | 404), "{path}: {reply:?}");
    }
    for path in [
        "/adminer/",
        "/adminer",
        "//adminer/",
        "/./adminer/",
        "/x/../adminer/",
        "/%61dminer/",
        "/adminer/%2e%2e/adminer/",
        "/adminer//",
        "/adminer/x.png",
        "/ADMINER/",
        "/adminer;/",
        "/adminer%2f",
        "/flowkeep-verify",
    ] {
        let reply = stage.get(&mut stranger, FLOWKEEP, path).await;
        assert_ne!(reply.status, 500, "{path}: {reply:?}");
        assert!(!reply.body.contains("Remote-User"), "{path}: {reply:?}");
    }
    assert_eq!(stage.tool.requests(), 0, "{:?}", stage.tool.seen.lock());
}

#[tokio::test]
async fn scripts_are_told_401_and_pages_are_sent_to_the_login() {
    let stage = Stage::new().await;
    let mut stranger = Browser::default();
    for mode in ["cors", "no-cors", "same-origin", "websocket"] {
        let header = format!("Sec-Fetch-Mode: {mode}\r\n");
        let reply = stage
            .send(&mut stranger, "GET", DOZZLE, "/events", &header, "")
            .await;
        assert_eq!(reply.status, 401, "{mode}");
        assert_eq!(reply.header("location"), "");
    }
    let reply = stage
        .send(
            &mut stranger,
            "GET",
            DOZZLE,
            "/",
            "Sec-Fetch-Mode: navigate\r\n",
            "",
        )
        .await;
    assert_eq!(reply.status, 302);
    assert_eq!(reply.header("cache-control"), "no-store");
}

#[tokio::test]
async fn an_address_with_more_parameters_cannot_name_another_tool() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    let url = stage
        .sign_in(
            &mut browser,
            DOZZLE,
            "/?service=adminer&rd=https://evil.example/&x=%23",
        )
        .await;
    let own = format!(
        "https://{}/?service=adminer&rd=https://evil.example/&x=%23",
        stage.authority(DOZZLE)
    );
    assert_eq!(url, own);
}

#[tokio::test]
async fn a_tool_that_is_off_shows_a_page_and_no_circle() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    let host = stage.authority(DOZZLE);
    super::change(
        &stage.admin,
        "dozzle",
        &host,
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    let reply = stage.get(&mut browser, DOZZLE, "/").await;
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("Not allowed"), "{reply:?}");
    stage.admin.delete("/api/auth/sso/services/dozzle").await;
    assert_eq!(stage.get(&mut browser, DOZZLE, "/").await.status, 403);
    assert_eq!(stage.tool.requests(), 0);
}

#[tokio::test]
async fn a_code_is_asked_for_on_the_way_to_a_tool_that_wants_one() {
    let stage = Stage::new().await;
    let phone = super::Phone::enrol(&stage.app, &stage.admin).await;
    let host = stage.authority(DOZZLE);
    super::change(
        &stage.admin,
        "dozzle",
        &host,
        "/",
        json!({ "requires_step_up": true }),
    )
    .await;
    let mut browser = Browser::default();
    browser
        .host_only
        .insert(SESSION.to_owned(), stage.admin.cookie(SESSION).unwrap());
    for _ in 0..2 {
        let sent = stage.get(&mut browser, DOZZLE, "/").await;
        assert_eq!(sent.status, 302);
        let at = sent.header("location").find("/api").unwrap();
        let start = sent.header("location")[at..].to_owned();
        let login = stage.get(&mut browser, FLOWKEEP, &start).await;
        let id = login.header("location").replace("/login?return=", "");
        let asked = stage
            .post(
                &mut browser,
                "/api/auth/sso/continue",
                json!({ "return": id }),
            )
            .await;
        assert!(asked.body.contains("step_up_required"), "{asked:?}");
        let code = phone.code(&stage.app);
        let body = json!({ "return": id, "code": code });
        let onward = stage
            .post(&mut browser, "/api/auth/sso/continue", body)
            .await;
        assert_eq!(onward.status, 200, "{onward:?}");
        assert_eq!(stage.get(&mut browser, DOZZLE, "/").await.status, 200);
        stage.app.advance(chrono::TimeDelta::minutes(30));
    }
}

#[tokio::test]
async fn logout_everywhere_shuts_every_tool_at_once() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    let mut elsewhere = browser.clone();
    assert_eq!(stage.get(&mut browser, DOZZLE, "/").await.status, 200);
    assert_eq!(
        stage
            .get(&mut elsewhere, FLOWKEEP, "/adminer/")
            .await
            .status,
        200
    );
    let answer = stage
        .admin
        .post("/api/auth/logout-everywhere", json!({}))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(stage.get(&mut browser, DOZZLE, "/").await.status, 302);
    assert_eq!(
        stage
            .get(&mut elsewhere, FLOWKEEP, "/adminer/")
            .await
            .status,
        302
    );
}

#[tokio::test]
async fn nginx_own_answers_keep_the_browser_at_https_too() {
    let stage = Stage::new().await;
    let mut stranger = Browser::default();
    let mut seen = Vec::new();
    for (host, path) in [(DOZZLE, "/"), (FLOWKEEP, "/adminer/")] {
        for headers in ["", "Sec-Fetch-Mode: cors\r\n"] {
            let reply = stage.send(&mut stranger, "GET", host, path, headers, "");
            seen.push(reply.await);
        }
    }
    stage.admin.delete("/api/auth/sso/services/dozzle").await;
    seen.push(stage.get(&mut stranger, DOZZLE, "/").await);
    let statuses: Vec<_> = seen.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [302, 401, 302, 401, 403]);
    for reply in seen {
        assert_eq!(
            reply.headers_named("strict-transport-security"),
            ["max-age=31536000"],
            "{reply:?}"
        );
        assert_eq!(reply.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn an_import_passes_and_only_its_head_is_asked_about() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    let host = stage.authority(DOZZLE);
    let cookie = format!("Cookie: {SSO}={}\r\n", browser.shared[SSO]);
    let bytes = 3 * 1024 * 1024;
    let whole = format!("Content-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes));
    let chunked = format!(
        "Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n{}\r\n0\r\n\r\n",
        "x".repeat(bytes)
    );
    let too_much = format!("Content-Length: {}\r\n\r\n", 256 * 1024 * 1024 + 1);
    let with = |cookie: &str, body: &str| {
        format!("POST /import HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{cookie}{body}")
    };
    for body in [&whole, &chunked] {
        let reply = stage
            .nginx
            .raw(DOZZLE, with(&cookie, body).as_bytes())
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body, format!("took {bytes}"));
    }
    let reply = stage
        .nginx
        .raw(DOZZLE, with(&cookie, &too_much).as_bytes())
        .await;
    assert_eq!(reply.status, 413, "{reply:?}");
    // A stranger's is not even taken: the answer is there before the body.
    let before = stage.tool.requests();
    let head = format!("Content-Length: {bytes}\r\n\r\n");
    let reply = stage.nginx.raw(DOZZLE, with("", &head).as_bytes()).await;
    assert_eq!(reply.status, 302, "{reply:?}");
    assert_eq!(stage.tool.requests(), before);
}

#[tokio::test]
async fn while_flowkeep_is_away_the_door_is_shut_by_a_page_that_says_so() {
    let ports = Ports::free();
    let tool = Tool::start().await;
    let nobody = format!("127.0.0.1:{}", crate::support::nginx::free_port());
    let nginx = Nginx::start(ports, nobody.parse().unwrap(), tool.address).await;
    for (host, path) in [
        (DOZZLE, "/"),
        (FLOWKEEP, "/adminer/"),
        (FLOWKEEP, "/"),
        (FLOWKEEP, "/api/auth/sso/start?service=dozzle"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let reply = nginx.raw(host, request.as_bytes()).await;
        assert_eq!(reply.status, 503, "{host}{path}: {reply:?}");
        assert_eq!(reply.header("retry-after"), "5", "{host}{path}");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(
            reply.headers_named("strict-transport-security"),
            ["max-age=31536000"],
            "{host}{path}"
        );
        assert!(reply.body.contains("Back in a moment"), "{reply:?}");
    }
    assert_eq!(tool.requests(), 0);
}

#[tokio::test]
async fn what_the_tool_itself_says_is_passed_on() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    for (path, status) in [("/401", 401), ("/500", 500)] {
        let reply = stage.get(&mut browser, DOZZLE, path).await;
        assert_eq!((reply.status, reply.body.as_str()), (status, "tool"));
    }
    // But it cannot send nginx elsewhere.
    let reply = stage.get(&mut browser, DOZZLE, "/accel").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "tool"));
    let port = crate::support::nginx::free_port();
    let away = Nginx::start(
        Ports::free(),
        stage.app.listen().await,
        ([127, 0, 0, 1], port).into(),
    )
    .await;
    let cookie = format!("{SSO}={}", browser.shared[SSO]);
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {DOZZLE}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"
    );
    let reply = away.raw(DOZZLE, request.as_bytes()).await;
    assert_eq!(reply.status, 503, "a tool that is away: {reply:?}");
}

#[tokio::test]
async fn a_websocket_passes_and_what_is_none_does_not_upgrade() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    let cookie = format!("{SSO}={}", browser.shared[SSO]);
    let mut stream = stage.nginx.connect(DOZZLE, stage.nginx.ports.https).await;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        stage.authority(DOZZLE)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 4096];
    let read = stream.read(&mut buffer).await.unwrap();
    let head = String::from_utf8_lossy(&buffer[..read]).into_owned();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).await.unwrap();
        let read = stream.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], word.as_bytes());
    }
    // h2c smuggling: no other protocol is asked of the tool, and a stranger opens none.
    let upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let headers = format!("{upgrade}X-Test: h2c\r\n");
    let reply = stage
        .send(&mut browser, "GET", DOZZLE, "/h2c", &headers, "")
        .await;
    let sent = reply.body.to_lowercase();
    assert!(
        !sent.contains("\r\nupgrade:") && !sent.contains("\r\nconnection: upgrade"),
        "{sent}"
    );
    let mut stranger = Browser::default();
    let headers = "Upgrade: websocket\r\n";
    let reply = stage
        .send(&mut stranger, "GET", DOZZLE, "/ws", headers, "")
        .await;
    assert_eq!(reply.status, 302);
}

#[tokio::test]
async fn events_pass_as_they_come() {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    let mut stream = stage.nginx.connect(DOZZLE, stage.nginx.ports.https).await;
    let request = format!(
        "GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {SSO}={}\r\nAccept: text/event-stream\r\n\r\n",
        stage.authority(DOZZLE),
        browser.shared[SSO]
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut buffer = vec![0; 4096];
    let wait = Duration::from_secs(20);
    while !seen.contains("data: one") {
        let read = tokio::time::timeout(wait, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        seen += &String::from_utf8_lossy(&buffer[..read]);
    }
    assert!(!seen.contains("data: two"));
    stage.tool.go_on.notify_one();
    while !seen.contains("data: two") {
        let read = tokio::time::timeout(wait, stream.read(&mut buffer))
            .await
            .unwrap()
            .unwrap();
        assert!(read > 0, "{seen}");
        seen += &String::from_utf8_lossy(&buffer[..read]);
    }
}

#[tokio::test]
async fn plain_http_is_sent_to_https_on_every_port() {
    let stage = Stage::new().await;
    let ports = stage.nginx.ports;
    let request = format!("GET /a?b HTTP/1.1\r\nHost: {FLOWKEEP}\r\nConnection: close\r\n\r\n");
    let reply = stage.nginx.plain(ports.http, request.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (301, "https://flowkeep.example.com/a?b")
    );
    for port in [ports.https, ports.flowkeep] {
        let request =
            format!("GET /a?b HTTP/1.1\r\nHost: {FLOWKEEP}:{port}\r\nConnection: close\r\n\r\n");
        let reply = stage.nginx.plain(port, request.as_bytes()).await;
        let there = format!("https://flowkeep.example.com:{port}/a?b");
        assert_eq!(
            (reply.status, reply.header("location")),
            (301, there.as_str())
        );
    }
    let mut stream = stage.nginx.connect(FLOWKEEP, ports.flowkeep).await;
    let request =
        format!("GET /api/health HTTP/1.1\r\nHost: {FLOWKEEP}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    assert_eq!(
        answer.matches("strict-transport-security").count(),
        1,
        "{answer}"
    );
}
