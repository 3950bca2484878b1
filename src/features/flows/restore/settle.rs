//! Restores that a crash cut off: what n8n has tells what became of each workflow.

use super::store;
use crate::features::audit::Actor;
use crate::features::flows::{FlowError, FlowService};

impl FlowService {
    /// Ends restores of which nobody is at work any more.
    pub async fn settle(&self) -> Result<(), FlowError> {
        let db = self.parts.db.orm();
        if store::running(db).await?.is_empty() {
            return Ok(());
        }
        let Some(lock) = self.try_lock_restores().await? else {
            // Another daemon is at it.
            return Ok(());
        };
        // Asked again: whoever held the lock a moment ago may have ended them, and told it.
        for id in store::running(db).await? {
            let (mut done, mut failed) = (Vec::new(), Vec::new());
            for item in store::items(db, id).await? {
                let outcome = match item.status.as_str() {
                    "done" => {
                        done.push(item.name);
                        continue;
                    }
                    // What was refused was never begun.
                    "failed" if item.action != "refused" => {
                        failed.push(item.name);
                        continue;
                    }
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
                if outcome.is_ok() {
                    done.push(item.name);
                } else {
                    failed.push(item.name);
                }
            }
            let status = self.note_end(&Actor::system(), id, &done, &failed).await?;
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
