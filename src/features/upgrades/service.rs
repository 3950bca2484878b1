//! The use cases: begin, take back, end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use parking_lot::Mutex;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{Trouble, UpgradeError};
use super::hold::Hold;
use super::image;
use super::store::{self, End, Former, Run};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::backups::BackupService;
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
    /// The work that this process is at. Its locks may be gone for a moment after an outage of the database.
    pub(super) at_work: Arc<Mutex<HashSet<Uuid>>>,
}

/// An upgrade at work.
pub(super) struct Job {
    pub id: i32,
    pub image: String,
    pub actor: Actor,
    pub hold: Hold,
}

impl UpgradeService {
    /// Puts the service together.
    pub fn new(parts: UpgradeParts) -> Self {
        Self {
            parts: Arc::new(parts),
            at_work: Arc::default(),
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
        let hold = self.hold().await?;
        let tx = self.parts.db.begin().await?;
        let now = self.parts.clock.now();
        let begun = store::insert(&tx, hold.job_id, &image, actor.user_id, now).await?;
        let Some(id) = begun else {
            hold.release().await;
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
            hold,
        };
        let this = self.clone();
        self.parts.lifecycle.spawn("upgrade", async move {
            let outcome = this.forward(&job).await;
            this.conclude(&job, outcome).await;
            job.hold.release().await;
        });
        Ok(id)
    }

    /// Gives n8n the containers and the database back that it had before an upgrade that went well.
    pub(super) async fn take_back(&self, actor: &Actor, id: i32) -> Result<(), UpgradeError> {
        let run = self.get(id).await?;
        if !matches!(run.status.as_str(), "done" | "stuck") {
            return Err(UpgradeError::WrongState(run.status));
        }
        let now = self.parts.clock.now();
        if run.status == "done" && run.kept_until.is_none_or(|until| until <= now) {
            return Err(UpgradeError::NothingKept);
        }
        if store::is_followed(self.parts.db.orm(), id).await? {
            return Err(UpgradeError::Followed);
        }
        if let Err(trouble) = self.check_way_back(&run).await {
            return Err(UpgradeError::NoWayBack(trouble));
        }
        let hold = self.hold().await?;
        let tx = self.parts.db.begin().await?;
        if !store::reopen(&tx, id, &run.status, hold.job_id, now).await? {
            hold.release().await;
            return Err(UpgradeError::AlreadyRunning);
        }
        let entry = Entry::new(Action::UpgradeTakenBack).resource("upgrade", id);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        let why = Trouble::new("taken_back", "Somebody took it back.", String::new());
        let job = Job {
            id,
            image: run.image,
            actor: actor.clone(),
            hold,
        };
        self.go_back(job, why);
        Ok(())
    }

    pub(super) fn go_back(&self, job: Job, why: Trouble) {
        let this = self.clone();
        self.parts.lifecycle.spawn("upgrade", async move {
            this.retreat(&job, why).await;
            job.hold.release().await;
        });
    }

    pub(super) async fn conclude(&self, job: &Job, outcome: Result<bool, Trouble>) {
        let mine = (job.id, job.hold.job_id);
        let ended = match outcome {
            Ok(true) => self.end(mine, "done", None, Some(KEPT)).await,
            Ok(false) => self.end(mine, "unchanged", None, None).await,
            // The next start goes on.
            Err(_) if self.parts.lifecycle.is_stopping() => return,
            Err(trouble) if trouble.is_lost() => {
                tracing::warn!(upgrade = job.id, "{}", trouble.message);
                return;
            }
            Err(trouble) => {
                self.retreat(job, trouble).await;
                return;
            }
        };
        if let Err(error) = ended {
            tracing::error!(%error, "the end of an upgrade cannot be noted");
        }
    }

    /// Notes the end, with its line in the audit log and its event, unless another worker has it by now.
    pub(super) async fn end(
        &self,
        (id, job_id): (i32, Uuid),
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
        if !store::finish(&tx, id, job_id, &end, now).await? {
            tracing::warn!(upgrade = id, status, "its end is somebody else's to note");
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
        // One that is taken up again has the reason of before: it was told of when it was stuck.
        let was_told = run.failure_code.is_some();
        let event = self.tell(&tx, status, was_told, facts).await?;
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
        was_told: bool,
        facts: Value,
    ) -> Result<Option<Event>, UpgradeError> {
        let is_wanted = facts["code"] == "taken_back" && status == "rolled_back";
        let (name, severity) = match status {
            // It ends the alert that said that it needs somebody.
            "rolled_back" if was_told => ("n8n.upgraded", Severity::Info),
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
