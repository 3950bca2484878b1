//! What happens is told: each event is in the outbox once its cause is there, and never without it.

use flowkeep::features::settings::Key;
use http::StatusCode;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::backups::{Story, until};
use crate::support::app::{PASSWORD, TestApp, USERNAME};
use crate::support::postgres::server_majors;

async fn story() -> Story {
    Story::begin(*server_majors().await.first().unwrap()).await
}

/// Lets the worker of proofs work until `look` gives something.
async fn working<T>(story: &Story, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let stop = CancellationToken::new();
    let found = tokio::select! {
        () = story.app.state.verifications.work(stop.clone()) => unreachable!("nobody stops it"),
        found = until(what, || look()) => found,
    };
    stop.cancel();
    found
}

#[tokio::test]
async fn a_backup_its_proof_and_its_deletion_are_told_with_the_type() {
    let story = story().await;
    let id = story.ask().await;
    let backup = story.ended(id).await;
    assert_eq!(backup["status"], "success", "{backup}");
    let passed = working(&story, "a proof", async || {
        story.app.told("verification.passed").await.pop()
    })
    .await;
    assert_eq!(
        (
            &passed["backup_id"],
            &passed["backup_type"],
            &passed["code"]
        ),
        (&json!(id), &json!("postgres_n8n"), &json!("ok")),
        "{passed}"
    );
    story.client.reauthenticate().await;
    let path = format!("/api/backups/{id}?confirm=last_good");
    assert_eq!(story.client.delete(&path).await.status, 204);
    let told = [
        "backup.started",
        "backup.success",
        "verification.started",
        "verification.passed",
        "management.backup_deleted",
    ];
    for event_type in told {
        let told = story.app.told(event_type).await;
        assert_eq!(told.len(), 1, "{event_type}: {told:?}");
        assert_eq!(told[0]["backup_type"], "postgres_n8n", "{event_type}");
    }
    let events = story.app.events().await;
    let about: Vec<_> = events
        .iter()
        .filter(|event| told.contains(&event.as_str()))
        .collect();
    assert_eq!(about, told, "in the order in which they happened");
}

#[tokio::test]
async fn each_sign_in_that_fails_is_told_and_so_is_the_lock() {
    let app = TestApp::start().await;
    app.setup_admin().await;
    let client = app.client().at("203.0.113.9");
    let most = app.state.settings.integer(Key::LockoutThreshold);
    for _ in 0..most {
        client.try_login(USERNAME, "wrong password").await;
    }
    let failed = app.told("security.login_failed").await;
    assert_eq!(i64::try_from(failed.len()).unwrap(), most, "{failed:?}");
    assert_eq!(
        (&failed[0]["username"], &failed[0]["ip_address"]),
        (&json!(USERNAME), &json!("203.0.113.9"))
    );
    assert_eq!(app.told("security.account_locked").await.len(), 1);
    assert_eq!(
        client.try_login(USERNAME, PASSWORD).await.status,
        StatusCode::LOCKED
    );
    assert!(app.told("security.login_success").await.is_empty());
}

#[tokio::test]
async fn a_proof_that_was_cut_off_twice_ends_with_its_audit_line_and_event_or_not_at_all() {
    let story = story().await;
    let id = story.ask().await;
    story.ended(id).await;
    story
        .app
        .execute(
            "INSERT INTO verification_runs (backup_id, status, trigger, engine, queued_at, started_at, epoch) \
             SELECT id, 'running', 'manual', 'local', now(), now(), 2 FROM backup_history",
        )
        .await;
    let ended = async || {
        let sql = "SELECT count(*) FROM verification_runs WHERE status = 'could_not_verify'";
        (story.app.sql::<i64>(sql).await == 1).then_some(())
    };
    let audited = async || {
        let actions = story.app.audit_actions().await;
        actions.contains(&"verification.finished".to_owned())
    };
    story.app.refuse_event("verification.failed").await;
    // A number that the outbox gave to an event that it refused is given to no other.
    let number = async || {
        let sql = "SELECT last_value FROM event_outbox_id_seq";
        story.app.sql::<i64>(sql).await
    };
    let before = number().await;
    working(&story, "an attempt to tell it", async || {
        (number().await > before).then_some(())
    })
    .await;
    assert!(ended().await.is_none() && !audited().await);

    story.app.accept_events().await;
    working(&story, "the end of the proof", ended).await;
    let told = story.app.told("verification.failed").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (
            &told[0]["status"],
            &told[0]["code"],
            &told[0]["backup_type"]
        ),
        (
            &json!("could_not_verify"),
            &json!("interrupted"),
            &json!("postgres_n8n")
        )
    );
    assert!(audited().await);
}

#[tokio::test]
async fn every_change_of_how_flowkeep_works_is_told() {
    let story = story().await;
    let (app, client) = (&story.app, &story.client);
    client.reauthenticate().await;
    let last = async || {
        let told = app.told("management.settings_changed").await;
        let last: Value = told.last().unwrap()["settings"].clone();
        (told.len(), last)
    };
    let (mut count, _) = last().await;
    let mut changed = async |what: &str| {
        count += 1;
        assert_eq!(last().await, (count, json!([what])));
    };
    let subnets = "/api/auth/subnets";
    let made = client.post(subnets, json!({ "cidr": "127.0.0.0/8" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    changed("allowed_subnets").await;
    let one = format!("{subnets}/{}", made.json()["id"]);
    let answer = client.put(&one, json!({ "enabled": false })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    changed("allowed_subnets").await;
    assert_eq!(client.delete(&one).await.status, StatusCode::NO_CONTENT);
    changed("allowed_subnets").await;
    app.state.auth.clear_subnets().await.unwrap();
    changed("allowed_subnets").await;

    let place = tempfile::tempdir().unwrap();
    let destinations = "/api/backups/destinations";
    let body = json!({ "name": "NAS", "path": place.path() });
    let made = client.post(destinations, body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    changed("destinations").await;
    let one = format!("{destinations}/{}", made.json()["items"][0]["id"]);
    let answer = client.put(&one, json!({ "enabled": false })).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    changed("destinations").await;
    assert!(client.delete(&one).await.status.is_success());
    changed("destinations").await;

    let rotate = "/api/settings/encryption/rotate";
    let answer = client.post(rotate, json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    changed("encryption_keys").await;
}
