//! The use cases: begin, take back, let go of what was kept, settle.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{Trouble, UpgradeError};
use super::image;
use super::store::{self, End, Former, Run};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::{BackupError, BackupService, Claim, is_lock_free};
use crate::features::n8n::N8nService;
use crate::features::restores::RestoreService;
use crate::features::verification::VerificationService;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::docker::Docker;
use crate::platform::events::{self, Event, EventBus, Severity};
use crate::platform::ids::Ids;
use crate::platform::lifecycle::Lifecycle;
use crate::platform::postgres::ConnInfo;

/// How long the former containers stay.
const KEPT: TimeDelta = TimeDelta::hours(24);
const VERSION_LABEL: &str = "org.opencontainers.image.version";

/// How long is waited for a container.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until it must be ready; n8n migrates its database meanwhile.
    pub ready: Duration,
    /// For how long it must run, if nothing else can be told.
    pub steady: Duration,
    /// Between two looks.
    pub poll: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ready: Duration::from_mins(10),
            steady: Duration::from_secs(20),
            poll: Duration::from_secs(1),
        }
    }
}

/// What the service is made of.
#[derive(Clone)]
pub struct UpgradeParts {
    /// Flowkeep's own database.
    pub db: Db,
    /// Where that is.
    pub own_database: ConnInfo,
    /// Where n8n's containers are.
    pub docker: Docker,
    /// Which they are.
    pub n8n: N8nService,
    /// The backups before.
    pub backups: BackupService,
    /// Their proof.
    pub verifications: VerificationService,
    /// The way back.
    pub restores: RestoreService,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub ids: Ids,
    /// Start and stop.
    pub lifecycle: Lifecycle,
    /// Who wants to know.
    pub events: EventBus,
    /// How long is waited.
    pub patience: Patience,
}

/// Upgrades of n8n. Cheap to clone.
#[derive(Clone)]
pub struct UpgradeService {
    pub(super) parts: Arc<UpgradeParts>,
}

/// An upgrade at work: nobody else settles it while its lock is held.
pub(super) struct Job {
    pub id: i32,
    pub image: String,
    pub actor: Actor,
    claim: Claim,
}

impl UpgradeService {
    /// Puts the service together.
    pub fn new(parts: UpgradeParts) -> Self {
        Self {
            parts: Arc::new(parts),
        }
    }

    /// n8n's containers as they are now.
    pub(super) async fn formers(&self) -> Result<Vec<Former>, UpgradeError> {
        let names = self.parts.n8n.containers();
        if names.is_empty() {
            return Err(UpgradeError::NoContainers);
        }
        let mut formers: Vec<Former> = Vec::new();
        for name in names {
            let former = self.former(&name).await?;
            let main = formers.first().unwrap_or(&former);
            let is_replaced = image::repository(&former.image) == image::repository(&main.image);
            formers.push(Former {
                is_replaced,
                ..former
            });
        }
        Ok(formers)
    }

    async fn former(&self, name: &str) -> Result<Former, UpgradeError> {
        let refuse = |why: &str| UpgradeError::Container {
            container: name.to_owned(),
            why: why.to_owned(),
        };
        let found = self.parts.docker.inspect(name).await?;
        let found = found.ok_or_else(|| {
            refuse("there is no such container; correct its name in the settings")
        })?;
        if found
            .id
            .as_deref()
            .is_some_and(|id| self.parts.docker.is_own(id))
        {
            return Err(refuse(
                "Flowkeep itself runs in it, and would end with it; take it out of the setting",
            ));
        }
        let host = found.host_config.unwrap_or_default();
        if host.auto_remove == Some(true) {
            return Err(refuse(
                "it was started with --rm and goes with its end; make it without",
            ));
        }
        let image_id = found.image.unwrap_or_default();
        let image = self.parts.docker.image(&image_id).await?;
        let labels = image
            .and_then(|image| image.config)
            .and_then(|config| config.labels);
        let policy = host.restart_policy.unwrap_or_default();
        let real_name = found.name.unwrap_or_default();
        Ok(Former {
            name: real_name.trim_start_matches('/').to_owned(),
            id: found.id.unwrap_or_default(),
            image: found
                .config
                .and_then(|config| config.image)
                .unwrap_or_default(),
            image_id,
            version: labels.and_then(|labels| labels.get(VERSION_LABEL).cloned()),
            was_running: found
                .state
                .is_some_and(|state| state.running.unwrap_or(false)),
            is_replaced: true,
            restart_policy: policy.name.map(|name| name.to_string()).unwrap_or_default(),
            restart_count: policy.maximum_retry_count,
        })
    }

