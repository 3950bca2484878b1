//! Comparing what was restored with what should be there; sorting pg_restore's complaints.

use std::collections::BTreeMap;

use super::outcome::Mismatch;
use crate::features::backups::TableCount;

/// Compares counts, by schema and name. Empty when all is as it should be.
pub fn compare(expected: &[TableCount], actual: &BTreeMap<(String, String), u64>) -> Vec<Mismatch> {
    let mut differing = Vec::new();
    for table in expected {
        let found = actual
            .get(&(table.schema.clone(), table.name.clone()))
            .copied();
        if found != Some(table.row_count) {
            differing.push(Mismatch {
                schema: table.schema.clone(),
                table: table.name.clone(),
                expected: Some(table.row_count),
                actual: found,
            });
        }
    }
    for ((schema, name), count) in actual {
        if !expected
            .iter()
            .any(|table| table.schema == *schema && table.name == *name)
        {
            differing.push(Mismatch {
                schema: schema.clone(),
                table: name.clone(),
                expected: None,
                actual: Some(*count),
            });
        }
    }
    differing
}

/// What pg_restore may complain of without the data being any worse: the throwaway server has
/// other roles, and perhaps not every extension.
const HARMLESS: [&str; 5] = [
    "schema \"public\" already exists",
    "must be owner of extension",
    "role \"",
    "must be member of role",
    "must be able to SET ROLE",
];

/// Errors of pg_restore that mean that the backup is bad, one line each.
pub fn serious_errors(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .filter_map(|line| line.split_once("error: ").map(|(_, what)| what.trim()))
        .filter(|what| !what.is_empty())
        .filter(|what| !HARMLESS.iter().any(|known| is_known(what, known)))
        .map(str::to_owned)
        .collect()
}

fn is_known(what: &str, known: &str) -> bool {
    // A role that is missing is harmless; anything else about roles is not.
    what.contains(known) && (known != "role \"" || what.contains("does not exist"))
}

/// Whether a missing extension is among the errors: then this server, not the backup, is at fault.
pub fn missing_extension(errors: &[String]) -> Option<&str> {
    errors.iter().map(String::as_str).find(|error| {
        error.contains("extension \"") && error.contains("is not available")
            || error.contains("could not open extension control file")
    })
}

/// Whether the disk of the throwaway server is full.
pub fn is_out_of_space(errors: &[String]) -> bool {
    errors
        .iter()
        .any(|error| error.contains("No space left on device"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(name: &str, row_count: u64) -> TableCount {
        TableCount {
            schema: "public".to_owned(),
            name: name.to_owned(),
            row_count,
            archive_bytes: 0,
        }
    }

    fn actual(tables: &[(&str, u64)]) -> BTreeMap<(String, String), u64> {
        let key = |name: &str| ("public".to_owned(), name.to_owned());
        tables
            .iter()
            .map(|(name, count)| (key(name), *count))
            .collect()
    }

    #[test]
    fn f38_a_missing_row_a_missing_table_and_one_too_many_are_named() {
        let expected = [table("a", 3), table("b", 1)];
        assert!(compare(&expected, &actual(&[("a", 3), ("b", 1)])).is_empty());
        let found = compare(&expected, &actual(&[("a", 2), ("c", 0)]));
        let short: Vec<_> = found
            .iter()
            .map(|m| (m.table.as_str(), m.expected, m.actual))
            .collect();
        assert_eq!(
            short,
            [
                ("a", Some(3), Some(2)),
                ("b", Some(1), None),
                ("c", None, Some(0))
            ]
        );
    }

    #[test]
    fn f39_harmless_complaints_are_told_from_serious_ones() {
        let stderr = "pg_restore: error: could not execute query: ERROR:  schema \"public\" already exists\n\
            Command was: CREATE SCHEMA public;\n\
            pg_restore: error: could not execute query: ERROR:  role \"n8n\" does not exist\n\
            pg_restore: error: could not execute query: ERROR:  must be owner of extension plpgsql\n\
            pg_restore: warning: errors ignored on restore: 3";
        assert!(serious_errors(stderr).is_empty());
        let bad = "pg_restore: error: COPY failed for table \"x\": ERROR:  duplicate key";
        assert_eq!(serious_errors(bad).len(), 1);
        let role = "pg_restore: error: could not execute query: ERROR:  permission denied to set role \"a\"";
        assert_eq!(serious_errors(role).len(), 1);
    }

    #[test]
    fn a_missing_extension_is_the_servers_fault() {
        let stderr = "pg_restore: error: could not execute query: ERROR:  extension \"vector\" is not available";
        let errors = serious_errors(stderr);
        assert!(missing_extension(&errors).is_some());
    }

    proptest! {
        #[test]
        fn equal_counts_never_differ_and_any_change_is_found(
            counts in proptest::collection::btree_map("[a-z]{1,5}", 0..1000_u64, 1..20),
            pick: prop::sample::Index, change in 1..5_u64,
        ) {
            let expected: Vec<_> = counts.iter().map(|(name, n)| table(name, *n)).collect();
            let pairs: Vec<_> = counts.iter().map(|(name, n)| (name.as_str(), *n)).collect();
            prop_assert!(compare(&expected, &actual(&pairs)).is_empty());
            let mut changed = pairs.clone();
            changed[pick.index(pairs.len())].1 += change;
            prop_assert_eq!(compare(&expected, &actual(&changed)).len(), 1);
        }
    }
}
