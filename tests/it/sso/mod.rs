//! Single sign-on: the rules in process, and the whole of it behind a real nginx.

mod access;
mod flow;
mod proxy;
mod smuggling;
mod tools;

use chrono::TimeDelta;
use http::StatusCode;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret, Totp};

use crate::support::app::{TestApp, TestAppBuilder, TestClient, TestResponse};

pub const SESSION: &str = "__Host-flowkeep_session";
pub const SSO: &str = "__Secure-flowkeep_sso";
pub const RETURN: &str = "__Host-flowkeep_return";

/// An application that is opened at `https://flowkeep.example.com`, behind a proxy.
pub fn builder() -> TestAppBuilder {
    TestApp::builder().args(&[
        "--public-url=https://flowkeep.example.com",
        "--trusted-proxies=10.0.0.0/8",
    ])
}

/// A browser that came through the proxy.
pub fn browser(app: &TestApp) -> TestClient {
    app.client()
        .at("10.0.0.1")
        .header("host", "flowkeep.example.com")
        .header("x-forwarded-for", "192.168.1.5")
        .header("x-forwarded-proto", "https")
}

/// The same with the administrator signed in, with the parent domain set and Dozzle under it.
pub async fn with_dozzle() -> (TestApp, TestClient) {
    let app = builder().start().await;
    app.setup_admin().await;
    let client = browser(&app);
    client.login().await;
    client.reauthenticate().await;
    set_domain(&client, json!("example.com")).await;
    add(&client, "dozzle", "dozzle.example.com", "/", json!({})).await;
    (app, client)
}

pub async fn set_domain(client: &TestClient, domain: Value) {
    let body = json!({ "parent_domain": domain });
    let answer = client.put("/api/auth/sso/parent-domain", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

pub fn wish(slug: &str, host: &str, prefix: &str, more: Value) -> Value {
    let mut body = json!({
        "slug": slug, "name": slug, "host": host, "path_prefix": prefix, "upstream": "http://127.0.0.1:8080",
        "is_enabled": true, "requires_step_up": false, "step_up_minutes": 30,
    });
    for (key, value) in more.as_object().unwrap() {
        body[key] = value.clone();
    }
    body
}

pub async fn add(client: &TestClient, slug: &str, host: &str, prefix: &str, more: Value) {
    let body = wish(slug, host, prefix, more);
    let answer = client.post("/api/auth/sso/services", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

pub async fn change(client: &TestClient, slug: &str, host: &str, prefix: &str, more: Value) {
    let mut body = wish(slug, host, prefix, more);
    body.as_object_mut().unwrap().remove("slug");
    let answer = client
        .put(&format!("/api/auth/sso/services/{slug}"), body)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

pub async fn verify(client: &TestClient, slug: &str) -> TestResponse {
    client
        .get(&format!("/api/auth/verify?service={slug}"))
        .await
}

/// What the tool's own host name is sent of the browser's cookies: those of the parent domain.
pub fn at_tool(client: &TestClient) -> TestClient {
    let tool = client
        .without_cookies()
        .header("host", "dozzle.example.com");
    if let Some(token) = client.cookie(SSO) {
        tool.set_cookie(SSO, &token);
    }
    tool
}

/// Comes from a tool, and gives the number of the way back.
pub async fn start(client: &TestClient, query: &str) -> String {
    let answer = client.get(&format!("/api/auth/sso/start?{query}")).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let location = answer.header("location");
    let id = location.strip_prefix("/login?return=");
    id.unwrap_or_else(|| panic!("sent to {location}"))
        .to_owned()
}

pub async fn go_on(client: &TestClient, id: &str, code: Option<&str>) -> TestResponse {
    let mut body = json!({ "return": id });
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    client.post("/api/auth/sso/continue", body).await
}

/// Signs in to a tool under the parent domain.
pub async fn enter(client: &TestClient, slug: &str) {
    let id = start(client, &format!("service={slug}")).await;
    let answer = go_on(client, &id, None).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

/// An authenticator app.
pub struct Phone(Totp);

impl Phone {
    pub async fn enrol(app: &TestApp, client: &TestClient) -> Self {
        client.reauthenticate().await;
        let setup = client.post("/api/auth/totp/setup", json!({})).await.json();
        let secret = Secret::try_from_base32(setup["secret"].as_str().unwrap()).unwrap();
        let phone = Self(Builder::new().with_secret(secret).build().unwrap());
        let body = json!({ "code": phone.code(app) });
        let answer = client.post("/api/auth/totp/enable", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        app.advance(TimeDelta::seconds(30));
        phone
    }

    pub fn code(&self, app: &TestApp) -> String {
        self.code_at(app, TimeDelta::zero())
    }

    /// The code that it will show after that time.
    pub fn code_at(&self, app: &TestApp, later: TimeDelta) -> String {
        let seconds = u64::try_from((app.now() + later).timestamp()).unwrap();
        self.0.generate(seconds).to_string()
    }
}
