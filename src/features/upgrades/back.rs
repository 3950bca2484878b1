//! The way back. Each step looks what is there and may be done again.

use crate::platform::docker::models::{RestartPolicy, RestartPolicyNameEnum};

use super::error::Trouble;
use super::service::{Job, UpgradeService};
use super::store::{self, Former, Run};
use super::work::{migrations, running};
use crate::platform::docker::{DockerError, aside};

impl UpgradeService {
    /// Takes everything back that was done, and notes why.
    pub(super) async fn retreat(&self, job: &Job, why: Trouble) {
        let (status, told) = match self.undo_all(job).await {
            Ok(false) => ("failed", why),
            Ok(true) => {
                let message = format!(
                    "{} n8n runs again from the containers and the database of before.",
                    why.message
                );
                ("rolled_back", Trouble { message, ..why })
            }
            Err(_) if self.parts.lifecycle.is_stopping() => return,
            Err(trouble) if trouble.is_lost() => {
                tracing::warn!(upgrade = job.id, "{}", trouble.message);
                return;
            }
            Err(trouble) => {
                let message = format!(
                    "{} And it could not be taken back: {}",
                    why.message, trouble.message
                );
                let remedy = format!(
                    "{} Then take it back again; the former containers are there under names that end in -before-upgrade-{}.",
                    trouble.remedy, job.id
                );
                ("stuck", Trouble::new(trouble.code, message, remedy))
            }
        };
        if let Err(error) = self
            .end((job.id, job.hold.job_id), status, Some(&told), None)
            .await
        {
            tracing::error!(%error, "the end of an upgrade cannot be noted");
        }
    }

    /// Returns whether anything had been changed.
    async fn undo_all(&self, job: &Job) -> Result<bool, Trouble> {
        self.still(job).await?;
        let run = self.row(job.id).await?;
        if matches!(
            run.phase.as_str(),
            "begun" | "pulling" | "backing_up" | "proving"
        ) {
            return Ok(false);
        }
        self.enter(job, "taking_back").await?;
        self.check_way_back(&run).await?;
        let formers = run.formers();
        let mut was_replaced = false;
        for former in formers.iter().rev() {
            self.still(job).await?;
            let back = self.put_back(job, former).await;
            let what = format!("{} of before cannot come back", former.name);
            was_replaced |= back.map_err(|error| Trouble::docker(&what, &error))?;
        }
        let formers = self.without_gone(formers).await?;
        self.still(job).await?;
        self.restore_database(job, &formers, was_replaced).await?;
        self.still(job).await?;
        for former in formers.iter().filter(|former| former.was_running) {
            let started = self.parts.docker.start_container(&former.name).await;
            let what = format!("{} of before does not start", former.name);
            started.map_err(|error| Trouble::docker(&what, &error))?;
        }
        self.enter(job, "waiting_for_former").await?;
        for (at, former) in formers.iter().enumerate() {
            if former.was_running {
                let words = self.wait_ready(&former.name, at == 0).await?;
                self.remark(job, &words).await?;
            }
        }
        Ok(true)
    }

    /// Makes sure that there is something to go back to, before anything that stands is touched: the former
    /// containers, and the backup if the database must come back.
    pub(super) async fn check_way_back(&self, run: &Run) -> Result<(), Trouble> {
        let formers = run.formers();
        for former in formers.iter().filter(|former| former.is_replaced) {
            let found = self.parts.docker.inspect(&former.id).await;
            let found = found.map_err(|error| {
                let what = format!("{} of before cannot be looked for", former.name);
                Trouble::docker(&what, &error)
            })?;
            if found.is_none() {
                return Err(Trouble::new(
                    "nothing_kept",
                    format!(
                        "{} of before is gone: somebody removed it. Nothing was touched.",
                        former.name
                    ),
                    "Make it anew from the image of before, and restore a backup if n8n does not start on its database.",
                ));
            }
        }
        let (Some(saved), Some(before)) = (run.saved_backup_id, run.migrations_before) else {
            return Ok(());
        };
        if matches!(migrations(&self.parts.n8n).await, Ok(Some(now)) if now == before) {
            return Ok(());
        }
        // The restore would ask the same, when it is too late. Those that come back need not be there yet.
        let comes_back = |name: &str| {
            formers
                .iter()
                .any(|former| former.is_replaced && former.name == name)
        };
        for name in self.parts.n8n.containers() {
            let found = self.parts.docker.inspect(&name).await;
            if matches!(found, Ok(None)) && !comes_back(&name) {
                return Err(Trouble::new(
                    "container_unusable",
                    format!("There is no container {name}. Nothing was touched."),
                    "Correct its name in the settings, then take it back again.",
                ));
            }
        }
        let file = self.parts.backups.get_file(saved).await;
        let why = match file {
            Ok(file) => match tokio::fs::metadata(&file.path).await {
                Ok(found) if found.is_file() => return Ok(()),
                Ok(_) => "its file is none".to_owned(),
                Err(error) => format!("its file cannot be read ({error})"),
            },
            Err(error) => error.to_string(),
        };
        Err(Trouble::new(
            "nothing_kept",
            format!(
                "n8n's database of before (backup {saved}) is not there: {why}. Nothing was touched."
            ),
            "If the folder of backups is only away, bring it back and try again. Otherwise restore another backup, and make n8n \
             anew from the image of before.",
        ))
    }

