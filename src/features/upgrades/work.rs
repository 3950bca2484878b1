//! The way forward: a proven backup, the image, n8n stopped, a backup of that moment, new containers.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Row};

use super::error::{Trouble, UpgradeError};
use super::service::{Job, UpgradeService};
use super::store::{self, Former, Run};
use crate::features::backups::{BackupType, RunRequest, Trigger};
use crate::features::n8n::{N8nError, N8nService, has_table};
use crate::features::restores::until_disconnected;
use crate::features::verification::VerificationError;
use crate::platform::docker::{DockerError, aside, successor};

/// A new image is some hundred megabytes.
const PULL_LIMIT: Duration = Duration::from_mins(30);
/// On each container that was made here: which upgrade's it is.
pub(super) const LABEL: &str = "io.flowkeep.upgrade";

impl UpgradeService {
    pub(super) async fn remark(&self, job: &Job, words: &str) -> Result<(), Trouble> {
        let noted = store::remark(self.parts.db.orm(), job.id, words).await;
        noted.map_err(|error| Trouble::own(&error))
    }

    pub(super) async fn row(&self, id: i32) -> Result<Run, Trouble> {
        self.get(id)
            .await
            .map_err(|error| Trouble::new("database", error.to_string(), "Look at /api/health."))
    }

    /// From the first step to the last. False when there is nothing newer.
    pub(super) async fn forward(&self, job: &Job) -> Result<bool, Trouble> {
        self.enter(job, "pulling").await?;
        let formers = self.row(job.id).await?.formers();
        let (image_id, unfetched) = self.pull(job).await?;
        let is_newest = |former: &Former| !former.is_replaced || former.image_id == image_id;
        if formers.iter().all(is_newest) {
            let Some(error) = unfetched else {
                return Ok(false);
            };
            return Err(Trouble::new(
                "registry_unreachable",
                format!(
                    "n8n runs from the {} that is here, and no registry says whether there is a newer one: {error}.",
                    job.image
                ),
                "Check that this machine reaches the registry, then try again.",
            ));
        }
        self.prove(job).await?;
        self.clear_old(true).await.map_err(|error| {
            Trouble::new(
                "kept_containers",
                format!("The containers that the upgrade before kept cannot be removed: {error}."),
                "Remove them by hand.",
            )
        })?;
        self.enter(job, "stopping").await?;
        let names: Vec<String> = running(&formers);
        self.stop(&names).await?;
        let stopped = self.states(&formers).await?;
        self.enter(job, "saving").await?;
        let saved = self.back_up(job).await?;
        let migrations = migrations(&self.parts.n8n).await.map_err(|error| {
            Trouble::new("n8n_database", error.to_string(), "Look at n8n's database.")
        })?;
        let db = self.parts.db.orm();
        store::note_backups(db, job.id, None, Some(saved), migrations)
            .await
            .map_err(|error| Trouble::own(&error))?;
        self.enter(job, "replacing").await?;
        // The backup is of this moment only if nobody wrote since.
        self.stop(&[]).await?;
        if self.states(&formers).await? != stopped {
            return Err(Trouble::new(
                "n8n_was_started",
                "n8n was started while its database was saved, and what it did since is not in that backup. Nothing was replaced.",
                "Leave n8n alone until it is upgraded, and begin again.",
            ));
        }
        for former in formers.iter().filter(|former| former.is_replaced) {
            self.still(job).await?;
            self.replace(job, former, &image_id).await?;
        }
        // Those beside, a runner maybe, were only stopped.
        self.still(job).await?;
        for former in &formers {
            if former.was_running {
                let started = self.parts.docker.start_container(&former.name).await;
                let what = format!("{} does not start", former.name);
                started.map_err(|error| Trouble::docker(&what, &error))?;
            }
        }
        self.await_all(job).await
    }

    /// Waits for every container that ran before.
    pub(super) async fn await_all(&self, job: &Job) -> Result<bool, Trouble> {
        self.enter(job, "waiting").await?;
        let mut said = Vec::new();
        for (at, former) in self.row(job.id).await?.formers().iter().enumerate() {
            if former.was_running {
                said.push(self.wait_ready(&former.name, at == 0).await?);
            }
        }
        self.remark(job, &said.join(" ")).await?;
        Ok(true)
    }

    /// A backup that was restored on trial, or nothing happens.
    async fn prove(&self, job: &Job) -> Result<(), Trouble> {
        self.enter(job, "backing_up").await?;
        let backup = self.back_up(job).await?;
        let noted =
            store::note_backups(self.parts.db.orm(), job.id, Some(backup), None, None).await;
        noted.map_err(|error| Trouble::own(&error))?;
        self.enter(job, "proving").await?;
        let stop = self.parts.lifecycle.soft();
        let proven = self
            .parts
            .verifications
            .prove_now(&job.actor, backup, stop)
            .await;
        match proven {
            Ok(Ok(())) => {
                self.remark(job, &format!("Backup {backup} restores."))
                    .await
            }
            Ok(Err(why)) => Err(Trouble::new(
                "not_proven",
                format!("Backup {backup} could not be proven, so nothing was changed: {why}"),
                "Look at the proof under Proofs, then try again.",
            )),
            Err(VerificationError::Stopped) => Err(Trouble::interrupted("Begin again.")),
            Err(error) => Err(Trouble::new(
                "not_proven",
                format!("Backup {backup} could not be proven: {error}."),
                "Look at the proof under Proofs, then try again.",
            )),
        }
    }

