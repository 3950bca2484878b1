//! What went wrong at others' gates, tried at a real nginx with the shipped configuration.

use std::path::Path;

use serde_json::json;

use super::SSO;
use super::proxy::{Browser, DOZZLE, FLOWKEEP, Stage};
use crate::support::nginx::{Nginx, Ports};

/// A header that a client brings must not reach the tool with its value.
async fn not_passed_on(stage: &Stage, browser: &Browser, header: &str) {
    let mut browser = browser.clone();
    let reply = stage
        .send(
            &mut browser,
            "GET",
            DOZZLE,
            "/",
            &format!("{header}\r\n"),
            "",
        )
        .await;
    assert!(matches!(reply.status, 200 | 400), "{header:?}: {reply:?}");
    assert!(
        !reply.body.contains("forged"),
        "{header:?} reached the tool: {}",
        reply.body
    );
    if reply.status == 200 {
        assert_eq!(
            reply.body.matches("Remote-User: admin\r\n").count(),
            1,
            "{header:?}: {}",
            reply.body
        );
    }
}

async fn signed_in() -> (Stage, Browser) {
    let stage = Stage::new().await;
    let mut browser = Browser::default();
    stage.sign_in(&mut browser, DOZZLE, "/").await;
    (stage, browser)
}

#[tokio::test]
async fn cve_2025_64484_identity_headers_in_every_spelling_are_overwritten_or_dropped() {
    let (stage, browser) = signed_in().await;
    for name in [
        "Remote-User",
        "Remote-Name",
        "Remote-Email",
        "Remote-Groups",
        "Remote-Roles",
        "Remote-Filter",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username",
        "X-Remote-User",
        "X-Auth-Request-User",
        "X-Auth-Request-Email",
        "X-WebAuth-User",
    ] {
        for spelling in [
            name.to_owned(),
            name.to_lowercase(),
            name.to_uppercase(),
            name.replace('-', "_"),
            name.to_lowercase().replace('-', "_"),
            name.replacen('-', "_", 1),
            format!("{name} "),
            format!("{name}\t"),
            format!(" {name}"),
            format!("{name}\u{0}"),
        ] {
            not_passed_on(&stage, &browser, &format!("{spelling}: forged")).await;
        }
        not_passed_on(
            &stage,
            &browser,
            &format!("{name}: forged\r\n{name}: forged2"),
        )
        .await;
    }
}

#[tokio::test]
async fn cve_2026_86863_an_identity_that_the_account_lacks_is_not_taken_from_the_client() {
    let (stage, mut browser) = signed_in().await;
    stage
        .app
        .execute("UPDATE admin_user SET email = NULL")
        .await;
    stage.app.state.auth.load().await.unwrap();
    let headers = "Remote-Email: forged@example.com\r\nRemote-Filter: forged\r\n";
    let reply = stage
        .send(&mut browser, "GET", DOZZLE, "/", headers, "")
        .await;
    assert_eq!(reply.status, 200);
    assert!(
        !reply.body.contains("forged") && !reply.body.contains("Remote-Email"),
        "{}",
        reply.body
    );
}

#[tokio::test]
async fn cve_2026_40575_cve_2026_39858_where_the_request_came_from_is_not_for_the_client_to_say() {
    let (stage, browser) = signed_in().await;
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Prefix",
        "X-Forwarded-Server",
        "X-Forwarded-Ssl",
        "X-Original-URL",
        "X-Original-URI",
        "X-Original-Method",
        "X-Rewrite-URL",
        "X-Real-IP",
        "Forwarded",
    ] {
        not_passed_on(&stage, &browser, &format!("{name}: forged")).await;
        not_passed_on(
            &stage,
            &browser,
            &format!("{}: forged", name.replace('-', "_")),
        )
        .await;
    }
    // And none of them opens the door, names another tool, or breaks it.
    let mut stranger = Browser::default();
    for header in [
        "X-Forwarded-Uri: /healthz",
        "X-Forwarded-Uri: /api/auth/verify",
        "X-Original-URL: /api/health",
        "X-Original-URI: /login",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: a",
        "X-Forwarded-For:",
        "X-Forwarded-For: 127.0.0.1, a, ::1",
        "X-Forwarded-Method: OPTIONS",
        "X-HTTP-Method-Override: HEAD",
        "X-Original-Method: OPTIONS",
        "Content-Length: 0",
        "Remote-User: admin",
        "User-Agent: GoogleHC/1.0",
        "User-Agent: kube-probe/1.30",
        "User-Agent:",
        "Expect: 100-continue",
        "Authorization: Basic YWRtaW46YWRtaW4=",
        "Authorization: Bearer",
        "Authorization: Bearer null",
        "Cookie: =; ;;=",
        "Cookie: __Secure-flowkeep_sso=",
        "Cookie: __Host-flowkeep_session=null",
        "Cookie: \u{ff}",
    ] {
        let reply = stage
            .send(
                &mut stranger,
                "GET",
                DOZZLE,
                "/",
                &format!("{header}\r\n"),
                "",
            )
            .await;
        assert!(matches!(reply.status, 302 | 400), "{header}: {reply:?}");
    }
    let own = stage.tool.seen.lock();
    assert!(
        own.iter()
            .all(|head| head.contains("Remote-User: admin\r\n")),
        "{own:?}"
    );
}

