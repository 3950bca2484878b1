//! `GET /metrics`.

use http::StatusCode;

use crate::support::app::{TestApp, USERNAME};

#[tokio::test]
async fn they_count_requests_logins_and_sessions() {
    let (app, client) = TestApp::with_admin().await;
    app.client().try_login(USERNAME, "wrong password").await;
    app.client().try_login("nobody", "wrong password").await;
    client.get("/no/such/page").await;
    let answer = client.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        "flowkeep_http_requests_total{method=\"POST\",route=\"/api/auth/login\",status=\"200\"} 1\n",
        "flowkeep_http_requests_total{method=\"POST\",route=\"/api/auth/login\",status=\"401\"} 2\n",
        "flowkeep_password_checks_total{outcome=\"right\"} 1\n",
        "flowkeep_password_checks_total{outcome=\"wrong_password\"} 1\n",
        "flowkeep_password_checks_total{outcome=\"unknown_user\"} 1\n",
        "flowkeep_sessions_live 1\n",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("no/such/page"));
}

#[tokio::test]
async fn prometheus_reads_them_by_a_token_and_nobody_without() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let arg = format!("--metrics-token-file={}", file.display());
    let app = TestApp::builder().args(&[&arg]).start().await;
    let token = "prometheus-may-read-this";
    let prometheus = app.client().bearer(token);
    let status = async || prometheus.get("/metrics").await.status;
    assert_eq!(status().await, StatusCode::UNAUTHORIZED, "no file");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    assert_eq!(status().await, StatusCode::OK);
    let others = [app.client(), app.client().bearer("prometheus-may-read-thi")];
    for other in others {
        assert_eq!(other.get("/metrics").await.code(), "unauthenticated");
    }
    // It opens nothing else.
    let answer = prometheus.get("/api/auth/session").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn cve_2026_56782_an_empty_token_file_lets_nobody_in() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "\n").unwrap();
    let arg = format!("--metrics-token-file={}", file.display());
    let app = TestApp::builder().args(&[&arg]).start().await;
    for token in ["", " ", "\t"] {
        let answer = app.client().bearer(token).get("/metrics").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}