    async fn back_up(&self, job: &Job) -> Result<i32, Trouble> {
        let request = RunRequest {
            backup_type: BackupType::PostgresN8n,
            compression: None,
            trigger: Trigger::Safety,
            scheduled: None,
        };
        let failed = |why: String| {
            Trouble::new(
                "backup_failed",
                format!("The backup before failed: {why}"),
                "Make a backup that succeeds first.",
            )
        };
        let made = self.parts.backups.run_now(&job.actor, request).await;
        let (id, outcome) = made.map_err(|error| failed(error.to_string()))?;
        outcome.map_err(failed)?;
        Ok(id)
    }

    /// Whether each container runs, and since when or till when.
    async fn states(
        &self,
        formers: &[Former],
    ) -> Result<Vec<Option<(bool, Option<String>)>>, Trouble> {
        let mut states = Vec::with_capacity(formers.len());
        for former in formers {
            let found = self.parts.docker.inspect(&former.id).await;
            let what = format!("{} cannot be looked at", former.name);
            let found = found.map_err(|error| Trouble::docker(&what, &error))?;
            let state = found.map(|found| found.state.unwrap_or_default());
            states.push(state.map(|state| (state.running.unwrap_or(false), state.started_at)));
        }
        Ok(states)
    }

    /// Fetches the image. One that is here and that no registry has is used as it is. Returns its id, and why it was not
    /// fetched.
    async fn pull(&self, job: &Job) -> Result<(String, Option<DockerError>), Trouble> {
        let docker = &self.parts.docker;
        let pulled = docker.pull(&job.image, PULL_LIMIT).await;
        let found = docker.image(&job.image).await;
        let what = format!("The image {} cannot be had", job.image);
        let found = found.map_err(|error| Trouble::docker(&what, &error))?;
        match (pulled, found) {
            (Ok(()), Some(image)) => Ok((image.id.unwrap_or_default(), None)),
            (Err(error), Some(image)) => {
                let words = format!("Not fetched ({error}); the one that is here is used.");
                self.remark(job, &words).await?;
                Ok((image.id.unwrap_or_default(), Some(error)))
            }
            (Err(error), None) => Err(Trouble::new(
                "image_not_found",
                format!("{what}: {error}."),
                "Check the tag, and that this machine reaches the registry.",
            )),
            (Ok(()), None) => Err(Trouble::new(
                "image_not_found",
                format!("{what}: it is not there after it was fetched."),
                "Look at the Docker engine's log.",
            )),
        }
    }

    /// Stops n8n and waits until nobody is connected to its database any more.
    pub(super) async fn stop(&self, names: &[String]) -> Result<(), Trouble> {
        let unable = |why: String| {
            Trouble::new(
                "n8n_does_not_stop",
                why,
                "Stop n8n by hand, then try again.",
            )
        };
        let stopped = self.parts.n8n.stop_containers(names).await;
        stopped.map_err(|error| unable(format!("{error}.")))?;
        let source = self.parts.n8n.source().ok().flatten();
        let source = source.ok_or_else(|| unable("n8n's database is not set up.".to_owned()))?;
        let free = until_disconnected(&source.conninfo, &source.conninfo.database).await;
        free.map_err(|error| unable(format!("{error}.")))
    }

    /// Puts the former container aside and makes a new one in its place.
    async fn replace(&self, job: &Job, former: &Former, image_id: &str) -> Result<(), Trouble> {
        let made = self.replace_one(job, former, image_id).await;
        made.map_err(|error| {
            let what = format!("{} cannot be made anew", former.name);
            Trouble::docker(&what, &error)
        })
    }

    async fn replace_one(
        &self,
        job: &Job,
        former: &Former,
        image_id: &str,
    ) -> Result<(), DockerError> {
        let docker = &self.parts.docker;
        let gone = || DockerError::NotFound(format!("{} is gone", former.name));
        let old = docker.inspect(&former.id).await?.ok_or_else(gone)?;
        let image = docker.image(&former.image_id).await?.unwrap_or_default();
        let next = successor(
            &old,
            &image,
            &job.image,
            image_id,
            (LABEL, &job.id.to_string()),
        );
        docker
            .rename_container(&former.id, &aside(&former.name, job.id))
            .await?;
        // An engine that starts again would start both.
        docker.set_restart_policy(&former.id, None).await?;
        docker.create_successor(&former.name, next).await?;
        Ok(())
    }

    /// Removes the former containers of an upgrade.
    pub(super) async fn remove_formers(&self, run: &Run) -> Result<(), UpgradeError> {
        for former in run.formers().iter().filter(|former| former.is_replaced) {
            let name = aside(&former.name, run.id);
            if let Some(kept) = self.parts.docker.inspect(&name).await? {
                let id = kept.id.unwrap_or_default();
                self.parts.docker.remove_keeping_volumes(&id).await?;
            }
        }
        Ok(())
    }
}

/// Those that ran.
pub(super) fn running(formers: &[Former]) -> Vec<String> {
    let ran = formers.iter().filter(|former| former.was_running);
    ran.map(|former| former.name.clone()).collect()
}

/// How many migrations n8n has made in its database; `None` when it keeps no list.
pub(super) async fn migrations(n8n: &N8nService) -> Result<Option<i64>, N8nError> {
    let (mut connection, tables) = n8n.open_database().await?;
    let count = if has_table(&mut connection, &tables, "migrations").await? {
        let list = tables.name("migrations");
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {list}"));
        Some(
            sqlx::query(sql)
                .fetch_one(&mut connection)
                .await?
                .try_get(0)?,
        )
    } else {
        None
    };
    connection.close().await?;
    Ok(count)
}
