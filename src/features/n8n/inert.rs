//! An n8n that does nothing by itself.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::N8nTables;
use crate::platform::postgres::ConnInfo;

/// Makes every workflow of a restored n8n inactive, so that none runs by itself when it starts.
pub async fn make_inactive(info: &ConnInfo, tables: &N8nTables) -> sqlx::Result<()> {
    let mut connection = info.to_sqlx().connect().await?;
    let mut tx = connection.begin().await?;
    let has = async |tx: &mut PgConnection, table: &str, column: &str| -> sqlx::Result<bool> {
        let sql = "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) \
                   AND ($2 = '' OR attname = $2) AND NOT attisdropped)";
        sqlx::query_scalar(sql)
            .bind(tables.name(table))
            .bind(column)
            .fetch_one(tx)
            .await
    };
    let workflows = tables.name("workflow_entity");
    let sql = if has(&mut tx, "workflow_entity", "activeVersionId").await? {
        format!("UPDATE {workflows} SET active = false, \"activeVersionId\" = NULL")
    } else {
        format!("UPDATE {workflows} SET active = false")
    };
    sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    for table in [
        "workflow_published_version",
        "workflow_publication_outbox",
        "workflow_publication_trigger_status",
        "scheduled_job",
        "webhook_entity",
    ] {
        if has(&mut tx, table, "").await? {
            let sql = format!("DELETE FROM {}", tables.name(table));
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        }
    }
    if has(&mut tx, "execution_entity", "waitTill").await? {
        let sql = format!(
            "UPDATE {} SET status = 'canceled', \"waitTill\" = NULL \
             WHERE status IN ('new', 'running', 'waiting')",
            tables.name("execution_entity")
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    connection.close().await
}
