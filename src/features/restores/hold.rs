//! Whether n8n is stopped for a restore.

use sea_orm::{ConnectionTrait, DbErr};

use super::service::RestoreService;
use crate::platform::db::statement;

impl RestoreService {
    /// Whether n8n's database is changing places, or its containers are stopped for that.
    pub async fn holds_n8n(&self) -> Result<bool, DbErr> {
        let sql = "SELECT EXISTS (SELECT FROM restore_runs WHERE status IN ('swapping', 'undoing') \
                   OR stopped_containers <> '[]'::jsonb) AS holds";
        let db = self.parts.db.orm();
        let row = db.query_one_raw(statement(sql, Vec::new())).await?;
        row.map_or(Ok(false), |row| row.try_get("", "holds"))
    }
}
