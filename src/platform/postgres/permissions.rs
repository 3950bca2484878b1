//! What a role may not read, found out before a dump runs into it.

use sqlx::{PgConnection, Row};

/// A table that the role cannot dump, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The table, as in `public.workflow_entity`.
    pub table: String,
    /// Whether row security hides rows from the role; otherwise it may not read the table at all.
    pub is_row_security: bool,
}

/// Every table of the database that the role cannot dump whole. pg_dump would fail on the first of
/// them, in the case of row security after much of the work.
pub async fn unreadable_tables(connection: &mut PgConnection) -> sqlx::Result<Vec<Unreadable>> {
    let sql = "SELECT format('%s.%s', n.nspname, c.relname) AS name, \
               has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS is_readable \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE c.relkind IN ('r', 'p', 'S') AND n.nspname NOT LIKE 'pg\\_%' \
               AND n.nspname <> 'information_schema' \
               AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
                               AND d.objid = c.oid AND d.deptype = 'e') \
               AND (NOT (has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')) \
                    OR (c.relkind <> 'S' AND row_security_active(c.oid))) \
               ORDER BY 1 LIMIT 20";
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    Ok(rows
        .iter()
        .map(|row| Unreadable {
            table: row.get("name"),
            is_row_security: row.get::<bool, _>("is_readable"),
        })
        .collect())
}
