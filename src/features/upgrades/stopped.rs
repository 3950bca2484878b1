//! Whether n8n is stopped for an upgrade.

use sea_orm::{ConnectionTrait, DbErr};

use super::service::UpgradeService;
use crate::platform::db::statement;

impl UpgradeService {
    /// Whether an upgrade has n8n stopped, or waits for it to come up.
    pub async fn holds_n8n(&self) -> Result<bool, DbErr> {
        let sql = "SELECT EXISTS (SELECT FROM upgrade_runs WHERE status = 'running' AND phase IN \
                   ('stopping', 'saving', 'replacing', 'waiting', 'taking_back', 'restoring', 'waiting_for_former')) AS holds";
        let db = self.parts.db.orm();
        let row = db.query_one_raw(statement(sql, Vec::new())).await?;
        row.map_or(Ok(false), |row| row.try_get("", "holds"))
    }
}
