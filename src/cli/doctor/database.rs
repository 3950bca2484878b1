//! Flowkeep's own database, and what only it knows: whether the master key fits, and n8n.

use chrono::TimeDelta;

use super::place::Place;
use super::report::Report;
use super::{Patient, rest};
use crate::app::{AppState, Parts, bootstrap};
use crate::platform::db::DbFacts;
use crate::platform::postgres::server_words;

const NAME: &str = "database";
const KEY: &str = "master key";
const N8N: &str = "n8n";
const MAJORS: std::ops::RangeInclusive<u32> = 15..=18;

/// Returns how many places copies of backups go to, if that can be told.
pub async fn check(patient: &Patient, report: &mut Report) -> Option<usize> {
    let is_given = match patient.config.database.external_url() {
        Ok(url) => url.is_some(),
        Err(error) => {
            report.fail(
                NAME,
                error.to_string(),
                "correct the file, or take FLOWKEEP_DATABASE_URL_FILE out",
            );
            return None;
        }
    };
    // Nothing is made that is not there: a doctor that ran as another user would leave that user's files.
    if !is_given
        && !patient
            .config
            .data
            .data_dir
            .join("postgres/password")
            .exists()
    {
        report.warn(
            NAME,
            "the private PostgreSQL is not made yet",
            format!(
                "start the daemon, which makes it: {}",
                patient.place.start()
            ),
        );
        return None;
    }
    let has_key = patient.config.secrets.master_key().is_some() || patient.key_file().exists();
    if !has_key {
        report.warn(
            NAME,
            "not asked, since there is no master key yet",
            "start the daemon, or put the master key back",
        );
        return None;
    }
    let parts = match bootstrap(patient.config.clone()).await {
        Ok(parts) => parts,
        Err(error) => {
            report.fail(
                NAME,
                error.to_string(),
                "the daemon cannot start until this is so",
            );
            return None;
        }
    };
    let facts = reach(patient, &parts, report).await?;
    if !tables(&facts, report) {
        return None;
    }
    let state = AppState::new(parts);
    let destinations = inside(patient, &state, report).await;
    state.db.close().await;
    destinations
}

/// Asks the server. `None` if it does not answer.
async fn reach(patient: &Patient, parts: &Parts, report: &mut Report) -> Option<DbFacts> {
    let place = match &parts.embedded {
        Some(embedded) => format!("the private {}", embedded.version()),
        None => format!(
            "{} at {}",
            parts.own_database.database,
            parts.own_database.address()
        ),
    };
    let before = patient.clock.now();
    let facts = match parts.db.facts().await {
        Ok(facts) => facts,
        Err(_) if parts.embedded.is_some() && patient.daemon.is_none() => {
            report.warn(
                NAME,
                format!("{place} is stopped with the daemon: its tables, the master key and n8n are not looked at"),
                format!("start the daemon and look again: {}", patient.place.start()),
            );
            return None;
        }
        Err(error) => {
            report.fail(
                NAME,
                format!("{place} does not answer: {}", server_words(&error)),
                "start that server, and check host, port, user and password in DATABASE_URL",
            );
            return None;
        }
    };
    let skew = skew(before, facts.now, patient.clock.now());
    if skew > TimeDelta::seconds(2) {
        report.warn(
            NAME,
            format!(
                "its clock and this machine's are {} s apart",
                skew.num_seconds()
            ),
            "set both by the network: timedatectl set-ntp true",
        );
    }
    if facts.is_read_only {
        report.fail(
            NAME,
            format!("{place} takes no writes"),
            "give the primary server, or ALTER DATABASE … RESET default_transaction_read_only",
        );
    }
    if MAJORS.contains(&facts.major) {
        report.ok(
            NAME,
            format!("{place} answers: PostgreSQL {}", facts.version),
        );
    } else {
        report.fail(
            NAME,
            format!("{place} is PostgreSQL {}", facts.version),
            "use a server of version 15 to 18",
        );
    }
    if let Err(error) = patient.installations.client_for(facts.major) {
        report.fail(
            NAME,
            format!("its tables cannot be backed up: {error}"),
            patient.place.install(
                &format!("postgresql-client-{}", facts.major),
                "POSTGRES_CLIENTS",
            ),
        );
    }
    Some(facts)
}

/// How far a moment lies outside of two others.
fn skew(
    before: chrono::DateTime<chrono::Utc>,
    there: chrono::DateTime<chrono::Utc>,
    after: chrono::DateTime<chrono::Utc>,
) -> TimeDelta {
    (before - there).max(there - after).max(TimeDelta::zero())
}