#[tokio::test]
async fn cve_2024_47070_a_forwarded_address_that_cannot_be_read_skips_no_rule() {
    let (stage, mut browser) = signed_in().await;
    // nginx says where it came from; what the client says is not even looked at.
    let reply = stage
        .send(
            &mut browser,
            "GET",
            DOZZLE,
            "/",
            "X-Forwarded-For: a\r\n",
            "",
        )
        .await;
    assert!(
        reply.body.contains("X-Forwarded-For: 127.0.0.1\r\n"),
        "{reply:?}"
    );
    stage
        .app
        .execute("INSERT INTO allowed_subnets (cidr) VALUES ('203.0.113.0/24')")
        .await;
    stage.app.state.auth.load().await.unwrap();
    for header in [
        "X-Forwarded-For: a\r\n",
        "X-Forwarded-For: 203.0.113.9\r\n",
        "",
    ] {
        let reply = stage
            .send(&mut browser, "GET", DOZZLE, "/", header, "")
            .await;
        assert_eq!(reply.status, 403, "{header}");
    }
}

#[tokio::test]
async fn cve_2024_47070_a_client_without_an_address_is_sent_to_the_login_and_sees_no_error() {
    let (stage, browser) = signed_in().await;
    let upstream = stage.app.listen().await;
    let site = |dir: &Path| {
        // Of who comes by a Unix socket nginx says `unix:`, which is no address.
        let text = format!(
            "server {{\n  listen unix:{}/temp/socket;\n  server_name {DOZZLE};\n  include snippets/flowkeep-verify.conf;\n  \
             location / {{\n    set $flowkeep_service dozzle;\n    include snippets/flowkeep-auth-request.conf;\n    \
             proxy_pass http://{};\n  }}\n}}\n",
            dir.display(),
            stage.tool.address
        );
        std::fs::write(dir.join("sites-enabled/local.conf"), text).unwrap();
    };
    let nginx = Nginx::start_with(Ports::free(), upstream, stage.tool.address, site).await;
    for cookie in [
        String::new(),
        format!("Cookie: {SSO}={}\r\n", browser.cookie(SSO)),
    ] {
        let request =
            format!("GET / HTTP/1.1\r\nHost: {DOZZLE}\r\nConnection: close\r\n{cookie}\r\n");
        let reply = nginx.local("temp/socket", request.as_bytes()).await;
        assert_eq!(reply.status, 302, "{reply:?}");
    }
    assert_eq!(stage.tool.requests(), 0);
}

#[tokio::test]
async fn cve_2025_48865_the_connection_header_takes_no_header_of_ours_away() {
    let (stage, browser) = signed_in().await;
    let host = stage.authority(DOZZLE);
    for words in [
        "close, Remote-User",
        "close, X-Forwarded-For, X-Forwarded-Proto",
        "close, Cookie",
        "close, Remote-Roles, Remote-Filter",
        "close, Host",
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {words}\r\nCookie: {SSO}={}\r\n\r\n",
            browser.cookie(SSO)
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 200, "{words}: {reply:?}");
        for line in [
            "Remote-User: admin",
            "Remote-Roles: actions",
            "Remote-Filter: name=n8n",
            "X-Forwarded-Proto: https",
        ] {
            assert!(
                reply.body.contains(&format!("{line}\r\n")),
                "{words}: {}",
                reply.body
            );
        }
        assert!(
            !reply.body.contains("\r\nConnection: close,"),
            "{}",
            reply.body
        );
        // Without a cookie it is no way past the question either.
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: {words}\r\n\r\n");
        assert_eq!(
            stage.nginx.raw(DOZZLE, request.as_bytes()).await.status,
            302,
            "{words}"
        );
    }
}

