//! Who may call what: every route of the API, by every kind of caller. A new route is in here by
//! itself, and fails until it needs a session or is listed as open.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::json;

use crate::support::app::{TestApp, TestClient, TestResponse};

/// The only routes that answer without a session.
const OPEN: [(&str, &str); 8] = [
    ("GET", "/api/health"),
    ("GET", "/api/auth/verify"),
    ("GET", "/api/auth/sso/start"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/setup"),
    ("POST", "/api/setup/check"),
    ("POST", "/api/notifications/acknowledge"),
    ("POST", "/api/notifications/acknowledge/check"),
];

/// Every method and path of the OpenAPI description, with values for the variable parts.
fn routes() -> Vec<(Method, String, bool)> {
    let document = TestApp::openapi();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let is_open = OPEN.contains(&(method.as_str(), path.as_str()));
            let concrete: Vec<_> = path
                .split('/')
                .map(|part| if part.starts_with('{') { "1" } else { part })
                .collect();
            routes.push((method.parse().unwrap(), concrete.join("/"), is_open));
        }
    }
    // The description and its page are not in the description.
    for path in [
        "/api/openapi.json",
        "/api/docs",
        "/api/docs/",
        "/api/docs/swagger-ui.css",
    ] {
        routes.push((Method::GET, path.to_owned(), false));
    }
    assert!(routes.len() > 10, "the description is empty");
    routes
}

async fn call(client: &TestClient, method: &Method, path: &str) -> TestResponse {
    let body = (*method != Method::GET && *method != Method::DELETE).then(|| json!({}));
    client.call(method.clone(), path, body).await
}

#[tokio::test]
async fn cve_2026_32230_without_a_session_only_the_listed_routes_answer() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app.client();
    for (method, path, is_open) in routes() {
        let answer = call(&client, &method, &path).await;
        if path == "/api/auth/verify" {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
            assert!(answer.body.is_empty());
        } else if is_open {
            assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        } else {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.code(), "unauthenticated", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_expired_session_is_no_session() {
    let (app, client) = TestApp::with_admin().await;
    app.advance(TimeDelta::hours(25));
    for (method, path, is_open) in routes() {
        if !is_open || path == "/api/auth/verify" {
            let answer = call(&client, &method, &path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn from_a_forbidden_subnet_nothing_answers_but_health() {
    let (app, client) = TestApp::with_admin().await;
    app.execute("INSERT INTO allowed_subnets (cidr) VALUES ('10.0.0.0/8')")
        .await;
    app.state.auth.load().await.unwrap();
    for (method, path, _) in routes() {
        let answer = call(&client, &method, &path).await;
        if path == "/api/health" {
            assert_eq!(answer.status, StatusCode::OK);
        } else {
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert_eq!(answer.code(), "subnet_forbidden", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_live_session_is_let_through_everywhere() {
    let (_app, client) = TestApp::with_admin().await;
    for (method, path, _) in routes() {
        if path.starts_with("/api/auth/logout") {
            continue;
        }
        let answer = call(&client, &method, &path).await;
        assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
        assert_ne!(
            answer.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn cve_2026_41059_spellings_of_a_path_reach_nothing() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app.client();
    for path in [
        "/api/audit/",
        "/api//audit",
        "//api/audit",
        "/API/audit",
        "/api/%61udit",
        "/api/audit%23",
        "/api/health/../audit",
        "/api/health/..%2faudit",
        "/api/auth/login/../../audit",
        "/api/audit;/api/health",
    ] {
        let answer = client.get(path).await;
        assert!(
            !answer.body.starts_with(b"{\"items\""),
            "{path}: {answer:?}"
        );
    }
}
