//! From a tool to the login and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use super::{
    Phone, RETURN, SSO, add, at_tool, browser, builder, change, enter, go_on, start, verify,
    with_dozzle,
};
use crate::support::app::{PASSWORD, TestApp, TestClient};

const DOZZLE: &str = "service=dozzle&rd=https://dozzle.example.com/show?name=n8n&x=1";

#[tokio::test]
async fn whoever_comes_from_a_tool_is_sent_back_to_where_they_were() {
    let (app, admin) = with_dozzle().await;
    let client = browser(&app);
    let id = start(&client, DOZZLE).await;
    assert_eq!(id.len(), 64);
    assert_eq!(
        go_on(&client, &id, None).await.status,
        StatusCode::UNAUTHORIZED
    );
    client.login().await;
    let answer = go_on(&client, &id, None).await;
    assert_eq!(
        answer.json()["url"],
        "https://dozzle.example.com/show?name=n8n&x=1"
    );
    assert_eq!(
        verify(&at_tool(&client), "dozzle").await.status,
        StatusCode::OK
    );
    // The second time there is a cookie already.
    let id = start(&admin, DOZZLE).await;
    assert!(
        go_on(&admin, &id, None)
            .await
            .headers
            .contains_key("set-cookie")
    );
    let id = start(&admin, DOZZLE).await;
    assert!(
        !go_on(&admin, &id, None)
            .await
            .headers
            .contains_key("set-cookie")
    );
}

#[tokio::test]
async fn cve_2026_32245_a_way_back_is_good_once_for_ten_minutes_in_its_own_browser() {
    let (app, client) = with_dozzle().await;
    let thief = browser(&app);
    thief.login().await;
    let id = start(&client, DOZZLE).await;
    for answer in [
        go_on(&thief, &id, None).await,
        go_on(&client, &"0".repeat(64), None).await,
        go_on(&client, "", None).await,
        go_on(&client, "../../etc/passwd", None).await,
    ] {
        assert_eq!(answer.status, StatusCode::GONE);
        assert_eq!(answer.code(), "return_gone");
    }
    // Also not with a mark of the thief's own choice.
    start(&thief, DOZZLE).await;
    assert_eq!(go_on(&thief, &id, None).await.code(), "return_gone");
    assert_eq!(go_on(&client, &id, None).await.status, StatusCode::OK);
    assert_eq!(go_on(&client, &id, None).await.code(), "return_gone");
    let id = start(&client, DOZZLE).await;
    app.advance(TimeDelta::minutes(10));
    assert_eq!(go_on(&client, &id, None).await.code(), "return_gone");
}

#[tokio::test]
async fn two_at_the_same_moment_are_not_both_sent() {
    let (_app, client) = with_dozzle().await;
    enter(&client, "dozzle").await;
    let id = start(&client, DOZZLE).await;
    let answers = join_all((0..8).map(|_| go_on(&client, &id, None))).await;
    let sent = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK);
    assert_eq!(sent.count(), 1);
}

#[tokio::test]
async fn cve_2026_33544_many_at_once_each_come_back_to_their_own_place() {
    let (app, _client) = with_dozzle().await;
    let browsers: Vec<TestClient> = (0..12).map(|_| browser(&app)).collect();
    join_all(browsers.iter().map(TestClient::login)).await;
    let trips = browsers.iter().enumerate().map(async |(number, client)| {
        let own = format!("https://dozzle.example.com/{number}");
        let id = start(client, &format!("service=dozzle&rd={own}")).await;
        tokio::task::yield_now().await;
        let answer = go_on(client, &id, None).await;
        assert_eq!(answer.json()["url"], own);
        assert_eq!(
            verify(&at_tool(client), "dozzle").await.status,
            StatusCode::OK
        );
    });
    join_all(trips).await;
}

