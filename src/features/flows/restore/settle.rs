//! Restores that a crash cut off: what n8n has tells what became of each workflow.

use super::store;
use crate::features::flows::{FlowError, FlowService};

impl FlowService {
    /// Ends restores of which nobody is at work any more.
    pub async fn settle(&self) -> Result<(), FlowError> {
        let db = self.parts.db.orm();
        let cut_off = store::running(db).await?;
        if cut_off.is_empty() {
            return Ok(());
        }
        let Some(lock) = self.try_lock_restores().await? else {
            // Another daemon is at it.
            return Ok(());
        };
        for id in cut_off {
            for item in store::items(db, id).await? {
                let outcome = match item.status.as_str() {
                    "pending" => Err("Flowkeep stopped before it; nothing was changed.".to_owned()),
                    "running" => match &item.target_id {
                        Some(target) => self
                            .result_sha256(target)
                            .await
                            .map_err(|_| unclear(&item.name)),
                        None => Err(unclear(&item.name)),
                    },
                    _ => continue,
                };
                // What n8n has counts only if it is what was to be written.
                let outcome = outcome.and_then(|sha256| {
                    let is_new = item.action != "overwrite";
                    if is_new || sha256 == item.content_sha256 {
                        Ok(sha256)
                    } else {
                        Err(unclear(&item.name))
                    }
                });
                let outcome = outcome.as_deref().map_err(String::as_str);
                store::end_item(db, item.id, outcome).await?;
            }
            let status = store::end(db, id, self.parts.clock.now()).await?;
            tracing::info!(restore.id = id, status, "settled a restore of workflows");
        }
        let _ = sqlx::Connection::close(lock).await;
        Ok(())
    }
}

fn unclear(name: &str) -> String {
    format!(
        "Flowkeep stopped in the middle of it; look at {name} in n8n, and restore it again if it is not right."
    )
}
