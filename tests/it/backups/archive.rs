//! The archive engine on what real pg_dump programs of every version write.

use std::io::{Cursor, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use flowkeep::features::backups::archive::{
    ArchiveError, ArchiveReader, ArchiveSummary, Compression, PipelineOptions, Progress, Scanner,
    decompress, store_archive,
};
use flowkeep::platform::postgres::ConnInfo;
use proptest::prelude::*;
use secrecy::ExposeSecret;
use sqlx::{Connection, Row};

use crate::support::postgres::{connect, empty_database_on, installations, server_majors};

const SEED: &str = r#"
    CREATE SCHEMA "odd schema";
    CREATE TABLE plain (id int PRIMARY KEY, note text);
    INSERT INTO plain SELECT g, CASE WHEN g % 7 = 0 THEN NULL ELSE repeat('x', g % 50) END
      FROM generate_series(1, 5000) g;
    CREATE TABLE empty (id int);
    CREATE TABLE "odd schema"."a ""quoted""; name" ("versionId" text, "x, y" json);
    INSERT INTO "odd schema"."a ""quoted""; name" VALUES
      (E'line\nbreak\ttab\\back', '{"a": "\n"}'), ('\.', '[]'), ('', 'null'), ('ünïcode ✓', '{}');
    CREATE TABLE no_columns ();
    INSERT INTO no_columns DEFAULT VALUES;
    INSERT INTO no_columns DEFAULT VALUES;
    CREATE TABLE blobs (data bytea);
    INSERT INTO blobs SELECT decode(repeat(md5(g::text), 4000), 'hex') FROM generate_series(1, 80) g;
    CREATE TABLE parted (id int, body text) PARTITION BY RANGE (id);
    CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
    CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (100) TO (200);
    INSERT INTO parted SELECT g, md5(g::text) FROM generate_series(0, 149) g;
    CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
    INSERT INTO generated SELECT generate_series(1, 3);
    SELECT lo_from_bytea(0, 'hello'), lo_from_bytea(0, 'there');
"#;

const TABLES: [(&str, &str, u64); 8] = [
    ("public", "plain", 5000),
    ("public", "empty", 0),
    ("odd schema", "a \"quoted\"; name", 4),
    ("public", "no_columns", 2),
    ("public", "blobs", 80),
    ("public", "parted_1", 100),
    ("public", "parted_2", 50),
    ("public", "generated", 3),
];

async fn seeded(major: u32) -> ConnInfo {
    let info = empty_database_on(major).await;
    let mut connection = connect(&info).await;
    sqlx::raw_sql(SEED).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    info
}

async fn client(major: u32, program: &str, info: &ConnInfo) -> Command {
    let all = installations().await;
    #[expect(clippy::disallowed_methods, reason = "what a user would type")]
    let mut command = Command::new(all.client_for(major).unwrap().program(program));
    let password = info.password.as_ref().unwrap();
    command
        .env("PGPASSWORD", password.expose_secret())
        .arg(format!("--dbname={}", info.to_libpq()));
    command
}

async fn dump(major: u32, info: &ConnInfo) -> Vec<u8> {
    let output = client(major, "pg_dump", info)
        .await
        .args(["-Fc", "-Z0"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn store(archive: &[u8], compression: Compression) -> (ArchiveSummary, Vec<u8>) {
    let mut stored = Vec::new();
    let options = PipelineOptions {
        compression,
        workers: 2,
    };
    let progress = Arc::new(Progress::default());
    let summary = store_archive(archive, &mut stored, options, &progress).unwrap();
    assert_eq!(progress.snapshot().archive_bytes, archive.len() as u64);
    assert_eq!(
        progress.snapshot().stored_bytes,
        summary.stored_bytes - seek_table(&summary)
    );
    (summary, stored)
}

fn seek_table(summary: &ArchiveSummary) -> u64 {
    summary.stored_bytes
        - summary
            .frames
            .stored_bytes
            .iter()
            .map(|n| u64::from(*n))
            .sum::<u64>()
}

const ALL: [Compression; 3] = [
    Compression::Zstd { level: 3 },
    Compression::Gzip { level: 6 },
    Compression::None,
];

#[tokio::test]
async fn every_version_s_archive_is_indexed_with_exact_rows() {
    for major in server_majors().await {
        let info = seeded(major).await;
        let archive = dump(major, &info).await;
        let (summary, _) = store(&archive, Compression::None);
        assert!(
            summary
                .header
                .server_version
                .starts_with(&major.to_string())
        );
        for (schema, name, rows) in TABLES {
            let table = summary
                .tables
                .iter()
                .find(|t| t.schema == schema && t.name == name);
            assert_eq!(
                table.map(|table| table.rows),
                Some(rows),
                "{schema}.{name} on {major}"
            );
        }
        assert_eq!(summary.tables.len(), TABLES.len());
    }
}

#[tokio::test]
async fn one_table_is_read_by_the_index_in_every_compression() {
    for major in server_majors().await {
        let info = seeded(major).await;
        let archive = dump(major, &info).await;
        for compression in ALL {
            let (summary, stored) = store(&archive, compression);
            let mut reader = ArchiveReader::new(Cursor::new(&stored), compression, &summary.frames);
            let odd = summary
                .tables
                .iter()
                .find(|t| t.schema == "odd schema")
                .unwrap();
            assert_eq!(odd.columns, ["versionId", "x, y"]);
            let mut rows = Vec::new();
            reader
                .rows(odd, |row| rows.push(row[0].clone().unwrap()))
                .unwrap();
            assert_eq!(rows, ["line\nbreak\ttab\\back", "\\.", "", "ünïcode ✓"]);
            for table in &summary.tables {
                let mut count = 0;
                reader.rows(table, |_| count += 1).unwrap();
                assert_eq!(count, table.rows, "{}", table.name);
            }
        }
    }
}

#[tokio::test]
async fn the_stored_file_restores_with_the_tools_of_the_readme() {
    for major in server_majors().await {
        let source = seeded(major).await;
        let archive = dump(major, &source).await;
        for (compression, tool) in [(ALL[0], "zstd"), (ALL[1], "gzip")] {
            let (_, stored) = store(&archive, compression);
            #[expect(clippy::disallowed_methods, reason = "what a user would type")]
            let mut decoder = Command::new(tool)
                .arg("-dc")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = decoder.stdin.take().unwrap();
            let feeder = std::thread::spawn(move || input.write_all(&stored).unwrap());
            let target = empty_database_on(major).await;
            let output = client(major, "pg_restore", &target)
                .await
                .args(["--exit-on-error", "--no-owner"])
                .stdin(decoder.stdout.take().unwrap())
                .output()
                .unwrap();
            feeder.join().unwrap();
            assert!(decoder.wait().unwrap().success());
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            let mut connection = connect(&target).await;
            for (schema, name, rows) in TABLES {
                let name = name.replace('"', "\"\"");
                let sql = format!("SELECT count(*) FROM \"{schema}\".\"{name}\"");
                let row = sqlx::query(sqlx::AssertSqlSafe(sql))
                    .fetch_one(&mut connection)
                    .await;
                assert_eq!(row.unwrap().get::<i64, _>(0), i64::try_from(rows).unwrap());
            }
        }
    }
}

#[tokio::test]
async fn decompression_gives_the_archive_back_byte_for_byte() {
    let major = *server_majors().await.first().unwrap();
    let archive = dump(major, &seeded(major).await).await;
    for compression in ALL {
        let (_, stored) = store(&archive, compression);
        let mut plain = Vec::new();
        decompress(&stored[..], compression.name())
            .unwrap()
            .read_to_end(&mut plain)
            .unwrap();
        assert!(plain == archive, "{} differs", compression.name());
    }
}

#[tokio::test]
async fn a_cut_archive_is_never_taken_for_a_whole_one_and_pieces_do_not_matter() {
    for major in server_majors().await {
        let archive = dump(major, &seeded(major).await).await;
        let scan = |bytes: &[u8], piece: usize| {
            let mut scanner = Scanner::default();
            bytes
                .chunks(piece)
                .try_for_each(|piece| scanner.push(piece))?;
            scanner.finish()
        };
        let whole = scan(&archive, archive.len()).unwrap().blocks;
        for piece in [1, 7, 4096] {
            assert_eq!(scan(&archive, piece).unwrap().blocks, whole);
        }
        for cut in (0..archive.len()).step_by(archive.len() / 97) {
            let error = scan(&archive[..cut], 64 * 1024).unwrap_err();
            assert!(
                matches!(error, ArchiveError::Truncated { .. }),
                "{cut}: {error}"
            );
        }
        let mut runner = proptest::test_runner::TestRunner::default();
        runner
            .run(
                &(0..archive.len(), any::<u8>(), 1..100_000_usize),
                |(at, byte, piece)| {
                    let mut hostile = archive.clone();
                    hostile[at] = byte;
                    let _ = scan(&hostile, piece);
                    let _ = scan(&hostile[at..], piece);
                    Ok(())
                },
            )
            .unwrap();
    }
}

#[test]
fn what_is_no_archive_is_refused_by_name() {
    let scan = |bytes: &[u8]| {
        let mut scanner = Scanner::default();
        scanner.push(bytes)?;
        scanner.finish().map(|_| ())
    };
    assert!(matches!(
        scan(b"-- PostgreSQL database dump"),
        Err(ArchiveError::NotAnArchive)
    ));
    assert!(matches!(scan(b""), Err(ArchiveError::Truncated { .. })));
    assert!(matches!(
        scan(b"PGDMP\x01\x63\x00"),
        Err(ArchiveError::UnknownVersion(_))
    ));
}

#[tokio::test]
async fn f09_a_full_disk_is_recognised() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let major = *server_majors().await.first().unwrap();
    let archive = dump(major, &seeded(major).await).await;
    let options = PipelineOptions {
        compression: Compression::None,
        workers: 1,
    };
    let error = store_archive(&archive[..], &mut Full, options, &Arc::default()).unwrap_err();
    assert!(error.is_out_of_space(), "{error}");
}
