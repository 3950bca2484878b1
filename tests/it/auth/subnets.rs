//! Which addresses may come in.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::app::{TestApp, TestClient};

const PATH: &str = "/api/auth/subnets";

async fn at_home() -> (TestApp, TestClient) {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app
        .client()
        .at("192.168.1.10")
        .header("host", "box.lan:3333");
    client.login().await;
    client.reauthenticate().await;
    (app, client)
}

async fn add(client: &TestClient, cidr: &str) -> Value {
    let answer = client.post(PATH, json!({ "cidr": cidr })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn the_first_subnet_shuts_everybody_else_out_of_everything_but_health() {
    let (app, client) = at_home().await;
    let added = add(&client, "192.168.1.77/24").await;
    assert_eq!(added["cidr"], "192.168.1.0/24");
    let stranger = app.client().at("203.0.113.1");
    for path in [
        "/",
        "/assets/x.js",
        "/api/auth/verify",
        "/api/auth/session",
        "/api/nothing",
    ] {
        let answer = stranger.get(path).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(answer.code(), "subnet_forbidden");
    }
    let answer = stranger.try_login("admin", "x").await;
    assert_eq!(answer.code(), "subnet_forbidden");
    assert_eq!(stranger.get("/api/health").await.status, StatusCode::OK);
    for inside in ["192.168.1.255", "::ffff:192.168.1.3"] {
        let answer = app.client().at(inside).get("/api/auth/verify").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{inside}");
    }
    // Not even loopback: behind a proxy that is not trusted everybody looks like it.
    let answer = app.client().at("127.0.0.1").get("/api/auth/verify").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_change_that_would_shut_its_maker_out_asks_first() {
    let (_app, client) = at_home().await;
    let answer = client.post(PATH, json!({ "cidr": "10.0.0.0/8" })).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    assert_eq!(answer.code(), "would_lock_you_out");
    assert_eq!(answer.json()["error"]["fields"]["your_ip"], "192.168.1.10");
    let list = client.get(PATH).await.json();
    assert_eq!(list, json!({ "items": [], "your_ip": "192.168.1.10" }));

    let own = add(&client, "192.168.1.0/24").await;
    let other = add(&client, "10.0.0.0/8").await;
    let path = format!("{PATH}/{}", own["id"]);
    let answer = client.put(&path, json!({ "enabled": false })).await;
    assert_eq!(answer.code(), "would_lock_you_out");
    assert_eq!(client.delete(&path).await.code(), "would_lock_you_out");
    let other_path = format!("{PATH}/{}", other["id"]);
    let answer = client
        .put(
            &other_path,
            json!({ "enabled": false, "description": "office" }),
        )
        .await;
    assert_eq!(answer.json()["description"], "office");
    assert_eq!(answer.json()["enabled"], false);
    // Now it is the only rule, and without a rule everybody may come in.
    assert_eq!(client.delete(&path).await.status, StatusCode::NO_CONTENT);

    let answer = client
        .put(
            &other_path,
            json!({ "enabled": true, "confirm_lockout": true }),
        )
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(client.get(PATH).await.code(), "subnet_forbidden");
}

#[tokio::test]
async fn somebody_with_a_shell_opens_the_door_again() {
    let (app, client) = at_home().await;
    let body = json!({ "cidr": "10.0.0.0/8", "confirm_lockout": true });
    assert_eq!(client.post(PATH, body).await.status, StatusCode::CREATED);
    assert_eq!(client.get(PATH).await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.state.auth.clear_subnets().await.unwrap(), 1);
    assert_eq!(client.get(PATH).await.status, StatusCode::OK);
    assert!(
        app.audit_actions()
            .await
            .contains(&"auth.subnets_cleared".to_owned())
    );
}

#[tokio::test]
async fn bad_networks_doubles_and_strangers_are_refused() {
    let (_app, client) = at_home().await;
    add(&client, "192.168.0.0/16").await;
    for bad in ["", "lan", "10.0.0.0/33", "10.0.0/8", "fd00::/129"] {
        let answer = client.post(PATH, json!({ "cidr": bad })).await;
        assert_eq!(answer.code(), "invalid_input", "{bad}");
        assert!(answer.message().contains("192.168.1.0/24"), "{answer:?}");
    }
    for same in ["192.168.5.5/16", "::ffff:192.168.0.0/112"] {
        let answer = client.post(PATH, json!({ "cidr": same })).await;
        assert_eq!(answer.code(), "subnet_exists", "{same}");
    }
    assert_eq!(
        client.delete(&format!("{PATH}/99")).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn ipv6_networks_work_as_well() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app.client().at("fd12::5").header("host", "[fd12::1]:3333");
    client.login().await;
    client.reauthenticate().await;
    add(&client, "fd12::/16").await;
    let v4 = app.client().at("192.168.1.10");
    assert_eq!(
        v4.get("/api/auth/verify").await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(client.get(PATH).await.status, StatusCode::OK);
}

#[tokio::test]
async fn writes_need_the_password_again() {
    let (_app, client) = TestApp::with_admin().await;
    let answer = client.post(PATH, json!({ "cidr": "10.0.0.0/8" })).await;
    assert_eq!(answer.code(), "reauthentication_required");
    let answer = client.delete(&format!("{PATH}/1")).await;
    assert_eq!(answer.code(), "reauthentication_required");
}

#[tokio::test]
async fn a_row_that_cannot_be_read_lets_nobody_in() {
    let (app, client) = at_home().await;
    app.execute("INSERT INTO allowed_subnets (cidr) VALUES ('nonsense')")
        .await;
    app.state.auth.load().await.unwrap();
    assert_eq!(client.get(PATH).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_spoofed_forwarding_header_changes_nothing() {
    let (app, client) = at_home().await;
    add(&client, "192.168.1.0/24").await;
    let stranger = app.client().at("203.0.113.1");
    for name in [
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "x_forwarded_for",
    ] {
        let answer = stranger.clone().header(name, "192.168.1.10").get("/").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
}
