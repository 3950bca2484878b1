//! Two daemons on one database: one leads.

use std::time::Duration;

use flowkeep::platform::ids::Ids;
use flowkeep::platform::leader::{Ballot, Candidacy, Lead, LeaseTimes};
use sqlx::Connection;
use tokio_util::sync::CancellationToken;

use crate::backups::until;
use crate::support::app::TestApp;
use crate::support::daemon::{Daemon, command};
use crate::support::postgres::connect;

const SHORT: LeaseTimes = LeaseTimes {
    lease: Duration::from_millis(600),
    renewal: Duration::from_millis(100),
};

fn candidate(app: &TestApp, name: &str) -> Candidacy {
    Candidacy::new(
        app.state.db.clone(),
        app.database.to_sqlx(),
        Ids::system().uuid(),
        name,
        SHORT,
    )
}

async fn won(candidate: &Candidacy) -> Lead {
    until("the lead", || async {
        match candidate.ask().await.unwrap() {
            Ballot::Won(lead) => Some(lead),
            Ballot::Lost(_) => None,
        }
    })
    .await
}

async fn is_valid(app: &TestApp, term: flowkeep::platform::leader::Term) -> bool {
    let tx = app.state.db.begin().await.unwrap();
    term.fence(&tx).await.unwrap()
}

#[tokio::test]
async fn f48_one_leads_the_other_names_it_and_takes_over_when_it_ends() {
    let app = TestApp::start().await;
    let (first, second) = (candidate(&app, "first"), candidate(&app, "second"));
    let lead = won(&first).await;
    let Ballot::Lost(holder) = second.ask().await.unwrap() else {
        panic!("two lead");
    };
    assert_eq!(holder.unwrap().name, "first");
    let old = lead.term;
    // Its connection is gone as when the process dies.
    drop(lead);
    let lead = won(&second).await;
    assert_eq!(lead.term.epoch, old.epoch + 1);
    assert!(!is_valid(&app, old).await);
    assert!(is_valid(&app, lead.term).await);
}

#[tokio::test]
async fn f49_a_leader_that_stands_still_is_replaced_and_can_write_no_more() {
    let app = TestApp::start().await;
    let (first, second) = (candidate(&app, "first"), candidate(&app, "second"));
    // Never renewed, and its connection stays open: as a process that was stopped.
    let frozen = won(&first).await;
    assert!(is_valid(&app, frozen.term).await);
    let lead = won(&second).await;
    assert!(!is_valid(&app, frozen.term).await);
    // Awake again it learns that its time is over.
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    first.hold(frozen, &stop, &over).await;
    assert!(over.is_cancelled());
    assert!(is_valid(&app, lead.term).await);
}

#[tokio::test]
async fn f49_a_leader_whose_connection_is_cut_leads_on_by_its_lease() {
    let app = TestApp::start().await;
    let first = candidate(&app, "first");
    let lead = won(&first).await;
    let term = lead.term;
    let (stop, over) = (CancellationToken::new(), CancellationToken::new());
    let cut = async {
        let mut admin = connect(&app.database).await;
        sqlx::query(
            "SELECT pg_terminate_backend(l.pid) FROM pg_locks l WHERE l.locktype = 'advisory' \
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .execute(&mut admin)
        .await
        .unwrap();
        until("a renewal after the cut", || async {
            let sql =
                "SELECT expires_at > clock_timestamp() + interval '300 ms' FROM leader_leases";
            (app.sql::<bool>(sql).await && is_valid(&app, term).await).then_some(())
        })
        .await;
        admin.close().await.unwrap();
        stop.cancel();
    };
    tokio::join!(first.hold(lead, &stop, &over), cut);
    // It gave the lead back: another has it at once.
    assert!(!is_valid(&app, term).await);
}

#[tokio::test]
async fn f48_two_daemons_one_stands_by_and_takes_over_after_a_kill() {
    let app = TestApp::start().await;
    let first = Daemon::start(&app).await;
    let leads =
        |health: &serde_json::Value| health["parts"]["leader"]["detail"] == "this one leads";
    first.until_health(leads).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let key = app.data_dir.path().join("master.key");
    let second = Daemon::spawn(
        command(&app, &["serve"])
            .env("FLOWKEEP_DATA_DIR", elsewhere.path())
            .env("FLOWKEEP_MASTER_KEY_FILE", key),
    )
    .await;
    second
        .until_health(|health| {
            let detail = health["parts"]["leader"]["detail"].as_str();
            detail.is_some_and(|detail| detail.starts_with("stands by: "))
        })
        .await;
    // On the same folder there is no second one at all.
    let mut third = command(&app, &["serve"]);
    let output = tokio::task::spawn_blocking(move || third.output());
    let output = output.await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("in use by another Flowkeep"), "{said}");
    first.kill().await;
    second.until_health(leads).await;
    assert!(second.stop().await.success());
}
