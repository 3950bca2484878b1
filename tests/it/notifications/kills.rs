//! The daemon is killed at random in the middle of many deliveries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::Told;
use crate::support::daemon::Daemon;

const EVENTS: usize = 10_000;

#[tokio::test]
#[expect(
    clippy::print_stdout,
    reason = "the seed of a failure, to have it again"
)]
async fn f58_ten_thousand_deliveries_survive_random_kills() {
    let seed = std::env::var("FLOWKEEP_RANDOM_SEED")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut random = StdRng::seed_from_u64(seed);
    let told = Told::start().await;
    told.rule(json!({ "event_type": "backup.failed", "conditions": { "max_per_minute": 0 } }))
        .await;
    told.app
        .execute(
            "INSERT INTO event_outbox (event_id, event_type, severity, data, occurred_at) \
             SELECT gen_random_uuid(), 'backup.failed', 'error', jsonb_build_object('id', n), NOW() FROM generate_series(1, 10000) n",
        )
        .await;
    // The clock of the application stands still in the past; that of the daemon goes.
    let started = Instant::now();
    let mut kills = 0;
    let mut daemon = Daemon::start(&told.app).await;
    loop {
        let now = told.receiver.came().len();
        let more = random.random_range(200..2_000);
        let reached = tokio::time::timeout(
            Duration::from_mins(1),
            told.receiver.wait_for((now + more).min(EVENTS)),
        );
        reached
            .await
            .unwrap_or_else(|_| panic!("seed {seed}: deliveries stopped\n{}", daemon.log()));
        if told.receiver.came().len() >= EVENTS * 9 / 10 {
            break;
        }
        daemon.kill().await;
        kills += 1;
        daemon = Daemon::start(&told.app).await;
    }
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let open: i64 = told
            .app
            .sql(
                "SELECT (SELECT COUNT(*) FROM event_outbox WHERE dispatched_at IS NULL AND event_type = 'backup.failed') + \
                 (SELECT COUNT(*) FROM notification_history WHERE status = 'pending')",
            )
            .await;
        if open == 0 {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "seed {seed}: {open} are left\n{}",
            daemon.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(daemon.stop().await.success());
    let mut ids: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    let came = told.receiver.came();
    for one in &came {
        let event = one.json()["data"]["event"]["id"].as_u64().unwrap();
        ids.entry(event)
            .or_default()
            .insert(one.header("webhook-id").to_owned());
    }
    assert_eq!(ids.len(), EVENTS, "seed {seed}: none is lost");
    assert!(
        ids.values().all(|of_one| of_one.len() == 1),
        "seed {seed}: a repetition carries the same id"
    );
    assert!(kills > 0, "seed {seed}");
    let sent: i64 = told
        .app
        .sql("SELECT COUNT(*) FROM notification_history WHERE status = 'sent'")
        .await;
    assert_eq!(usize::try_from(sent).unwrap(), EVENTS);
    println!(
        "{kills} kills, {} repetitions, {:?}, FLOWKEEP_RANDOM_SEED={seed}",
        came.len() - EVENTS,
        started.elapsed()
    );
}