#[tokio::test]
async fn cve_2026_77560_cve_2026_48794_a_host_in_another_spelling_meets_the_same_rule() {
    let (stage, browser) = signed_in().await;
    let port = stage.nginx.ports.https;
    let dozzle = stage.authority(DOZZLE);
    super::change(
        &stage.admin,
        "dozzle",
        &dozzle,
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    for host in [
        format!("DOZZLE.example.com:{port}"),
        format!("dozzle.Example.COM:{port}"),
        format!("dozzle.example.com.:{port}"),
        "dozzle.example.com".to_owned(),
        "dozzle.example.com:1".to_owned(),
        "DOZZLE.EXAMPLE.COM.".to_owned(),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nCookie: {SSO}={}\r\n\r\n",
            browser.cookie(SSO)
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 403, "{host}: {reply:?}");
    }
    // Whatever the name, the way goes to Flowkeep, which takes no address but the tool's own.
    let own = format!("https://{FLOWKEEP}:{port}/api/auth/sso/start?service=");
    for host in [
        "",
        "a b",
        "dozzle.example.com@evil",
        "dozzle.example.com/evil",
        "..",
        "evil.example.com",
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert!(!reply.body.contains("Remote-User"), "{host}: {reply:?}");
        assert!(
            reply.status == 400 || reply.header("location").starts_with(&own),
            "{host}: {reply:?}"
        );
    }
    assert_eq!(stage.tool.requests(), 0);
}

#[tokio::test]
async fn cve_2026_41059_ghsa_7rh7_neither_a_number_sign_nor_a_query_widens_a_rule() {
    let stage = Stage::new().await;
    let mut stranger = Browser::default();
    for path in [
        "/adminer/%23/../",
        "/adminer/%23",
        "/%23/adminer/",
        "/api/health%23/adminer/",
        "/api/health#/adminer/",
        "/x#/../adminer/",
        "/adminer/?/api/health",
        "/adminer/?service=none&rd=/api/health",
    ] {
        let reply = stage.get(&mut stranger, FLOWKEEP, path).await;
        assert_ne!(reply.status, 500, "{path}");
    }
    assert_eq!(stage.tool.requests(), 0);
}

#[tokio::test]
async fn cve_2026_25748_a_malformed_cookie_is_no_identity_and_no_500() {
    let (stage, browser) = signed_in().await;
    let token = browser.cookie(SSO).to_owned();
    let before = stage.tool.requests();
    for cookie in [
        format!("{SSO}="),
        format!("{SSO}=null"),
        format!("{SSO}={}", &token[1..]),
        format!("{SSO}={token}0"),
        format!("{SSO}={}", token.to_uppercase()),
        format!("{SSO}=\"{token}\""),
        format!("{SSO}={token}; {SSO}={token}"),
        format!("{SSO}={token}; {SSO}=x"),
        "=;;".to_owned(),
        "\u{ff}\u{fe}".to_owned(),
        "x".repeat(6000),
        format!("{SSO}={token}\r\nCookie: {SSO}={}", "0".repeat(64)),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n",
            stage.authority(DOZZLE)
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 302, "{cookie:?}: {reply:?}");
    }
    assert_eq!(stage.tool.requests(), before);
}

#[tokio::test]
async fn a_control_character_in_what_is_passed_on_is_nobody_and_no_error() {
    let (stage, browser) = signed_in().await;
    let host = stage.authority(DOZZLE);
    let cookie = format!("{SSO}={}", browser.cookie(SSO));
    for bad in ["\u{1}", "\u{8}", "\u{b}", "\u{1b}", "\u{1f}", "\u{7f}"] {
        for (header, with_cookie, without) in [
            (format!("User-Agent: a{bad}b"), 200, 302),
            (format!("User-Agent: {bad}"), 200, 302),
            (format!("Authorization: Bearer {bad}"), 200, 302),
            (format!("Authorization: Basic a{bad}b"), 200, 302),
            (format!("X-Whatever: a{bad}b"), 200, 302),
            // What is in one line with it is nobody's either.
            (format!("Cookie: a{bad}b={bad}"), 302, 302),
        ] {
            for (line, page, script) in [
                (format!("Cookie: {cookie}\r\n"), with_cookie, with_cookie),
                (String::new(), without, 401),
            ] {
                let script = if script == 302 { 401 } else { script };
                for (mode, wanted) in [("navigate", page), ("cors", script)] {
                    let request = format!(
                        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nSec-Fetch-Mode: {mode}\r\n{line}{header}\r\n\r\n"
                    );
                    let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
                    assert_eq!(reply.status, wanted, "{header:?} {mode}: {reply:?}");
                }
            }
        }
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}{bad}\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n"
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 400, "host {bad:?}: {reply:?}");
    }
}