#[tokio::test]
async fn bad_addresses_lead_to_the_tools_own_front_page() {
    let (app, client) = with_dozzle().await;
    for rd in [
        "",
        "/",
        "//evil",
        "/%5Cevil",
        "https:evil",
        "https://good@evil",
        "https://dozzle.example.com.evil.com/",
        "https://dozzle.example.com@evil.com/",
        "https://a@evil.com@dozzle.example.com/",
        "https://dozzle.example.com@evil.com@dozzle.example.com/",
        "%09//evil",
        "%0d%0aLocation:%20https://evil",
        "https://DOZZLE./",
        "javascript:alert(1)",
        "https://dozzle.example.com:8443/",
        "https://dozzle.example.com:443@evil/",
        "https://xn--dozzle-.example.com/",
        "http://dozzle.example.com/",
        "https://evil.example.com/",
        "https://flowkeep.example.com/api/auth/logout",
        "https%3A%2F%2Fdozzle.example.com%2F",
        "https://dozzle.example.com%2F@evil",
    ] {
        let id = start(&client, &format!("service=dozzle&rd={rd}")).await;
        let answer = go_on(&client, &id, None).await;
        assert_eq!(answer.json()["url"], "https://dozzle.example.com/", "{rd}");
        // So many in a minute would be taken for a circle.
        app.advance(TimeDelta::seconds(30));
    }
}

#[tokio::test]
async fn what_is_no_tool_leads_to_the_front_page_and_keeps_nothing() {
    let (_app, client) = with_dozzle().await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    for query in [
        "",
        "service=",
        "service=nothing",
        "service=dozzle",
        "service=DOZZLE&rd=https://evil",
        "rd=https://evil/&service=dozzle",
        "service=nothing&rd=https://evil/",
        "rd=https://evil/",
    ] {
        let answer = client.get(&format!("/api/auth/sso/start?{query}")).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{query}");
        assert_eq!(answer.header("location"), "/", "{query}");
        assert!(!answer.headers.contains_key("set-cookie"));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_tool_that_was_switched_off_meanwhile_is_not_entered() {
    let (_app, client) = with_dozzle().await;
    let id = start(&client, DOZZLE).await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "is_enabled": false }),
    )
    .await;
    assert_eq!(go_on(&client, &id, None).await.code(), "tool_not_allowed");
}

#[tokio::test]
async fn a_tool_on_flowkeeps_own_host_needs_no_further_cookie() {
    let (_app, client) = with_dozzle().await;
    add(
        &client,
        "adminer",
        "flowkeep.example.com",
        "/adminer",
        json!({}),
    )
    .await;
    let id = start(
        &client,
        "service=adminer&rd=https://flowkeep.example.com/adminer/?server=db",
    )
    .await;
    let answer = go_on(&client, &id, None).await;
    assert_eq!(
        answer.json()["url"],
        "https://flowkeep.example.com/adminer/?server=db"
    );
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn the_mark_of_the_browser_is_a_short_cookie_of_flowkeeps_own_host() {
    let (app, _client) = with_dozzle().await;
    let client = browser(&app);
    let answer = client.get(&format!("/api/auth/sso/start?{DOZZLE}")).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with(RETURN), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax; Secure"),
        "{cookie}"
    );
    // A second tab does not take the first one's away.
    let mark = client.cookie(RETURN).unwrap();
    start(&client, DOZZLE).await;
    assert_eq!(client.cookie(RETURN).unwrap(), mark);
}

#[tokio::test]
async fn going_round_in_circles_is_told_and_not_done() {
    let (app, client) = with_dozzle().await;
    for _ in 0..4 {
        enter(&client, "dozzle").await;
    }
    let id = start(&client, DOZZLE).await;
    let answer = go_on(&client, &id, None).await;
    assert_eq!(answer.code(), "sent_in_circles");
    assert!(answer.message().contains("nginx"));
    app.advance(TimeDelta::minutes(1));
    enter(&client, "dozzle").await;
}

async fn with_step_up() -> (TestApp, TestClient, Phone) {
    let (app, client) = with_dozzle().await;
    let phone = Phone::enrol(&app, &client).await;
    let more = json!({ "requires_step_up": true, "step_up_minutes": 15 });
    change(&client, "dozzle", "dozzle.example.com", "/", more).await;
    (app, client, phone)
}

