//! What must not break the watch over n8n's executions, or make it tell what is not so.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Run, Watch};
use crate::flows;
use crate::support::postgres::url_of;

#[tokio::test]
async fn a_run_that_n8n_deletes_at_its_end_makes_nothing_count_twice() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    for _ in 0..2 {
        let run = watch.run(&id, "error");
        watch.add(run).await;
    }
    // n8n writes a run down when it begins, and deletes it when it ends well and is not kept.
    let other = watch.id_of("Call with a credential").await;
    let running = watch
        .add(Run {
            stopped: None,
            ..watch.run(&other, "running")
        })
        .await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 2);
    watch
        .change(format!("DELETE FROM execution_entity WHERE id = {running}"))
        .await;
    for _ in 0..3 {
        watch.pass(1);
        watch.look().await;
        assert_eq!(watch.incident().await["count"], 2);
    }
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 3, "later ones are read");
    assert_eq!(watch.events().await, ["workflow.failing"]);
    // Also when it failed long ago what is gone now.
    watch
        .change("DELETE FROM execution_entity WHERE status = 'error'".to_owned())
        .await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 3);
}

#[tokio::test]
async fn a_run_that_is_committed_after_later_ones_is_not_overlooked_and_counts_once() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let late: i64 =
        sqlx::query_scalar("SELECT nextval(pg_get_serial_sequence('execution_entity', 'id'))")
            .fetch_one(&mut watch.n8n)
            .await
            .unwrap();
    let other = watch.id_of("Call with a credential").await;
    let run = watch.run(&other, "success");
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
    watch.pass(1);
    let run = watch.run(&id, "error");
    let written = watch.add(run).await;
    watch
        .change(format!(
            "DELETE FROM execution_data WHERE \"executionId\" = {written}; \
             UPDATE execution_entity SET id = {late} WHERE id = {written}"
        ))
        .await;
    for _ in 0..4 {
        watch.look().await;
        watch.pass(1);
        assert_eq!(watch.incident().await["count"], 1);
    }
    assert_eq!(watch.events().await, ["workflow.failing"]);
}

#[tokio::test]
async fn when_n8ns_database_cannot_be_read_it_is_said_at_once_told_after_minutes_and_ends() {
    let mut watch = Watch::begin().await;
    let good = url_of(&watch.story.source);
    let mut wrong = watch.story.source.clone();
    wrong.user = format!("nobody_{}", wrong.database);
    watch.connect_to(&url_of(&wrong)).await;
    watch.cannot_look().await;
    let found = watch.watchdog().await;
    let problem = found["trouble"]["problem"].as_str().unwrap();
    assert!(problem.starts_with("n8n's database at "), "{problem}");
    assert_eq!(found["is_stale"], false, "it was read a moment ago");
    // Flowkeep does not run for a day: nobody looked, so nothing failed.
    watch.pass(60 * 24);
    watch.story.client.login().await;
    for minute in 0..8 {
        watch.cannot_look().await;
        assert_eq!(watch.all_events().await.len(), usize::from(minute >= 5));
        watch.pass(1);
    }
    let found = watch.watchdog().await;
    assert_eq!(found["is_stale"], true, "{found}");
    assert_eq!(watch.all_events().await, ["n8n.unwatched"]);
    watch.connect_to(&good).await;
    watch.look().await;
    watch.look().await;
    let found = watch.watchdog().await;
    assert_eq!(
        (&found["is_stale"], &found["trouble"]),
        (&json!(false), &Value::Null)
    );
    assert_eq!(watch.all_events().await, ["n8n.unwatched", "n8n.watched"]);
}

#[tokio::test]
async fn without_a_connection_nothing_stays_open_and_nothing_is_said_to_be_well() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    let answer = watch.story.client.delete("/api/n8n/connection").await;
    assert!(answer.status.is_success(), "{}", answer.text());
    watch.look().await;
    watch.look().await;
    let found = watch.watchdog().await;
    assert_eq!(
        (&found["open"], &found["looked_at"]),
        (&json!([]), &Value::Null)
    );
    assert_eq!(found["watched"], json!([]));
    assert_eq!(
        watch.events().await,
        ["workflow.failing", "workflow.recovered"]
    );
    let told = watch.told().await[1].1.clone();
    assert_eq!(told["workflow"], "Greeting by webhook");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("no longer connected"),
        "{told}"
    );
    let resolved = flows::get(&watch.story, "/api/watchdog/incidents").await;
    assert_eq!(resolved["items"][0]["resolution"], "unwatched");
    // Connected again, it goes on where it was.
    watch.connect_to(&url_of(&watch.story.source)).await;
    watch.look().await;
    watch.nothing_is_open().await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 1);
}

#[tokio::test]
async fn the_same_database_at_another_address_is_the_same_n8n() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch.look().await;
    watch
        .story
        .app
        .execute("UPDATE watchdog_state SET source = 'another-name:5432/n8n'")
        .await;
    watch.look().await;
    assert_eq!(watch.incident().await["count"], 1);
    assert_eq!(watch.events().await, ["workflow.failing"]);
}

