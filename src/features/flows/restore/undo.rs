//! An undo: what was overwritten comes back, what was made goes, unless somebody changed it since.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use sqlx::Connection;

use super::apply::Failed;
use super::plan::{OnConflict, Wishes};
use super::service::RestoreRequest;
use super::sql;
use super::store::{self, RestoreItem};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::features::flows::{FlowError, FlowService, VersionRef};

/// How long what was overwritten is kept.
const UNDO: TimeDelta = TimeDelta::days(90);

impl FlowService {
    /// Undoes what a restore did with one workflow. Returns the restore that put the old one back, if that was
    /// the way.
    pub async fn undo(&self, actor: &Actor, item_id: i32) -> Result<Option<i32>, FlowError> {
        let db = self.parts.db.orm();
        let item = store::item(db, item_id).await?;
        let item = item.ok_or(FlowError::NoRestore(item_id))?;
        if item.action == "overwrite" && !item.has_safety && item.status == "done" {
            let message =
                "What it overwrote was kept for 90 days and is gone; restore it from a backup.";
            return Err(FlowError::conflict("undo_is_over", message));
        }
        if item.status != "done" {
            return Err(FlowError::conflict(
                "nothing_to_undo",
                "Nothing was changed by it, so there is nothing to undo.",
            ));
        }
        if item.undone_at.is_some() {
            return Err(FlowError::conflict(
                "already_undone",
                "It was undone before.",
            ));
        }
        let target = item.target_id.clone().unwrap_or_default();
        let ids = BTreeSet::from([target.clone()]);
        let live = self.live_flows(&ids).await?.into_iter().next();
        if let Some(live) = &live
            && Some(live.content_sha256()) != item.result_sha256
        {
            return Err(FlowError::conflict(
                "changed_since",
                "It was changed in n8n since it was restored; an undo would lose that. The version of before is in its history.",
            ));
        }
        let restore = if item.has_safety {
            let request = RestoreRequest {
                source: VersionRef::Safety(item.id),
                ids,
                wishes: Wishes {
                    on_conflict: OnConflict::Overwrite,
                    static_data: None,
                    with_credentials: false,
                    project_id: None,
                },
                source_key: None,
                accept_newer: true,
            };
            let id = self.restore(actor, request).await?;
            let (restore, items) = self.get_restore(id).await?;
            if restore.status != "done" {
                let why = items
                    .into_iter()
                    .find_map(|one| one.message)
                    .unwrap_or_default();
                return Err(FlowError::conflict("undo_failed", why));
            }
            Some(id)
        } else {
            if live
                .as_ref()
                .is_some_and(crate::features::n8n::Flow::is_active)
            {
                let message = "It runs now; deactivate it in n8n first.";
                return Err(FlowError::conflict("is_active", message));
            }
            self.remove(&target).await?;
            None
        };
        self.note_undone(actor, &item).await?;
        Ok(restore)
    }

    /// Forgets what was overwritten long ago.
    pub(in crate::features::flows) async fn forget_old(&self) -> Result<(), FlowError> {
        let before = self.parts.clock.now() - UNDO;
        store::forget_safety(self.parts.db.orm(), before).await?;
        Ok(())
    }

    async fn note_undone(&self, actor: &Actor, item: &RestoreItem) -> Result<(), FlowError> {
        let tx = self.parts.db.begin().await?;
        store::mark_undone(&tx, item.id, self.parts.clock.now()).await?;
        let entry = Entry::new(Action::FlowRestoreUndone).resource("workflow", &item.workflow_id);
        let details = BTreeMap::from([("restore_item", item.id)]);
        let entry = entry.details(serde_json::json!(details));
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Deletes a workflow that a restore made: by n8n itself if it can be asked.
    async fn remove(&self, id: &str) -> Result<(), FlowError> {
        if let Some(api) = self.parts.n8n.api()?
            && api.delete(id).await.is_ok()
        {
            return Ok(());
        }
        let (mut connection, tables) = self.parts.n8n.open_database().await?;
        let deleted = sql::delete_inactive(&mut connection, &tables, id).await;
        let _ = connection.close().await;
        deleted
            .map_err(|error| FlowError::conflict("undo_failed", Failed::from(error).to_string()))?;
        Ok(())
    }
}
