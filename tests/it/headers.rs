//! Security headers on every answer, whatever the route and however it ends.

use std::collections::BTreeMap;

use http::{HeaderMap, Method};
use serde_json::json;

use crate::support::app::{TestApp, TestClient};

/// What may differ from answer to answer, or is about the content.
const OTHERS: [&str; 8] = [
    "content-type",
    "content-length",
    "content-encoding",
    "set-cookie",
    "vary",
    "etag",
    "allow",
    "x-accel-buffering",
];

fn security(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .iter()
        .filter(|(name, _)| {
            !OTHERS.contains(&name.as_str()) && !name.as_str().starts_with("remote-")
        })
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect()
}

async fn every_answer(client: &TestClient) -> Vec<(String, HeaderMap)> {
    let mut answers = Vec::new();
    let document = TestApp::openapi();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            if path.starts_with("/api/auth/logout") {
                continue;
            }
            let path = path.replace("{id}", "1").replace("{key}", "x");
            let body = (method != Method::GET).then(|| json!({ "unknown": 1 }));
            let answer = client.call(method.clone(), &path, body).await;
            answers.push((format!("{method} {path} {}", answer.status), answer.headers));
        }
    }
    for (method, path) in [
        (Method::GET, "/"),
        (Method::GET, "/some/page"),
        (Method::GET, "/assets/nothing.js"),
        (Method::GET, "/api/nothing"),
        (Method::PATCH, "/api/health"),
        (Method::PATCH, "/api/auth/login"),
        (Method::PATCH, "/api/auth/verify"),
        (Method::OPTIONS, "/api/auth/session"),
        (Method::GET, "/api/docs"),
    ] {
        let answer = client.call(method.clone(), path, None).await;
        answers.push((format!("{method} {path} {}", answer.status), answer.headers));
    }
    answers
}

#[tokio::test]
async fn every_answer_carries_the_same_security_headers() {
    let (app, client) = TestApp::with_admin().await;
    let mut seen: BTreeMap<BTreeMap<String, String>, Vec<String>> = BTreeMap::new();
    for client in [client, app.client()] {
        for (name, mut headers) in every_answer(&client).await {
            // Pages and files say for themselves how long they keep.
            let is_api = name.contains(" /api") && !name.contains("/api/docs");
            assert!(!is_api || headers["cache-control"] == "no-store", "{name}");
            headers.remove("cache-control");
            headers.remove("retry-after");
            headers.remove("location");
            seen.entry(security(&headers)).or_default().push(name);
        }
    }
    let kinds: Vec<_> = seen.keys().collect();
    insta::assert_json_snapshot!(kinds, @r#"
    [
      {
        "content-security-policy": "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY"
      }
    ]
    "#);
}

#[tokio::test]
async fn over_https_the_browser_is_told_to_stay_there() {
    let app = TestApp::builder()
        .args(&["--trusted-proxies=10.0.0.1/32"])
        .start()
        .await;
    let https = app
        .client()
        .at("10.0.0.1")
        .header("x-forwarded-for", "198.51.100.1")
        .header("x-forwarded-proto", "https");
    for path in ["/", "/api/health", "/api/auth/session"] {
        let answer = https.get(path).await;
        assert_eq!(
            answer.header("strict-transport-security"),
            "max-age=31536000"
        );
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    }
    // From anybody but the proxy the header is a claim.
    let stranger = app.client().header("x-forwarded-proto", "https");
    assert_eq!(
        stranger.get("/").await.header("strict-transport-security"),
        ""
    );
}

#[tokio::test]
async fn cve_2024_47070_a_malformed_forwarding_header_is_refused_and_still_carries_headers() {
    let app = TestApp::builder()
        .args(&["--trusted-proxies=10.0.0.1/32"])
        .start()
        .await;
    let proxy = app.client().at("10.0.0.1").header("x-forwarded-for", "a");
    // nginx makes a 500 of what is none of 200, 401 and 403.
    for (path, status) in [
        ("/api/auth/session", http::StatusCode::BAD_REQUEST),
        ("/api/auth/verify", http::StatusCode::UNAUTHORIZED),
        ("/api/auth/verify?service=x", http::StatusCode::UNAUTHORIZED),
    ] {
        let answer = proxy.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}