    /// Containers beside n8n that were only stopped, a runner maybe, and that somebody removed since.
    /// They are left out.
    async fn without_gone(&self, formers: Vec<Former>) -> Result<Vec<Former>, Trouble> {
        let mut left = Vec::new();
        for former in formers {
            let found = self.parts.docker.inspect(&former.name).await;
            let found = found.map_err(|error| Trouble::docker(&former.name, &error))?;
            if former.is_replaced || found.is_some() {
                left.push(former);
            } else {
                tracing::warn!(container = former.name, "it is gone and left out");
            }
        }
        Ok(left)
    }

    /// Removes the new container, if there is one, and gives the former one its name. Returns whether it had been
    /// replaced.
    async fn put_back(&self, job: &Job, former: &Former) -> Result<bool, DockerError> {
        let docker = &self.parts.docker;
        let stands = docker.inspect(&former.name).await?;
        let stands = stands.and_then(|found| found.id).unwrap_or_default();
        if !former.is_replaced && stands != former.id {
            // No upgrade made what stands there.
            return Ok(false);
        }
        if stands != former.id && docker.inspect(&former.id).await?.is_none() {
            let name = aside(&former.name, job.id);
            return Err(DockerError::NotFound(format!("{name} is gone")));
        }
        if !stands.is_empty() && stands != former.id {
            let all = running(std::slice::from_ref(former));
            if let Err(error) = self.parts.n8n.stop_containers(&all).await {
                tracing::warn!(%error, "the new container does not stop; it is removed");
            }
            docker.remove_keeping_volumes(&stands).await?;
        }
        if stands == former.id {
            docker
                .set_restart_policy(&former.id, Some(policy(former)))
                .await?;
            return Ok(false);
        }
        docker.rename_container(&former.id, &former.name).await?;
        docker
            .set_restart_policy(&former.id, Some(policy(former)))
            .await?;
        Ok(true)
    }

    /// Brings n8n's database back, if the new n8n changed its tables: the former one could not use them.
    async fn restore_database(
        &self,
        job: &Job,
        formers: &[Former],
        was_replaced: bool,
    ) -> Result<(), Trouble> {
        let run = self.row(job.id).await?;
        let (Some(saved), Some(before)) = (run.saved_backup_id, run.migrations_before) else {
            return Ok(());
        };
        let now = migrations(&self.parts.n8n).await.map_err(|error| {
            Trouble::new(
                "n8n_database",
                format!("{error}."),
                "Look at n8n's database.",
            )
        })?;
        if now == Some(before) {
            let words = "The new n8n changed no table, so its database stays.";
            return if was_replaced {
                self.remark(job, words).await
            } else {
                Ok(())
            };
        }
        // Those that still stand, or stand again, may run.
        self.stop(&running(formers)).await?;
        self.enter(job, "restoring").await?;
        let restored = self.parts.restores.put_back(&job.actor, saved).await;
        let restored = restored.map_err(|error| {
            Trouble::new(
                "restore_failed",
                format!(
                    "n8n's database of before (backup {saved}) could not be put back: {error}."
                ),
                "Look under Restores.",
            )
        })?;
        let noted = store::note_restore(self.parts.db.orm(), job.id, restored).await;
        noted.map_err(|error| Trouble::own(&error))
    }
}

fn policy(former: &Former) -> RestartPolicy {
    let name = match former.restart_policy.as_str() {
        "always" => RestartPolicyNameEnum::ALWAYS,
        "unless-stopped" => RestartPolicyNameEnum::UNLESS_STOPPED,
        "on-failure" => RestartPolicyNameEnum::ON_FAILURE,
        _ => RestartPolicyNameEnum::NO,
    };
    let is_counted = name == RestartPolicyNameEnum::ON_FAILURE;
    RestartPolicy {
        name: Some(name),
        maximum_retry_count: former.restart_count.filter(|_| is_counted),
    }
}
