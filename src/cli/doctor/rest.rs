//! What the tables say of the world outside: n8n's containers and its API, where copies go, how old the backups are, and
//! whether executions are watched.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::FromQueryResult;

use super::report::Report;
use crate::app::AppState;
use crate::features::backups::BackupType;
use crate::platform::db::statement;

const CONTAINERS: &str = "n8n's containers";
const API: &str = "n8n's API";
const COPIES: &str = "destinations";
const BACKUPS: &str = "backups";
const WATCHDOG: &str = "watchdog";
const TOOLS: &str = "single sign-on";
/// It looks every minute; an n8n that is away for a while is told elsewhere.
const LONGEST_LOOK: TimeDelta = TimeDelta::hours(1);

/// Each of them by itself, for one that fails does not hide the others.
pub async fn check(state: &AppState, is_running: bool, report: &mut Report) {
    containers(state, report).await;
    api(state, report).await;
    if let Err(error) = copies(state, report).await {
        unread(COPIES, &error, report);
    }
    backups(state, report).await;
    tools(state, report).await;
    if is_running && let Err(error) = watchdog(state, report).await {
        unread(WATCHDOG, &error, report);
    }
}

fn unread(check: &'static str, error: &impl std::fmt::Display, report: &mut Report) {
    report.warn(check, format!("cannot be told: {error}"), "look again");
}

/// Whether the names in the settings are those of containers.
async fn containers(state: &AppState, report: &mut Report) {
    let names = state.n8n.containers();
    let mut there = Vec::new();
    for name in &names {
        match state.docker.inspect(name).await {
            Ok(Some(_)) => there.push(name.as_str()),
            Ok(None) => report.warn(
                CONTAINERS,
                format!("the settings name {name}, and there is no such container: it is neither watched nor stopped for a restore, and n8n cannot be upgraded"),
                "correct n8n.containers on the page Settings",
            ),
            // Docker itself was looked at before.
            Err(_) => return,
        }
    }
    if !names.is_empty() && there.len() == names.len() {
        report.ok(CONTAINERS, there.join(", "));
    }
}

/// Whether n8n answers where the settings say, and knows the key.
async fn api(state: &AppState, report: &mut Report) {
    let Some(url) = state.n8n.api_url() else {
        return;
    };
    let fix = "correct n8n's address on the page n8n, and see that n8n runs";
    if let Some(problem) = state.n8n.health().await.and_then(|health| health.problem) {
        report.warn(API, format!("n8n at {url} is not well: {problem}"), fix);
        return;
    }
    match state.n8n.test_api(None, None).await {
        Err(error) => report.warn(
            API,
            format!("{error}"),
            "give address and API key again on the page n8n",
        ),
        Ok(tested) => match tested.trouble {
            Some(trouble) => report.warn(
                API,
                format!("{trouble}"),
                "give address and API key again on the page n8n",
            ),
            None if !tested.missing_scopes.is_empty() => report.warn(
                API,
                format!("the key lacks {}", tested.missing_scopes.join(", ")),
                "make a key in n8n that has these scopes, under Settings, n8n API",
            ),
            None => report.ok(API, format!("{url} answers and knows the key")),
        },
    }
}

/// Whether a login can reach each tool that is let through to.
async fn tools(state: &AppState, report: &mut Report) {
    if let Err(error) = state.sso.load().await {
        unread(TOOLS, &error, report);
        return;
    }
    let tools = state.sso.list();
    let mut fine = 0;
    for tool in tools.iter().filter(|tool| tool.row.is_enabled) {
        let Some(trouble) = &tool.trouble else {
            fine += 1;
            continue;
        };
        report.warn(
            TOOLS,
            format!("no login reaches {}: {trouble}", tool.row.name),
            "correct where it is on the page Single sign-on, or switch it off there",
        );
    }
    if fine > 0 {
        report.ok(TOOLS, format!("tools that a login reaches: {fine}"));
    }
}

#[derive(FromQueryResult)]
struct Destination {
    name: String,
    last_checked_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
    overdue: i64,
}

/// As the daemon found them last: to ask them all could take minutes.
async fn copies(state: &AppState, report: &mut Report) -> Result<(), sea_orm::DbErr> {
    let sql = "SELECT d.name, d.last_checked_at, d.last_error, \
               (SELECT count(*) FROM backup_copies c WHERE c.destination_id = d.id AND c.status = 'queued' \
                AND c.error IS NOT NULL) AS overdue \
               FROM backup_destinations d WHERE d.is_enabled ORDER BY d.name";
    let all = Destination::find_by_statement(statement(sql, Vec::new()))
        .all(state.db.orm())
        .await?;
    for one in &all {
        let fix = "look at it on the page Destinations, which says what to do, and test it there";
        if let Some(error) = &one.last_error {
            report.warn(COPIES, format!("{}: {error}", one.name), fix);
        } else if one.overdue > 0 {
            let found = format!(
                "{}: {} backups are not copied there yet",
                one.name, one.overdue
            );
            report.warn(COPIES, found, fix);
        } else if one.last_checked_at.is_none() {
            report.warn(COPIES, format!("{} was never looked at", one.name), fix);
        } else {
            report.ok(COPIES, format!("{} could be written last", one.name));
        }
    }
    Ok(())
}

