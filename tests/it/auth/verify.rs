//! What nginx `auth_request` is told: 200 or 401 (or 403 by subnet), never anything else.

use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request, StatusCode};

use crate::support::app::{TestApp, USERNAME};

const PATH: &str = "/api/auth/verify";
const SESSION: &str = "__Host-flowkeep_session";

#[tokio::test]
async fn a_live_session_is_answered_with_the_headers_that_dozzle_reads() {
    let (_app, client) = TestApp::with_admin().await;
    let answer = client.get(PATH).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("remote-user"), USERNAME);
    assert_eq!(answer.header("remote-name"), USERNAME);
    assert_eq!(answer.header("remote-email"), "admin@example.com");
    assert_eq!(answer.header("remote-groups"), "admins");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_session_ends_at_its_time_however_much_it_is_used() {
    let (app, client) = TestApp::with_admin().await;
    for _ in 0..23 {
        app.advance(TimeDelta::hours(1));
        assert_eq!(client.get(PATH).await.status, StatusCode::OK);
    }
    app.advance(TimeDelta::hours(1));
    assert_eq!(client.get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cve_2026_25748_a_malformed_cookie_is_answered_401_without_an_identity() {
    let (_app, client) = TestApp::with_admin().await;
    let token = client.cookie(SESSION).unwrap();
    let good = format!("{SESSION}={token}");
    for bad in [
        format!("{SESSION}="),
        format!("{SESSION}=;"),
        format!("{SESSION}=null"),
        format!("{SESSION}={}", &token[1..]),
        format!("{SESSION}={token}00"),
        format!("{SESSION}={}", token.to_uppercase()),
        format!("{SESSION}=\"{token}\""),
        format!("{good}; {good}"),
        format!("{good}; {SESSION}={}", "0".repeat(64)),
        format!("{SESSION}={}", "0".repeat(64)),
        "=; ;;=".to_owned(),
        "\u{ff}".to_owned(),
        "x".repeat(8000),
    ] {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = PATH.parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("host", "localhost:3333".parse().unwrap());
        let value = http::HeaderValue::from_bytes(bad.as_bytes()).unwrap();
        headers.insert("cookie", value);
        let answer = client.send(request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{bad:?}");
        assert!(!answer.headers().contains_key("remote-user"));
        assert!(!answer.headers().contains_key("location"));
    }
}

#[tokio::test]
async fn cve_2026_40575_cve_2026_34457_no_header_of_the_client_opens_the_door() {
    let (_app, client) = TestApp::with_admin().await;
    let stranger = client.without_cookies();
    for (name, value) in [
        ("x-forwarded-uri", "/api/health"),
        ("x-original-url", "/api/auth/login"),
        ("x-original-uri", "/healthz"),
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "kube-probe/1.30"),
        ("remote-user", "admin"),
        ("x-forwarded-user", "admin"),
        ("x_forwarded_user", "admin"),
        ("x-auth-request-user", "admin"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-http-method-override", "HEAD"),
        ("authorization", "Basic YWRtaW46YWRtaW4="),
        ("authorization", "Bearer "),
        ("authorization", "Bearer null"),
    ] {
        let answer = stranger.clone().header(name, value).get(PATH).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {value}");
        assert!(!answer.headers.contains_key("remote-user"), "{name}");
    }
}

#[tokio::test]
async fn cve_2024_47070_an_address_that_is_none_is_answered_401_even_with_a_session() {
    let args = ["--trusted-proxies=127.0.0.1/32,192.168.0.0/16"];
    let app = TestApp::builder().args(&args).start().await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    assert_eq!(client.get(PATH).await.status, StatusCode::OK);
    // What nginx says of a client at a Unix socket, and what a client says where it is appended to.
    for value in [
        "unix:",
        "",
        ",",
        "a",
        "a, 192.168.1.5",
        "999.1.1.1",
        "unknown",
        "_x",
    ] {
        for path in [PATH, "/api/auth/verify?service=x"] {
            let proxy = client
                .clone()
                .at("127.0.0.1")
                .header("x-forwarded-for", value);
            let answer = proxy.get(path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value:?}");
            assert!(!answer.headers.contains_key("remote-user"));
        }
    }
}

#[tokio::test]
async fn cve_2025_48865_connection_headers_strip_nothing_of_ours() {
    let (_app, client) = TestApp::with_admin().await;
    let client = client.header("connection", "close, remote-user, x-forwarded-for");
    assert_eq!(client.get(PATH).await.header("remote-user"), USERNAME);
}

#[tokio::test]
async fn the_cookie_of_plain_http_is_not_believed_over_https() {
    let args = ["--trusted-proxies=10.0.0.0/8"];
    let app = TestApp::builder().args(&args).start().await;
    app.setup_admin().await;
    let lan = app
        .client()
        .at("192.168.1.5")
        .header("host", "box.lan:3333");
    lan.login().await;
    let planted = lan.cookie("flowkeep_session").unwrap();
    assert_eq!(lan.get(PATH).await.status, StatusCode::OK);

    let https = app
        .client()
        .at("10.0.0.1")
        .header("host", "box.lan")
        .header("x-forwarded-for", "192.168.1.5")
        .header("x-forwarded-proto", "https");
    https.set_cookie("flowkeep_session", &planted);
    assert_eq!(https.get(PATH).await.status, StatusCode::UNAUTHORIZED);
    https.drop_cookie("flowkeep_session");
    https.set_cookie(SESSION, &planted);
    assert_eq!(https.get(PATH).await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_process_that_revokes_is_heard_at_the_next_reading() {
    let (app, client) = TestApp::with_admin().await;
    app.execute("UPDATE sessions SET is_active = FALSE").await;
    app.state.auth.load().await.unwrap();
    assert_eq!(client.get(PATH).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let (app, client) = TestApp::with_admin().await;
    let token = client.cookie(SESSION).unwrap();
    let again = TestApp::builder().beside(&app).start().await;
    let browser = again.client();
    browser.set_cookie(SESSION, &token);
    assert_eq!(browser.get(PATH).await.header("remote-user"), USERNAME);
}

#[tokio::test]
async fn while_flowkeep_starts_the_answer_is_401_and_not_503() {
    let (app, _client) = TestApp::with_admin().await;
    let down = flowkeep::platform::health::PartStatus::Down;
    app.state
        .health
        .set(flowkeep::app::health::DATABASE, down, "gone");
    let answer = app.client().call(Method::GET, PATH, None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}