#[tokio::test]
async fn neither_body_nor_method_of_a_request_reaches_the_question() {
    let (stage, browser) = signed_in().await;
    let host = stage.authority(DOZZLE);
    let cookie = format!("Cookie: {SSO}={}\r\n", browser.cookie(SSO));
    for (method, framing, body) in [
        ("POST", "Content-Length: 11\r\n", "hello world"),
        (
            "PUT",
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
        ),
        ("DELETE", "", ""),
        ("PATCH", "Content-Length: 0\r\n", ""),
        ("OPTIONS", "", ""),
        ("BREW", "", ""),
        ("GET", "Content-Length: 3\r\n", "abc"),
    ] {
        let with = |cookie: &str| {
            format!(
                "{method} /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{cookie}{framing}\r\n{body}"
            )
        };
        let reply = stage.nginx.raw(DOZZLE, with(&cookie).as_bytes()).await;
        assert_eq!(reply.status, 200, "{method}: {reply:?}");
        assert!(
            reply.body.starts_with(&format!("{method} /x HTTP/1.1\r\n")),
            "{}",
            reply.body
        );
        let reply = stage.nginx.raw(DOZZLE, with("").as_bytes()).await;
        assert_eq!(reply.status, 302, "{method}: {reply:?}");
    }
    // Both ways of saying how long a body is: smuggling.
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{cookie}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(
        !stage
            .tool
            .seen
            .lock()
            .iter()
            .any(|head| head.contains("smuggled"))
    );
}

#[tokio::test]
async fn the_question_itself_cannot_be_asked_from_outside_with_a_forged_proxy() {
    let stage = Stage::new().await;
    let mut stranger = Browser::default();
    let headers = "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nRemote-User: admin\r\n";
    for path in [
        "/api/auth/verify?service=dozzle",
        "/api/auth/verify",
        "/flowkeep-verify",
    ] {
        let reply = stage
            .send(&mut stranger, "GET", FLOWKEEP, path, headers, "")
            .await;
        assert!(matches!(reply.status, 401 | 404), "{path}: {reply:?}");
        assert_eq!(reply.header("remote-user"), "", "{path}");
    }
}

#[tokio::test]
async fn flowkeeps_secrets_stay_with_flowkeep_and_other_cookies_pass() {
    let (stage, browser) = signed_in().await;
    let token = browser.cookie(SSO);
    let other = "1".repeat(64);
    for (cookies, passed) in [
        (format!("a=1; {SSO}={token}; b=2"), "a=1; b=2"),
        (format!("{SSO}={token}"), ""),
        (format!("{SSO}={token}; b=2"), "b=2"),
        (
            format!("a=1;{SSO}={token};   __Host-flowkeep_device={other};b=2"),
            "a=1;b=2",
        ),
        (
            format!(
                "__Host-flowkeep_return={other}; flowkeep_device={other}; a=flowkeep_session; {SSO}={token}; __Host-flowkeep_device={other}"
            ),
            "a=flowkeep_session;",
        ),
        // All that Flowkeep ever sets, by HTTPS and without.
        (
            format!(
                "__Host-flowkeep_session={other}; __Host-flowkeep_device={other}; __Host-flowkeep_return={other}; a=1; {SSO}={token}; \
                 flowkeep_session={other}; flowkeep_device={other}; flowkeep_return={other}; b=2"
            ),
            "a=1; b=2",
        ),
        // More than are ever there: nothing is passed.
        (
            format!("a=1; {SSO}={token}{}", "; flowkeep_x=1".repeat(7)),
            "",
        ),
    ] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nCookie: {cookies}\r\nAuthorization: Basic dG9vbDp0b29s\r\n\r\n",
            stage.authority(DOZZLE)
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 200, "{cookies}: {reply:?}");
        let seen = reply
            .body
            .lines()
            .find_map(|line| line.strip_prefix("Cookie: "));
        let squeezed = seen.unwrap_or_default().trim().replace("; ;", ";");
        assert_eq!(squeezed, passed, "{cookies}");
        assert!(
            reply.body.contains("Authorization: Basic dG9vbDp0b29s\r\n"),
            "the tool's own login passes"
        );
    }
    let body =
        json!({ "username": "admin", "password": crate::support::app::PASSWORD, "issue": "token" });
    let answer = stage.admin.post("/api/auth/login", body).await.json();
    let bearer = answer["token"].as_str().unwrap();
    for scheme in ["Bearer", "bearer", "BEARER "] {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: {scheme} {bearer}\r\n\r\n",
            stage.authority(DOZZLE)
        );
        let reply = stage.nginx.raw(DOZZLE, request.as_bytes()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(!reply.body.contains(bearer), "{}", reply.body);
    }
}