#[tokio::test]
async fn a_page_does_not_wait_for_a_look_that_waits_for_n8ns_database() {
    let mut watch = Watch::begin().await;
    watch
        .change("BEGIN; LOCK TABLE execution_entity IN ACCESS EXCLUSIVE MODE".to_owned())
        .await;
    let service = watch.story.app.state.watchdog.clone();
    let look = service.look();
    let mut look = std::pin::pin!(look);
    let waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'execution_entity'::regclass)";
    loop {
        tokio::select! {
            looked = &mut look => panic!("{looked:?}"),
            waits = sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut watch.n8n) => {
                if waits.unwrap() {
                    break;
                }
            }
        }
    }
    // The look stands still from here on, and holds what it remembers.
    let found = watch.watchdog().await;
    assert_eq!(found["open"], json!([]));
    assert!(!found["watched"].as_array().unwrap().is_empty());
    watch.change("ROLLBACK".to_owned()).await;
    // It may have been given up meanwhile.
    let _ = look.await;
}

#[tokio::test]
async fn when_n8n_does_not_say_why_runs_failed_they_are_told_all_the_same_and_asked_for_again() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    watch
        .change("ALTER TABLE execution_data RENAME TO execution_data_away".to_owned())
        .await;
    watch.look().await;
    let incident = watch.incident().await;
    assert_eq!(
        (&incident["last_error"], &incident["is_told"]),
        (&Value::Null, &json!(true))
    );
    watch
        .change("ALTER TABLE execution_data_away RENAME TO execution_data".to_owned())
        .await;
    watch.pass(1);
    watch.look().await;
    let error = watch.incident().await["last_error"].clone();
    assert_eq!(error, "connect ECONNREFUSED 10.0.0.5:443");
    // What is known is not read again.
    watch
        .change("UPDATE execution_data SET data = '[{\"resultData\":\"1\"},{\"lastNodeExecuted\":\"2\"},\"Other\"]'".to_owned())
        .await;
    watch.look().await;
    assert_eq!(watch.incident().await["last_error"], error);
    // A success and a failure before it at one look: the incident ends with both.
    watch.pass(1);
    let run = watch.run(&id, "error");
    let last = watch.add(run).await;
    watch.pass(1);
    let run = watch.run(&id, "success");
    watch.add(run).await;
    watch.look().await;
    watch.nothing_is_open().await;
    let resolved = flows::get(&watch.story, "/api/watchdog/incidents").await;
    assert_eq!(
        (
            &resolved["items"][0]["count"],
            &resolved["items"][0]["last_execution_id"]
        ),
        (&json!(2), &json!(last))
    );
}

#[tokio::test]
async fn a_workflow_that_is_switched_off_ends_its_failures_but_one_that_others_call_does_not() {
    let mut watch = Watch::begin().await;
    let id = watch.id_of("Greeting by webhook").await;
    let called = watch.id_of("Order intake").await;
    let run = watch.run(&id, "error");
    watch.add(run).await;
    let run = Run {
        mode: "integrated",
        ..watch.run(&called, "error")
    };
    watch.add(run).await;
    watch.look().await;
    assert_eq!(
        watch.events().await,
        ["workflow.failing", "workflow.failing"]
    );
    watch
        .change(format!(
            "UPDATE workflow_entity SET active = FALSE WHERE id = '{id}'"
        ))
        .await;
    watch.look().await;
    watch.look().await;
    assert_eq!(watch.incident().await["workflow_id"], called.as_str());
    let told = watch.told().await;
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[2].0, "workflow.recovered");
    assert_eq!(told[2].1["message"], "It was switched off, or is gone.");
}

#[tokio::test]
async fn a_workflow_that_gets_another_time_zone_has_missed_nothing_by_its_new_clock() {
    let mut watch = Watch::begin().await;
    let since = watch.now() - TimeDelta::days(3);
    let daily = json!({ "triggerAtHour": 14, "triggerAtMinute": 0 });
    let id = watch
        .schedule("Nightly clean-up", daily, "America/New_York", since)
        .await;
    // 14:00 in New York is 19:00 UTC; it ran yesterday.
    let yesterday = "2026-11-21T19:00:03Z".parse().unwrap();
    let run = Run {
        mode: "trigger",
        started: yesterday,
        stopped: Some(yesterday),
        ..watch.run(&id, "success")
    };
    watch.add(run).await;
    watch.pass(120);
    watch.look().await;
    // At 14:00 UTC it is given Berlin's clock, on which 14:00 was an hour ago.
    watch
        .change(format!(
            "UPDATE workflow_entity SET settings = '{{\"timezone\":\"Europe/Berlin\"}}' WHERE id = '{id}'"
        ))
        .await;
    for _ in 0..2 {
        watch.look().await;
        watch.nothing_is_open().await;
        watch.pass(30);
    }
    watch.pass(60 * 23 + 7);
    watch.story.client.login().await;
    watch.look().await;
    assert_eq!(
        watch.incident().await["first_seen_at"],
        "2026-11-23T13:00:00Z"
    );
}
