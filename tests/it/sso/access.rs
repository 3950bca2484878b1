//! Which cookie opens what, until when; and the audit line of a first visit.

use axum::body::Body;
use chrono::TimeDelta;
use http::{HeaderValue, Request, StatusCode};
use serde_json::json;

use super::{
    Phone, SESSION, SSO, add, at_tool, browser, builder, change, enter, go_on, set_domain, start,
    verify, with_dozzle,
};
use crate::support::app::{PASSWORD, TestApp, TestClient};

async fn in_dozzle() -> (TestApp, TestClient, TestClient) {
    let (app, client) = with_dozzle().await;
    enter(&client, "dozzle").await;
    let tool = at_tool(&client);
    assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    (app, client, tool)
}

#[tokio::test]
async fn the_cookie_of_the_parent_domain_opens_tools_and_nothing_else() {
    let (app, client, tool) = in_dozzle().await;
    let answer = tool.get("/api/auth/session").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let answer = tool.get("/api/auth/verify").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    // Not as the session's cookie, not as a program's token either.
    let token = client.cookie(SSO).unwrap();
    let forged = browser(&app);
    forged.set_cookie(SESSION, &token);
    assert_eq!(
        forged.get("/api/auth/session").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        verify(&forged, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
    let program = browser(&app).bearer(&token);
    assert_eq!(
        verify(&program, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
    // Nor a tool on Flowkeep's own host name, where a sibling's thief would come in.
    add(
        &client,
        "adminer",
        "flowkeep.example.com",
        "/adminer/",
        json!({}),
    )
    .await;
    assert_eq!(
        verify(&tool, "adminer").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(verify(&client, "adminer").await.status, StatusCode::OK);
    let stored: String = app.sql("SELECT token_hash FROM sso_sessions").await;
    assert_ne!(stored, token);
    let id = start(&tool, "service=dozzle").await;
    assert_eq!(
        go_on(&tool, &id, None).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_cookie_says_where_and_how_long_it_goes() {
    let (app, client) = with_dozzle().await;
    app.advance(TimeDelta::hours(1));
    let id = start(&client, "service=dozzle").await;
    let answer = go_on(&client, &id, None).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Secure-flowkeep_sso="), "{cookie}");
    let attributes = cookie.split_once("; ").unwrap().1;
    assert_eq!(
        attributes,
        "Domain=example.com; Path=/; Max-Age=82800; HttpOnly; SameSite=Lax; Secure"
    );
}

#[tokio::test]
async fn cookie_tossing_two_cookies_of_that_name_are_none() {
    let (_app, client, tool) = in_dozzle().await;
    let token = client.cookie(SSO).unwrap();
    let good = format!("{SSO}={token}");
    for bad in [
        format!("{good}; {good}"),
        format!("{good}; {SSO}={}", "0".repeat(64)),
        format!("{SSO}=; {good}"),
        format!("{SSO}={}", &token[1..]),
        format!("{SSO}={}", token.to_uppercase()),
        format!("{SSO}=\"{token}\""),
        format!("{SSO}={}", "0".repeat(64)),
        format!("__secure-flowkeep_sso={token}"),
        format!("__Secure-flowkeep_sso_={token}"),
        SSO.to_owned(),
    ] {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = "/api/auth/verify?service=dozzle".parse().unwrap();
        *request.headers_mut() = tool.request(http::Method::GET, "/", None).headers().clone();
        request
            .headers_mut()
            .insert("cookie", HeaderValue::from_str(&bad).unwrap());
        let answer = tool.send(request).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{bad}");
        assert!(!answer.headers().contains_key("remote-user"));
    }
    // And whoever is sent to the login with two is told, and not sent round in circles.
    let id = start(&client, "service=dozzle").await;
    let body = json!({ "return": id });
    let mut request = client.request(http::Method::POST, "/api/auth/sso/continue", Some(body));
    let cookies = format!(
        "{}; {SSO}={}",
        request.headers()["cookie"].to_str().unwrap(),
        "0".repeat(64)
    );
    request
        .headers_mut()
        .insert("cookie", HeaderValue::from_str(&cookies).unwrap());
    assert_eq!(client.send(request).await.status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn ghsa_g9v2_it_ends_with_its_session() {
    for end in [
        "logout",
        "logout-everywhere",
        "revoked",
        "password",
        "expiry",
        "removed",
    ] {
        let (app, client, tool) = in_dozzle().await;
        match end {
            "logout" | "logout-everywhere" => {
                let path = format!("/api/auth/{end}");
                assert!(client.post(&path, json!({})).await.status.is_success());
            }
            "revoked" => {
                let other = browser(&app);
                other.login().await;
                other
                    .post("/api/auth/sessions/revoke-others", json!({}))
                    .await;
            }
            "password" => {
                let other = browser(&app);
                other.login().await;
                let body =
                    json!({ "current_password": PASSWORD, "new_password": "a loud river at dusk" });
                let answer = other.put("/api/auth/password", body).await;
                assert!(answer.status.is_success(), "{answer:?}");
            }
            "expiry" => app.advance(TimeDelta::hours(24)),
            _ => {
                app.execute("DELETE FROM sessions").await;
                app.state.auth.load().await.unwrap();
            }
        }
        let answer = verify(&tool, "dozzle").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{end}");
        app.state.auth.tidy_up().await.unwrap();
        assert_eq!(
            app.sql::<i64>("SELECT COUNT(*) FROM sso_sessions").await,
            0,
            "{end}"
        );
    }
}

#[tokio::test]
async fn a_new_password_or_second_factor_ends_it_in_the_browser_that_made_the_change_too() {
    for change_of in ["password", "factor on", "factor off"] {
        let (app, client) = with_dozzle().await;
        let mut code = None;
        if change_of != "factor on" {
            let phone = Phone::enrol(&app, &client).await;
            let asks = json!({ "requires_step_up": true });
            change(&client, "dozzle", "dozzle.example.com", "/", asks).await;
            code = Some(phone.code(&app));
        }
        let id = start(&client, "service=dozzle").await;
        let answer = go_on(&client, &id, code.as_deref()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let tool = at_tool(&client);
        assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
        let beside = builder().beside(&app).start().await;
        let there = browser(&beside);
        there.set_cookie(SSO, &client.cookie(SSO).unwrap());
        assert_eq!(verify(&there, "dozzle").await.status, StatusCode::OK);
        match change_of {
            "password" => {
                let body =
                    json!({ "current_password": PASSWORD, "new_password": "a loud river at dusk" });
                let answer = client.put("/api/auth/password", body).await;
                assert!(answer.status.is_success(), "{answer:?}");
            }
            "factor on" => drop(Phone::enrol(&app, &client).await),
            _ => {
                let answer = client.post("/api/auth/totp/disable", json!({})).await;
                assert!(answer.status.is_success(), "{answer:?}");
            }
        }
        let answer = verify(&tool, "dozzle").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{change_of}");
        let left =
            "SELECT (SELECT COUNT(*) FROM sso_sessions) + COUNT(stepped_up_at) FROM sso_access";
        assert_eq!(app.sql::<i64>(left).await, 0, "{change_of}");
        // The session itself goes on, and a code that it gave does not.
        let wanted = match change_of {
            "factor on" => StatusCode::OK,
            _ => StatusCode::UNAUTHORIZED,
        };
        assert_eq!(
            verify(&client, "dozzle").await.status,
            wanted,
            "{change_of}"
        );
        assert_eq!(client.get("/api/auth/session").await.status, StatusCode::OK);
        beside.state.sso.load().await.unwrap();
        let answer = verify(&there, "dozzle").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{change_of}");
        if change_of == "factor on" {
            enter(&client, "dozzle").await;
            let answer = verify(&at_tool(&client), "dozzle").await;
            assert_eq!(answer.status, StatusCode::OK, "and it is made anew");
        }
    }
}

#[tokio::test]
async fn an_idle_session_ends_in_the_tool_and_use_of_the_tool_keeps_it() {
    let (app, client, tool) = in_dozzle().await;
    let body = json!({ "value": 30 });
    client
        .put("/api/settings/auth.session_idle_minutes", body)
        .await;
    for _ in 0..4 {
        app.advance(TimeDelta::minutes(20));
        assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    }
    app.advance(TimeDelta::minutes(30));
    assert_eq!(
        verify(&tool, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn it_survives_a_restart_and_a_new_password_prompt_but_not_another_domain() {
    let (app, client, tool) = in_dozzle().await;
    client.reauthenticate().await;
    assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    let again = builder().beside(&app).start().await;
    let there = browser(&again);
    there.set_cookie(SSO, &client.cookie(SSO).unwrap());
    assert_eq!(verify(&there, "dozzle").await.status, StatusCode::OK);
    set_domain(&client, json!("flowkeep.example.com")).await;
    set_domain(&client, json!("example.com")).await;
    assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    change(
        &client,
        "dozzle",
        "dozzle.flowkeep.example.com",
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    set_domain(&client, json!("flowkeep.example.com")).await;
    change(
        &client,
        "dozzle",
        "dozzle.flowkeep.example.com",
        "/",
        json!({}),
    )
    .await;
    assert_eq!(
        verify(&tool, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn cve_2026_48794_a_mistyped_rule_is_not_the_laxer_one() {
    let (_app, client) = with_dozzle().await;
    for query in [
        "service=",
        "service=Dozzle",
        "service=dozzle2",
        "service=dozzle&service=dozzle",
        "service=dozzle&x=1",
        "x=1&service=dozzle",
        "Service=dozzle",
        "svc=dozzle",
        "service%3Ddozzle",
        "service=doz%7Ale",
        "service=dozzle%00",
        "service=dozzle/",
        "service",
        "&",
        "service=../dozzle",
        "service=(unknown)",
    ] {
        let answer = client.get(&format!("/api/auth/verify?{query}")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{query}");
        assert!(!answer.headers.contains_key("remote-user"));
    }
    assert_eq!(client.get("/api/auth/verify").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_client_cannot_say_which_tool_it_is() {
    let (_app, client) = with_dozzle().await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    add(&client, "open", "open.example.com", "/", json!({})).await;
    for (name, value) in [
        ("host", "open.example.com"),
        ("x-forwarded-host", "open.example.com"),
        ("x-forwarded-uri", "/?service=open"),
        ("x-original-url", "https://open.example.com/"),
        ("x-original-uri", "/api/auth/verify?service=open"),
        ("service", "open"),
        ("x-service", "open"),
        ("referer", "https://open.example.com/"),
        ("user-agent", "kube-probe/1.30"),
    ] {
        let answer = verify(&client.clone().header(name, value), "dozzle").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}");
    }
}

#[tokio::test]
async fn while_nothing_is_loaded_the_answer_is_401() {
    let app = builder().start().await;
    app.setup_admin().await;
    let client = browser(&app);
    client.login().await;
    let parts = flowkeep::features::sso::SsoParts {
        db: app.state.db.clone(),
        clock: app.state.clock.clone(),
        ids: app.state.ids.clone(),
        events: app.state.events.clone(),
        settings: app.state.settings.clone(),
        auth: app.state.auth.clone(),
        metrics: flowkeep::platform::metrics::Metrics::default(),
        public_url: app.state.config.http.public_url.clone(),
    };
    let mut state = app.state.clone();
    state.sso = flowkeep::features::sso::SsoService::new(parts);
    let request = client.request(http::Method::GET, "/api/auth/verify?service=dozzle", None);
    let router = flowkeep::app::router::build(state);
    let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_the_database_tools_stay_open_and_no_statement_is_made() {
    let (app, client, tool) = in_dozzle().await;
    app.state.db.close().await;
    for _ in 0..100 {
        let answer = verify(&tool, "dozzle").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("remote-user"), "admin");
    }
    assert_eq!(
        verify(&client, "nothing").await.status,
        StatusCode::FORBIDDEN
    );
}

/// Writes what waits, as the daemon does when it is told to stop.
async fn write_visits(app: &TestApp) {
    let stop = app.state.lifecycle.soft().clone();
    app.state.sso.write_visits(stop).await;
}

#[tokio::test]
async fn each_sessions_first_visit_to_each_tool_is_one_audit_line() {
    let (app, client, tool) = in_dozzle().await;
    add(
        &client,
        "adminer",
        "flowkeep.example.com",
        "/adminer/",
        json!({}),
    )
    .await;
    let second = browser(&app);
    second.login().await;
    for _ in 0..20 {
        verify(&tool.clone().header("user-agent", "Firefox"), "dozzle").await;
        verify(&client, "dozzle").await;
        verify(&client, "adminer").await;
        verify(&second, "adminer").await;
        verify(&browser(&app), "adminer").await;
    }
    // Told to stop, it writes down what waits first.
    app.state.lifecycle.stop();
    write_visits(&app).await;
    let visits = "SELECT COUNT(*) FROM audit_log WHERE action = 'sso.visited'";
    assert_eq!(app.sql::<i64>(visits).await, 3);
    let line = "SELECT user_id || ' ' || username || ' ' || host(ip_address) || ' ' || resource_id FROM audit_log \
                WHERE action = 'sso.visited' ORDER BY id LIMIT 1";
    let line: String = app.sql(line).await;
    assert_eq!(line, "1 admin 192.168.1.5 dozzle");

    let again = builder().beside(&app).start().await;
    let there = browser(&again);
    there.set_cookie(SESSION, &client.cookie(SESSION).unwrap());
    verify(&there, "dozzle").await;
    verify(&there, "adminer").await;
    again.state.lifecycle.stop();
    write_visits(&again).await;
    assert_eq!(app.sql::<i64>(visits).await, 3, "not again after a restart");
}

#[tokio::test]
async fn a_visit_is_in_the_log_though_the_session_ended_meanwhile() {
    let (app, client) = with_dozzle().await;
    verify(&client, "dozzle").await;
    app.execute("DELETE FROM sessions").await;
    app.state.lifecycle.stop();
    write_visits(&app).await;
    assert_eq!(app.audit_actions().await.last().unwrap(), "sso.visited");
}

#[tokio::test]
async fn refusals_are_counted_and_fill_no_log() {
    let (app, client) = with_dozzle().await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    let before = app.audit_actions().await.len();
    for number in 0..50 {
        verify(&client, "dozzle").await;
        verify(&client, &format!("made-up-{number}")).await;
    }
    assert_eq!(app.audit_actions().await.len(), before);
    let text = app.state.metrics.encode().unwrap();
    for line in [
        "flowkeep_sso_checks_total{service=\"dozzle\",outcome=\"not_allowed\"} 50",
        "flowkeep_sso_checks_total{service=\"(unknown)\",outcome=\"not_allowed\"} 50",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(!text.contains("made-up"));
}

#[tokio::test]
async fn logout_everywhere_ends_every_session_at_once() {
    let (app, client, tool) = in_dozzle().await;
    let second = browser(&app);
    second.login().await;
    let body = json!({ "username": "admin", "password": PASSWORD, "issue": "token" });
    let token = browser(&app).post("/api/auth/login", body).await.json();
    let program = browser(&app).bearer(token["token"].as_str().unwrap());
    assert_eq!(verify(&program, "dozzle").await.status, StatusCode::OK);

    let answer = client.post("/api/auth/logout-everywhere", json!({})).await;
    assert_eq!(answer.json()["ended"], 3);
    assert_eq!(answer.header("clear-site-data"), "\"cache\"");
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert!(
        cookies
            .iter()
            .all(|value| value.to_str().unwrap().contains("Max-Age=0"))
    );
    assert!(
        cookies
            .iter()
            .any(|value| value.to_str().unwrap().contains("Domain=example.com"))
    );
    for who in [&client, &tool, &second, &program] {
        assert_eq!(verify(who, "dozzle").await.status, StatusCode::UNAUTHORIZED);
        assert_eq!(
            who.get("/api/auth/session").await.status,
            StatusCode::UNAUTHORIZED
        );
    }
    assert!(
        app.audit_actions()
            .await
            .contains(&"auth.logged_out_everywhere".to_owned())
    );
    let other = builder().beside(&app).start().await;
    assert_eq!(other.state.auth.live_sessions(), 0);
}

#[tokio::test]
async fn a_program_that_never_typed_a_code_does_not_get_past_one() {
    let (app, client) = with_dozzle().await;
    let phone = Phone::enrol(&app, &client).await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "requires_step_up": true }),
    )
    .await;
    let body = json!({ "username": "admin", "password": PASSWORD, "issue": "token", "totp_code": phone.code(&app) });
    let token = browser(&app).post("/api/auth/login", body).await.json();
    let program = browser(&app).bearer(token["token"].as_str().unwrap());
    assert_eq!(
        verify(&program, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
}