/// How old the newest are that help.
async fn backups(state: &AppState, report: &mut Report) {
    if !matches!(state.n8n.source(), Ok(Some(_))) {
        return;
    }
    let kind = BackupType::PostgresN8n;
    let found = async {
        let good = state.backups.newest_good(Some(kind.as_str())).await?;
        Ok::<_, crate::features::backups::BackupError>((
            good,
            state.backups.newest_proven(kind).await?,
        ))
    };
    let (good, proven) = match found.await {
        Ok((good, proven)) => (
            good.map(|one| one.started_at),
            proven.map(|one| one.started_at),
        ),
        Err(error) => return unread(BACKUPS, &error, report),
    };
    judge_backups(good, proven, state.clock.now(), report);
    match state.schedules.stale().await {
        Ok(stale) => {
            for one in stale {
                report.warn(
                    BACKUPS,
                    format!(
                        "no proven {} is younger than {} h, which its schedules promise",
                        one.backup_type.as_str(),
                        one.promised_hours
                    ),
                    "look at the page Backups for what failed, and prove the newest there",
                );
            }
        }
        Err(error) => unread(BACKUPS, &error, report),
    }
}

fn age(from: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (now - from).num_hours() {
        ..=0 => "less than an hour old".to_owned(),
        hours @ 1..48 => format!("{hours} h old"),
        hours => format!("{} days old", hours / 24),
    }
}

fn judge_backups(
    good: Option<DateTime<Utc>>,
    proven: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    report: &mut Report,
) {
    match (good, proven) {
        (None, _) => report.warn(
            BACKUPS,
            "there is no good backup of n8n",
            "make one on the page Backups, and a schedule for the next ones",
        ),
        (Some(good), None) => report.warn(
            BACKUPS,
            format!(
                "the newest of n8n is {}, and none was ever proven",
                age(good, now)
            ),
            "prove the newest on its page",
        ),
        (Some(good), Some(proven)) => report.ok(
            BACKUPS,
            format!(
                "the newest of n8n is {}, the newest proven one {}",
                age(good, now),
                age(proven, now)
            ),
        ),
    }
}

#[derive(FromQueryResult)]
struct Look {
    looked_at: DateTime<Utc>,
}

async fn watchdog(state: &AppState, report: &mut Report) -> Result<(), sea_orm::DbErr> {
    let sql = "SELECT looked_at FROM watchdog_state";
    let look = Look::find_by_statement(statement(sql, Vec::new()))
        .one(state.db.orm())
        .await?;
    if let Some(look) = look {
        judge_look(look.looked_at, state.clock.now(), report);
    }
    Ok(())
}

fn judge_look(looked_at: DateTime<Utc>, now: DateTime<Utc>, report: &mut Report) {
    if now - looked_at > LONGEST_LOOK {
        report.warn(
            WATCHDOG,
            format!(
                "n8n's executions were looked at last on {}",
                looked_at.format("%Y-%m-%d at %H:%M UTC")
            ),
            "see that n8n's database answers (page n8n); the daemon's log says more",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;

    #[test]
    fn backups_are_well_only_if_one_was_proven() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let ago = |hours| Some(now - TimeDelta::hours(hours));
        for (good, proven, level, words) in [
            (None, None, Level::Warn, "no good backup"),
            (ago(3), None, Level::Warn, "none was ever proven"),
            (
                ago(0),
                ago(80),
                Level::Ok,
                "less than an hour old, the newest proven one 3 days old",
            ),
            (ago(47), ago(47), Level::Ok, "47 h old"),
        ] {
            let mut report = Report::default();
            judge_backups(good, proven, now, &mut report);
            let text = report.to_text();
            assert!(report.level() == level && text.contains(words), "{text}");
        }
    }

    #[test]
    fn executions_that_nobody_looks_at_any_more_are_told() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        for (minutes, level) in [(59, Level::Ok), (61, Level::Warn)] {
            let mut report = Report::default();
            judge_look(now - TimeDelta::minutes(minutes), now, &mut report);
            assert_eq!(report.level(), level);
        }
    }
}
