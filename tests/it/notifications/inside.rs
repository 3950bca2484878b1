//! Ways into the network around, through services that somebody keeps.

use http::StatusCode;
use serde_json::{Value, json};

use super::allow_private;
use crate::outbound::HOSTILE;
use crate::support::app::{TestApp, TestClient};
use crate::support::receiver::{Receiver, status};

/// Keeps a service and tests it; or what its form said.
async fn tried(client: &TestClient, service_type: &str, config: Value) -> Result<Value, Value> {
    let draft = json!({ "name": "x", "service_type": service_type, "config": config });
    let made = client.post("/api/notifications/services", draft).await;
    if made.status != StatusCode::CREATED {
        assert_eq!(made.status, StatusCode::UNPROCESSABLE_ENTITY, "{made:?}");
        return Err(made.json());
    }
    let path = format!("/api/notifications/services/{}", made.json()["id"]);
    let tested = client.post(&format!("{path}/test"), json!({})).await.json();
    client.delete(&path).await;
    Ok(tested)
}

#[tokio::test]
async fn ssrf_no_hostile_address_is_asked_through_a_service_that_is_kept() {
    let (_app, client) = TestApp::with_admin().await;
    // A login in front of a good host is taken out of the address before it is asked.
    let hostile = HOSTILE.iter().filter(|url| !url.contains("@good"));
    for url in hostile {
        let generic = url
            .replacen("https://", "jsons://", 1)
            .replacen("http://", "json://", 1);
        for (kind, url) in [("webhook", (*url).to_owned()), ("apprise", generic)] {
            let Ok(tested) = tried(&client, kind, json!({ "url": url })).await else {
                continue;
            };
            assert_eq!(tested["is_delivered"], false, "{url}");
            let why = tested["error"].as_str().unwrap();
            let is_refused = ["never asked", "private address", "not allowed in a URL"]
                .iter()
                .any(|words| why.contains(words));
            assert!(is_refused, "{url}: {why}");
        }
    }
}

#[tokio::test]
async fn ssrf_no_redirect_of_a_service_is_followed_wherever_it_leads() {
    let (_app, client) = TestApp::with_admin().await;
    allow_private(&client).await;
    let inside = Receiver::start().await;
    for code in [301, 302, 303, 307, 308] {
        for place in [
            format!("{}/secret", inside.url),
            "http://169.254.169.254/latest".to_owned(),
            "file:///etc/passwd".to_owned(),
            "gopher://127.0.0.1:6379/_FLUSHALL".to_owned(),
        ] {
            let outside = Receiver::answering(move |_, _| {
                let mut redirect = status(code);
                redirect
                    .headers_mut()
                    .insert("location", place.parse().unwrap());
                redirect
            })
            .await;
            let json = outside.url.replacen("http://", "json://", 1);
            for (kind, url) in [("webhook", outside.url.clone()), ("apprise", json)] {
                let tested = tried(&client, kind, json!({ "url": url })).await.unwrap();
                let why = tested["error"].as_str().unwrap();
                assert!(why.contains("a redirect"), "{code}: {why}");
            }
            assert_eq!(outside.came().len(), 2);
        }
    }
    assert!(inside.came().is_empty());
}