async fn enter_with(client: &TestClient, code: &str) {
    let id = start(client, DOZZLE).await;
    let answer = go_on(client, &id, Some(code)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn a_tool_that_wants_a_code_is_shut_until_one_is_given_and_again_after_its_time() {
    let (app, client, phone) = with_step_up().await;
    assert_eq!(
        verify(&client, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
    let id = start(&client, DOZZLE).await;
    let asked = go_on(&client, &id, None).await;
    assert_eq!(asked.code(), "step_up_required");
    assert!(!asked.headers.contains_key("set-cookie"));
    let answer = go_on(&client, &id, Some(&phone.code(&app))).await;
    assert_eq!(
        answer.json()["url"],
        "https://dozzle.example.com/show?name=n8n&x=1"
    );
    let tool = at_tool(&client);
    assert_eq!(verify(&tool, "dozzle").await.status, StatusCode::OK);
    let shown = client.get("/api/auth/sso").await.json();
    assert!(shown["items"][0]["stepped_up_until"].is_string());
    assert!(
        app.audit_actions()
            .await
            .contains(&"sso.stepped_up".to_owned())
    );

    // It is this session's, for this tool, and in the database.
    let second = browser(&app);
    app.advance(TimeDelta::seconds(30));
    let body = json!({ "username": "admin", "password": PASSWORD, "totp_code": phone.code(&app) });
    assert!(
        second
            .post("/api/auth/login", body)
            .await
            .status
            .is_success()
    );
    assert_eq!(
        verify(&second, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
    app.advance(TimeDelta::seconds(30));
    let body = json!({ "password": PASSWORD, "totp_code": phone.code(&app) });
    assert!(
        client
            .post("/api/auth/reauthenticate", body)
            .await
            .status
            .is_success()
    );
    add(
        &client,
        "adminer",
        "adminer.example.com",
        "/",
        json!({ "requires_step_up": true }),
    )
    .await;
    assert_eq!(
        verify(&tool, "adminer").await.status,
        StatusCode::UNAUTHORIZED
    );
    let again = builder().beside(&app).start().await;
    again.state.clock.advance(app.now() - again.now());
    let there = browser(&again);
    there.set_cookie(SSO, &client.cookie(SSO).unwrap());
    assert_eq!(verify(&there, "dozzle").await.status, StatusCode::OK);

    app.advance(TimeDelta::minutes(15));
    assert_eq!(
        verify(&tool, "dozzle").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn cve_2026_27855_a_code_is_good_once_also_here() {
    let (app, client, phone) = with_step_up().await;
    let code = phone.code(&app);
    let id = start(&client, DOZZLE).await;
    assert_eq!(
        go_on(&client, &id, Some(&code)).await.status,
        StatusCode::OK
    );
    app.advance(TimeDelta::minutes(15));
    let code = phone.code(&app);
    let first = start(&client, DOZZLE).await;
    let answers = join_all((0..6).map(|_| go_on(&client, &first, Some(&code)))).await;
    let sent = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::OK);
    assert_eq!(sent.count(), 1);
    let stolen = browser(&app);
    let body = json!({ "username": "admin", "password": PASSWORD, "totp_code": code });
    let answer = stolen.post("/api/auth/login", body).await;
    assert_eq!(
        answer.status,
        StatusCode::UNAUTHORIZED,
        "and not for a login either"
    );
}

#[tokio::test]
async fn cve_2026_27801_wrong_codes_are_counted_and_shut_the_way_for_a_while() {
    let (app, client, phone) = with_step_up().await;
    let id = start(&client, DOZZLE).await;
    for _ in 0..5 {
        let answer = go_on(&client, &id, Some("000000")).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.code(), "wrong_code");
    }
    let locked = go_on(&client, &id, Some(&phone.code(&app))).await;
    assert_eq!(locked.status, StatusCode::LOCKED);
    let other = builder().beside(&app).start().await;
    let there = browser(&other);
    for name in [super::SESSION, RETURN] {
        there.set_cookie(name, &client.cookie(name).unwrap());
    }
    let id_there = start(&there, DOZZLE).await;
    let answer = go_on(&there, &id_there, Some(&phone.code(&app))).await;
    assert_eq!(
        answer.status,
        StatusCode::LOCKED,
        "the counter is in the database"
    );
    app.advance(TimeDelta::minutes(1));
    let answer = go_on(&client, &id, Some(&phone.code(&app))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(
        app.audit_actions()
            .await
            .contains(&"auth.step_up_failed".to_owned())
    );
}

#[tokio::test]
async fn cve_2026_43914_guesses_of_a_code_have_the_budget_of_passwords() {
    use std::num::NonZeroU32;
    let rates = flowkeep::platform::http::rate_limit::Rates {
        api_per_second: NonZeroU32::new(1000).unwrap(),
        ..Default::default()
    };
    let app = builder().rates(rates).start().await;
    app.setup_admin().await;
    let client = browser(&app);
    client.login().await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(go_on(&client, "x", Some("000000")).await.status);
    }
    assert_eq!(
        seen.last(),
        Some(&StatusCode::TOO_MANY_REQUESTS),
        "{seen:?}"
    );
}

#[tokio::test]
async fn cve_2026_31835_a_wrong_code_changes_nothing_before_it_is_found_wrong() {
    let (app, client, phone) = with_step_up().await;
    enter_with(&client, &phone.code(&app)).await;
    app.advance(TimeDelta::minutes(15));
    // What a code leaves behind: its step, the time of the visit, the cookie of the domain and the way back.
    let left = "SELECT (SELECT totp_last_step FROM admin_user) || ' ' || \
                COALESCE((SELECT string_agg(t::text, ',' ORDER BY t::text) FROM sso_access t), '') || ' ' || \
                COALESCE((SELECT string_agg(t::text, ',' ORDER BY t::text) FROM sso_sessions t), '')";
    let before: String = app.sql(left).await;
    let id = start(&client, DOZZLE).await;
    // Well formed, and a step that is later than any that was used.
    let wrong = phone.code_at(&app, TimeDelta::hours(1));
    let answer = go_on(&client, &id, Some(&wrong)).await;
    assert_eq!(answer.code(), "wrong_code", "{answer:?}");
    assert!(!answer.headers.contains_key("set-cookie"));
    assert_eq!(app.sql::<String>(left).await, before);
    for at in [client.clone(), at_tool(&client)] {
        assert_eq!(verify(&at, "dozzle").await.status, StatusCode::UNAUTHORIZED);
    }
    // The way back and the right code are still good.
    let answer = go_on(&client, &id, Some(&phone.code(&app))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_ne!(app.sql::<String>(left).await, before);
}

#[tokio::test]
async fn tinyauth_2025_a_right_password_by_basic_is_no_way_past_the_code() {
    let (app, client, phone) = with_step_up().await;
    let basic = |password: &str| {
        let pair = format!("admin:{password}");
        format!("Basic {}", STANDARD.encode(pair))
    };
    let code = phone.code(&app);
    for value in [
        basic(PASSWORD),
        basic(&format!("{PASSWORD}{code}")),
        basic(&format!("{PASSWORD}:{code}")),
        basic(&code),
    ] {
        // Of a stranger, and beside a session that has not said its code for this tool.
        for whose in [browser(&app), client.clone()] {
            let answer = verify(&whose.header("authorization", &value), "dozzle").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
            assert!(!answer.headers.contains_key("remote-user"));
        }
        let stranger = browser(&app).header("authorization", &value);
        for path in ["/api/auth/verify", "/api/auth/session", "/api/settings"] {
            let answer = stranger.get(path).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}: {value}");
        }
    }
    // None of them was even tried: the code is still good.
    enter_with(&client, &code).await;
}

#[tokio::test]
async fn an_account_without_two_step_sign_in_is_told_how_to_get_in() {
    let (_app, client) = with_dozzle().await;
    change(
        &client,
        "dozzle",
        "dozzle.example.com",
        "/",
        json!({ "requires_step_up": true }),
    )
    .await;
    let id = start(&client, DOZZLE).await;
    for code in [None, Some("000000")] {
        let answer = go_on(&client, &id, code).await;
        assert_eq!(answer.code(), "totp_not_enabled");
        assert!(answer.message().contains("under Security"), "{answer:?}");
    }
}

#[tokio::test]
async fn cve_2026_77561_a_flood_of_ways_back_takes_nobody_elses() {
    let (app, client) = with_dozzle().await;
    let id = start(&client, DOZZLE).await;
    let flood = browser(&app).header("x-forwarded-for", "203.0.113.9");
    for _ in 0..300 {
        start(&flood, DOZZLE).await;
    }
    assert_eq!(go_on(&client, &id, None).await.status, StatusCode::OK);
}