/// Returns whether the tables are those of this program.
fn tables(facts: &DbFacts, report: &mut Report) -> bool {
    const TABLES: &str = "tables";
    if facts.unknown_migrations > 0 {
        report.fail(
            TABLES,
            format!("{} migrations are of a newer Flowkeep than {}", facts.unknown_migrations, env!("CARGO_PKG_VERSION")),
            "install the newer version again, or restore the backup that was made before the upgrade",
        );
        return false;
    }
    if facts.is_empty {
        report.warn(
            TABLES,
            "there are none yet",
            "start the daemon, which makes them; or: flowkeep migrate",
        );
        return false;
    }
    if facts.missing_migrations > 0 {
        report.fail(
            TABLES,
            format!("{} migrations are missing", facts.missing_migrations),
            "restart the daemon, which does them; or: flowkeep migrate",
        );
        return false;
    }
    report.ok(TABLES, "up to date");
    true
}

/// What the tables hold.
async fn inside(patient: &Patient, state: &AppState, report: &mut Report) -> Option<usize> {
    match state.settings.look().await {
        Ok(()) => report.ok(KEY, "opens this database's secrets"),
        Err(error) => {
            report.fail(
                KEY,
                error.to_string(),
                "put the right key back (FLOWKEEP_MASTER_KEY_FILE); the recovery kit holds a copy",
            );
            return None;
        }
    }
    n8n(state, patient.place, report).await;
    rest::check(state, patient.daemon.is_some(), report).await;
    state.destinations.count_enabled().await.ok()
}

async fn n8n(state: &AppState, place: Place, report: &mut Report) {
    match state.n8n.source() {
        Ok(Some(_)) => {}
        Ok(None) => {
            report.warn(
                N8N,
                "no connection is set, so nothing is backed up",
                "set it on the page n8n",
            );
            return;
        }
        Err(error) => {
            report.fail(
                N8N,
                error.to_string(),
                "set the connection again on the page n8n",
            );
            return;
        }
    }
    let tested = match state.n8n.test(None, None).await {
        Ok(tested) => tested,
        Err(error) => {
            report.fail(
                N8N,
                error.to_string(),
                "set the connection again on the page n8n",
            );
            return;
        }
    };
    for problem in &tested.problems {
        if problem.is_error {
            report.fail(N8N, problem.message.clone(), problem.remedy.clone());
        } else {
            report.warn(N8N, problem.message.clone(), problem.remedy.clone());
        }
    }
    let Some(facts) = &tested.facts else { return };
    let key = tested
        .key_check
        .as_ref()
        .map(|(_, words)| words.as_str())
        .unwrap_or_default();
    report.ok(
        N8N,
        format!(
            "{} on PostgreSQL {}, {} workflows. {key}",
            facts.n8n_version, facts.server_version, facts.workflow_count
        ),
    );
    if let Err(error) = state.installations.server_for(facts.server_major)
        && state.docker.version().await.is_err()
    {
        report.warn(
            N8N,
            format!("its backups cannot be proven: {error}, and there is no Docker"),
            place.install(
                &format!("postgresql-{}", facts.server_major),
                "POSTGRES_SERVERS",
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;

    #[test]
    fn a_clock_is_off_only_by_what_the_question_did_not_take() {
        let at = |seconds| chrono::DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(skew(at(10), at(12), at(15)), TimeDelta::zero());
        assert_eq!(skew(at(10), at(5), at(15)), TimeDelta::seconds(5));
        assert_eq!(skew(at(10), at(75), at(15)), TimeDelta::seconds(60));
    }

    #[test]
    fn a_database_of_a_newer_flowkeep_is_a_failure_and_an_empty_one_is_not() {
        let facts = |is_empty, missing, unknown| DbFacts {
            version: "16.4".to_owned(),
            major: 16,
            now: chrono::DateTime::from_timestamp(0, 0).unwrap(),
            is_read_only: false,
            is_empty,
            missing_migrations: missing,
            unknown_migrations: unknown,
        };
        for (facts, goes_on, level) in [
            (facts(false, 0, 0), true, Level::Ok),
            (facts(true, 9, 0), false, Level::Warn),
            (facts(false, 1, 0), false, Level::Fail),
            (facts(false, 0, 1), false, Level::Fail),
        ] {
            let mut report = Report::default();
            assert_eq!(tables(&facts, &mut report), goes_on);
            assert_eq!(report.level(), level);
        }
    }
}