    /// Begins an upgrade to an image, a tag, or whatever the present name leads to by now. Returns its number.
    pub(super) async fn start(
        &self,
        actor: &Actor,
        asked: Option<&str>,
    ) -> Result<i32, UpgradeError> {
        let formers = self.formers().await?;
        let main = formers.first().ok_or(UpgradeError::NoContainers)?;
        let image = image::target(asked, &main.image).map_err(UpgradeError::Image)?;
        let job_id = self.parts.ids.uuid();
        let claim = self.claim(job_id).await?;
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        let begun = store::insert(&tx, job_id, &image, actor.user_id, now).await?;
        let Some(id) = begun else {
            claim.release().await;
            return Err(UpgradeError::AlreadyRunning);
        };
        store::note_containers(&tx, id, &formers).await?;
        let facts = json!({ "upgrade_id": id, "image": image, "from": main.image });
        let entry = Entry::new(Action::UpgradeRequested).details(facts);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        let job = Job {
            id,
            image,
            actor: actor.clone(),
            claim,
        };
        let this = self.clone();
        self.parts.lifecycle.spawn("upgrade", async move {
            let outcome = this.forward(&job).await;
            this.conclude(&job, outcome).await;
            job.claim.release().await;
        });
        Ok(id)
    }

    async fn claim(&self, job_id: Uuid) -> Result<Claim, UpgradeError> {
        let options = self.parts.own_database.to_sqlx();
        let cancel = self.parts.lifecycle.soft().child_token();
        let claim = Claim::take(&options, job_id, &self.parts.lifecycle, cancel).await;
        Ok(claim.map_err(BackupError::Lock)?)
    }

