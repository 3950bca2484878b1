//! The list of tools, the domain, and what is shown of both.

use http::{Method, StatusCode};
use serde_json::json;

use super::{add, at_tool, browser, builder, change, enter, set_domain, verify, wish, with_dozzle};
use crate::support::app::TestApp;

const SERVICES: &str = "/api/auth/sso/services";

#[tokio::test]
async fn a_tool_is_added_changed_and_removed_and_each_is_told() {
    let (app, client) = with_dozzle().await;
    assert_eq!(verify(&client, "dozzle").await.status, StatusCode::OK);
    let more = json!({ "name": "Logs", "is_enabled": false });
    change(&client, "dozzle", "LOGS.example.com.", "/", more).await;
    assert_eq!(
        verify(&client, "dozzle").await.status,
        StatusCode::FORBIDDEN
    );
    let shown = client.get("/api/auth/sso").await.json();
    assert_eq!(shown["parent_domain"], "example.com");
    assert_eq!(shown["items"][0]["host"], "logs.example.com");
    assert_eq!(shown["items"][0]["url"], "https://logs.example.com/");
    assert_eq!(shown["items"][0]["refused"], 1);
    let gone = client.delete(&format!("{SERVICES}/dozzle")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(client.get("/api/auth/sso").await.json()["items"], json!([]));
    for method in [Method::DELETE, Method::GET] {
        let path = match method {
            Method::GET => format!("{SERVICES}/dozzle/nginx"),
            _ => format!("{SERVICES}/dozzle"),
        };
        let answer = client.call(method, &path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let actions = app.audit_actions().await;
    for action in [
        "sso.service_created",
        "sso.service_changed",
        "sso.service_deleted",
    ] {
        assert!(actions.contains(&action.to_owned()), "{action}");
    }
    let events = app.events().await;
    let told = events
        .iter()
        .filter(|kind| *kind == "management.settings_changed");
    assert_eq!(told.count(), 4, "the domain, and the tool three times");
}

#[tokio::test]
async fn changes_ask_for_the_password_again() {
    let app = builder().start().await;
    app.setup_admin().await;
    let client = browser(&app);
    client.login().await;
    let body = wish("dozzle", "dozzle.example.com", "/", json!({}));
    let mut changed = body.clone();
    changed.as_object_mut().unwrap().remove("slug");
    for (method, path, body) in [
        (Method::POST, SERVICES, Some(body)),
        (Method::PUT, "/api/auth/sso/services/dozzle", Some(changed)),
        (Method::DELETE, "/api/auth/sso/services/dozzle", None),
        (
            Method::PUT,
            "/api/auth/sso/parent-domain",
            Some(json!({ "parent_domain": null })),
        ),
    ] {
        let answer = client.call(method, path, body).await;
        assert_eq!(answer.code(), "reauthentication_required", "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_its_field() {
    let (_app, client) = with_dozzle().await;
    for (slug, host, prefix, more, field) in [
        ("Doz zle", "a.example.com", "/", json!({}), "slug"),
        ("a", "a.example.org", "/", json!({}), "host"),
        ("a", "a.example.com;", "/", json!({}), "host"),
        ("a", "https://a.example.com", "/", json!({}), "host"),
        ("a", "flowkeep.example.com", "/", json!({}), "path_prefix"),
        (
            "a",
            "flowkeep.example.com",
            "/api",
            json!({}),
            "path_prefix",
        ),
        ("a", "a.example.com", "/../", json!({}), "path_prefix"),
        ("a", "a.example.com", "/", json!({ "name": " " }), "name"),
        (
            "a",
            "a.example.com",
            "/",
            json!({ "upstream": "http://a; x" }),
            "upstream",
        ),
        (
            "a",
            "a.example.com",
            "/",
            json!({ "step_up_minutes": 0 }),
            "step_up_minutes",
        ),
        (
            "a",
            "a.example.com",
            "/",
            json!({ "remote_roles": ["root"] }),
            "remote_roles",
        ),
        (
            "a",
            "a.example.com",
            "/",
            json!({ "remote_roles": ["all", "none"] }),
            "remote_roles",
        ),
        (
            "a",
            "a.example.com",
            "/",
            json!({ "remote_filter": "a\r\nRemote-Roles: all" }),
            "remote_filter",
        ),
    ] {
        let answer = client.post(SERVICES, wish(slug, host, prefix, more)).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{host} {field}"
        );
        assert!(
            answer.json()["error"]["fields"][field].is_string(),
            "{answer:?}"
        );
    }
    let taken = client
        .post(SERVICES, wish("dozzle", "b.example.com", "/", json!({})))
        .await;
    assert_eq!(taken.code(), "slug_taken");
    for domain in [
        "com",
        "co.uk",
        "example.org",
        "192.168.1.5",
        "ample.com",
        "*.example.com",
    ] {
        let body = json!({ "parent_domain": domain });
        let answer = client.put("/api/auth/sso/parent-domain", body).await;
        let why = &answer.json()["error"]["fields"]["parent_domain"];
        assert!(why.is_string(), "{domain}: {answer:?}");
    }
}

#[tokio::test]
async fn without_an_address_of_its_own_flowkeep_says_what_is_missing() {
    let (_app, client) = TestApp::with_admin().await;
    client.reauthenticate().await;
    let answer = client
        .post(
            SERVICES,
            wish("dozzle", "dozzle.example.com", "/", json!({})),
        )
        .await;
    assert_eq!(answer.code(), "no_public_url");
    assert!(answer.message().contains("FLOWKEEP_PUBLIC_URL"));
}

#[tokio::test]
async fn without_https_no_domain_is_shared() {
    let app = TestApp::builder()
        .args(&["--public-url=http://flowkeep.example.com"])
        .start()
        .await;
    app.setup_admin().await;
    let client = app.client();
    client.login().await;
    client.reauthenticate().await;
    let body = json!({ "parent_domain": "example.com" });
    let answer = client.put("/api/auth/sso/parent-domain", body).await;
    assert!(answer.message().contains("HTTPS"), "{answer:?}");
}

#[tokio::test]
async fn a_tool_that_lost_its_domain_says_so_and_lets_nobody_in_by_it() {
    let (_app, client) = with_dozzle().await;
    enter(&client, "dozzle").await;
    let tool = at_tool(&client);
    assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    set_domain(&client, json!(null)).await;
    let answer = verify(&tool, "dozzle").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(!answer.headers.contains_key("remote-user"));
    let shown = client.get("/api/auth/sso").await.json();
    let trouble = shown["items"][0]["trouble"].as_str().unwrap();
    assert!(trouble.contains("parent domain"), "{trouble}");
    let trial = client
        .get("/api/auth/sso/services/dozzle/check")
        .await
        .json();
    assert_eq!(trial["status"], 401);
    assert_eq!(trial["why"], "out_of_reach");
    let id = super::start(&client, "service=dozzle").await;
    assert_eq!(
        super::go_on(&client, &id, None).await.code(),
        "out_of_reach"
    );
}

#[tokio::test]
async fn the_trial_says_what_nginx_is_told() {
    let (app, client) = with_dozzle().await;
    let rights = json!({ "remote_roles": ["actions", "download"], "remote_filter": "name=n8n" });
    change(&client, "dozzle", "dozzle.example.com", "/", rights).await;
    let trial = client
        .get("/api/auth/sso/services/dozzle/check")
        .await
        .json();
    let told = verify(&client, "dozzle").await;
    assert_eq!(trial["status"], 200);
    let headers = trial["headers"].as_array().unwrap();
    assert_eq!(headers.len(), 6);
    for header in headers {
        let name = header["name"].as_str().unwrap().to_lowercase();
        assert_eq!(told.header(&name), header["value"].as_str().unwrap());
    }
    // Looking is no visit, and a visit is one.
    let visits = "SELECT COUNT(*) FROM audit_log WHERE action = 'sso.visited'";
    assert_eq!(app.sql::<i64>(visits).await, 0);
}

#[tokio::test]
async fn dozzle_is_told_none_where_nothing_is_chosen_for_it_takes_nothing_for_everything() {
    let (_app, client) = with_dozzle().await;
    let answer = verify(&client, "dozzle").await;
    assert_eq!(answer.header("remote-roles"), "none");
    assert!(!answer.headers.contains_key("remote-filter"));
    let rights = json!({ "remote_roles": ["all"], "remote_filter": "label=team=n8n" });
    change(&client, "dozzle", "dozzle.example.com", "/", rights).await;
    let answer = verify(&client, "dozzle").await;
    assert_eq!(answer.header("remote-roles"), "all");
    assert_eq!(answer.header("remote-filter"), "label=team=n8n");
    assert_eq!(answer.header("remote-user"), "admin");
    assert_eq!(answer.header("remote-email"), "admin@example.com");
    assert_eq!(answer.header("remote-name"), "admin");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn another_process_hears_of_a_new_tool() {
    let (app, client) = with_dozzle().await;
    let other = builder().beside(&app).start().await;
    let there = browser(&other);
    there.set_cookie(super::SESSION, &client.cookie(super::SESSION).unwrap());
    add(&client, "adminer", "adminer.example.com", "/", json!({})).await;
    assert_eq!(
        verify(&there, "adminer").await.status,
        StatusCode::FORBIDDEN
    );
    let (sso, stop) = (
        other.state.sso.clone(),
        other.state.lifecycle.soft().clone(),
    );
    let lifecycle = other.state.lifecycle.clone();
    lifecycle.spawn("keep up", async move { sso.keep_up(stop).await });
    // It listens once it has read everything for the first time.
    while verify(&there, "adminer").await.status != StatusCode::OK {
        tokio::task::yield_now().await;
    }
    client.delete("/api/auth/sso/services/adminer").await;
    while verify(&there, "adminer").await.status != StatusCode::FORBIDDEN {
        tokio::task::yield_now().await;
    }
    assert!(lifecycle.drain().await);
}
