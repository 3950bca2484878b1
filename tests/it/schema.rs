//! The migrated database has every table, column, type, default, index, key and check that the
//! published schema names, unchanged. More may be there.

use std::collections::BTreeSet;

use sqlx::PgConnection;

use crate::support::postgres::{connect, empty_database, migrated_database};

const PUBLISHED: &str = include_str!("../fixtures/schema.sql");

/// One line for everything that a schema promises.
const CATALOGUE: &str = "
    SELECT 'table ' || table_name FROM information_schema.tables WHERE table_schema = 'public'
  UNION ALL
    SELECT concat_ws(' ', 'column', table_name, column_name, data_type, udt_name,
                     'length', character_maximum_length, 'precision', numeric_precision,
                     datetime_precision, 'nullable', is_nullable, 'default', column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
  UNION ALL
    SELECT 'index ' || tablename || ' ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
  UNION ALL
    SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace";

async fn catalogue(connection: &mut PgConnection) -> BTreeSet<String> {
    sqlx::query_scalar(CATALOGUE)
        .fetch_all(connection)
        .await
        .unwrap()
        .into_iter()
        .collect()
}

#[tokio::test]
async fn the_migrated_catalogue_holds_the_published_schema() {
    let mut published = connect(&empty_database().await).await;
    sqlx::raw_sql(PUBLISHED)
        .execute(&mut published)
        .await
        .unwrap();
    let mut migrated = connect(&migrated_database().await).await;

    let published = catalogue(&mut published).await;
    let migrated = catalogue(&mut migrated).await;

    let tables = published
        .iter()
        .filter(|line| line.starts_with("table "))
        .count();
    assert_eq!(tables, 21, "the published schema has 21 tables");
    let missing: Vec<_> = published.difference(&migrated).collect();
    assert!(missing.is_empty(), "missing or changed: {missing:#?}");
}

#[tokio::test]
async fn a_changed_column_would_be_noticed() {
    let mut published = connect(&empty_database().await).await;
    sqlx::raw_sql(PUBLISHED)
        .execute(&mut published)
        .await
        .unwrap();
    let before = catalogue(&mut published).await;
    for change in [
        "ALTER TABLE settings ALTER COLUMN category TYPE VARCHAR(51)",
        "ALTER TABLE sessions ALTER COLUMN is_active SET DEFAULT false",
        "ALTER TABLE audit_log ALTER COLUMN action DROP NOT NULL",
        "DROP INDEX idx_audit_log_action",
        "ALTER TABLE backup_schedules DROP CONSTRAINT backup_schedules_hour_check",
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(change))
            .execute(&mut published)
            .await
            .unwrap();
        let after = catalogue(&mut published).await;
        assert!(
            before.difference(&after).count() > 0,
            "not noticed: {change}"
        );
    }
}