    /// Gives n8n the containers and the database back that it had before an upgrade that went well.
    pub(super) async fn take_back(&self, actor: &Actor, id: i32) -> Result<(), UpgradeError> {
        let run = self.get(id).await?;
        if !matches!(run.status.as_str(), "done" | "stuck") {
            return Err(UpgradeError::WrongState(run.status));
        }
        if run.status == "done" && run.kept_until.is_none() {
            return Err(UpgradeError::NothingKept);
        }
        let job_id = self.parts.ids.uuid();
        let claim = self.claim(job_id).await?;
        let tx = self.parts.db.begin().await?;
        if !store::reopen(&tx, id, &run.status, job_id).await? {
            claim.release().await;
            return Err(UpgradeError::AlreadyRunning);
        }
        let entry = Entry::new(Action::UpgradeTakenBack).resource("upgrade", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        let why = Trouble::new("taken_back", "Somebody took it back.", String::new());
        self.go_back(id, run.image, actor.clone(), claim, why);
        Ok(())
    }

    fn go_back(&self, id: i32, image: String, actor: Actor, claim: Claim, why: Trouble) {
        let job = Job {
            id,
            image,
            actor,
            claim,
        };
        let this = self.clone();
        self.parts.lifecycle.spawn("upgrade", async move {
            this.retreat(&job, why).await;
            job.claim.release().await;
        });
    }

    /// Removes the former containers of an upgrade that went well.
    pub(super) async fn clear(&self, actor: &Actor, id: i32) -> Result<(), UpgradeError> {
        let run = self.get(id).await?;
        if run.status != "done" {
            return Err(UpgradeError::WrongState(run.status));
        }
        self.remove_formers(&run).await?;
        let tx = self.parts.db.begin().await?;
        store::note_cleared(&tx, id).await?;
        let entry = Entry::new(Action::UpgradeCleared).resource("upgrade", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Clears those that were kept long enough, or all of them for one that begins.
    pub(super) async fn clear_old(&self, is_for_next: bool) -> Result<(), UpgradeError> {
        let now = (!is_for_next).then(|| self.parts.clock.now());
        for run in store::to_clear(self.parts.db.orm(), now).await? {
            self.remove_formers(&run).await?;
            store::note_cleared(self.parts.db.orm(), run.id).await?;
        }
        Ok(())
    }

    /// Goes on with what a crash cut off. Nothing was changed: it failed. Something was: it is taken back; all
    /// that was missing was the answer: it is waited for.
    pub async fn settle(&self) -> Result<(), UpgradeError> {
        for run in store::unsettled(self.parts.db.orm()).await? {
            let is_free = is_lock_free(self.parts.db.pool(), run.job_id).await;
            if !is_free.unwrap_or(false) {
                continue;
            }
            let interrupted = Trouble::new(
                "interrupted",
                "Flowkeep ended in the middle of it.",
                "Begin again.",
            );
            if matches!(
                run.phase.as_str(),
                "begun" | "backing_up" | "proving" | "pulling"
            ) {
                self.end(run.id, "failed", Some(&interrupted), None).await?;
                continue;
            }
            let claim = self.claim(run.job_id).await?;
            if run.phase != "waiting" {
                self.go_back(run.id, run.image, Actor::system(), claim, interrupted);
                continue;
            }
            let job = Job {
                id: run.id,
                image: run.image,
                actor: Actor::system(),
                claim,
            };
            let this = self.clone();
            self.parts.lifecycle.spawn("upgrade", async move {
                let outcome = this.await_all(&job).await;
                this.conclude(&job, outcome).await;
                job.claim.release().await;
            });
        }
        // Docker may be away; the next start tries again.
        if let Err(error) = self.clear_old(false).await {
            tracing::warn!(%error, "former containers of n8n are left for now");
        }
        Ok(())
    }

    async fn conclude(&self, job: &Job, outcome: Result<bool, Trouble>) {
        let ended = match outcome {
            Ok(true) => self.end(job.id, "done", None, Some(KEPT)).await,
            Ok(false) => self.end(job.id, "unchanged", None, None).await,
            // The next start goes on.
            Err(_) if self.parts.lifecycle.is_stopping() => return,
            Err(trouble) => {
                self.retreat(job, trouble).await;
                return;
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the end of an upgrade cannot be noted");
        }
    }

    /// Notes the end, with its line in the audit log and its event.
    pub(super) async fn end(
        &self,
        id: i32,
        status: &str,
        trouble: Option<&Trouble>,
        kept: Option<TimeDelta>,
    ) -> Result<(), UpgradeError> {
        let run = self.get(id).await?;
        let now = self.parts.clock.now();
        let words = match (status, trouble) {
            ("done", _) => format!("n8n runs from {}.", run.image),
            ("unchanged", _) => format!("n8n runs from the newest {} already.", run.image),
            (_, Some(trouble)) => trouble.message.clone(),
            (_, None) => String::new(),
        };
        let end = End {
            status,
            code: trouble.map(|trouble| trouble.code),
            message: &words,
            remedy: trouble.map(|trouble| trouble.remedy.as_str()),
            kept_until: kept.map(|kept| now + kept),
        };
        let tx = self.parts.db.begin().await?;
        if !store::finish(&tx, id, &end, now).await? {
            return Ok(());
        }
        let facts = json!({
            "id": id, "status": status, "image": run.image, "message": words,
            "code": trouble.map(|trouble| trouble.code),
            "remedy": trouble.map(|trouble| trouble.remedy.as_str()),
        });
        let entry = Entry::new(Action::UpgradeFinished).resource("upgrade", id);
        audit::record(
            &tx,
            &self.parts.clock,
            &Actor::system(),
            entry.details(facts.clone()),
        )
        .await?;
        let event = self.tell(&tx, status, facts).await?;
        tx.commit().await?;
        if let Some(event) = event {
            self.parts.events.publish(event);
        }
        Ok(())
    }

    async fn tell(
        &self,
        tx: &impl ConnectionTrait,
        status: &str,
        facts: Value,
    ) -> Result<Option<Event>, UpgradeError> {
        let is_wanted = facts["code"] == "taken_back" && status == "rolled_back";
        let (name, severity) = match status {
            _ if is_wanted => return Ok(None),
            "done" => ("n8n.upgraded", Severity::Info),
            "unchanged" => return Ok(None),
            "stuck" => ("n8n.upgrade_failed", Severity::Critical),
            _ => ("n8n.upgrade_failed", Severity::Error),
        };
        let event = Event::now(&self.parts.ids, &self.parts.clock, name, severity, facts);
        events::record(tx, &event).await?;
        Ok(Some(event))
    }

    pub(super) async fn get(&self, id: i32) -> Result<Run, UpgradeError> {
        store::get(self.parts.db.orm(), id)
            .await?
            .ok_or(UpgradeError::NotFound(id))
    }

    pub(super) async fn list(&self) -> Result<Vec<Run>, UpgradeError> {
        Ok(store::list(self.parts.db.orm()).await?)
    }
}
