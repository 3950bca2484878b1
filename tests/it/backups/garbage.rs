//! Archives, indexes and manifests of random and broken bytes: an error or a result, never a panic, and no more
//! memory than the file has bytes. `scripts/fuzz` goes on where these end.

use std::io::Cursor;

use flowkeep::features::backups::Manifest;
use flowkeep::features::backups::archive::{
    ArchiveReader, ArchiveSummary, Compression, FrameIndex, Scanner, TableIndex, fields, read_sql,
};
use proptest::prelude::*;

const SAMPLE: &[u8] = include_bytes!("../../../assets/sample/n8n-sample.dump");
const MANIFEST: &str = include_str!("../../../fuzz/seeds/manifest");

fn scan(bytes: &[u8], piece: usize) -> bool {
    let mut scanner = Scanner::default();
    bytes.chunks(piece).all(|piece| scanner.push(piece).is_ok()) && scanner.finish().is_ok()
}

/// A table whose block is somewhere and somehow.
fn any_table() -> impl Strategy<Value = TableIndex> {
    let number = prop_oneof![0..300_u64, Just(u64::MAX), any::<u64>()];
    (number.clone(), number.clone(), number, any::<i64>()).prop_map(
        |(offset_bytes, length_bytes, rows, dump_id)| TableIndex {
            schema: "public".to_owned(),
            name: "t".to_owned(),
            dump_id,
            offset_bytes,
            length_bytes,
            rows,
            columns: vec!["a".to_owned()],
        },
    )
}

proptest! {
    #[test]
    fn random_bytes_are_no_archive(bytes in prop::collection::vec(any::<u8>(), 0..2_000), piece in 1..500_usize) {
        prop_assert!(!scan(&bytes, piece));
        let mut headed = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
        headed.extend(&bytes);
        scan(&headed, piece);
        let _ = fields(&bytes);
        let mut lines = b"COPY public.workflow_entity (id, name) FROM stdin;\n".to_vec();
        lines.extend(&bytes);
        let _ = read_sql(&lines[..], |_| Ok(true));
    }

    #[test]
    fn an_archive_with_changed_bytes_is_refused_or_read(at in 0..SAMPLE.len(), byte: u8, cut in 0..SAMPLE.len(), piece in 1_000..9_000_usize) {
        let mut bytes = SAMPLE[..cut.max(at + 1).min(SAMPLE.len())].to_vec();
        bytes[at] = byte;
        scan(&bytes, piece);
    }

    #[test]
    fn an_index_that_lies_reads_nothing_it_should_not(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        frame_bytes in prop_oneof![0..64_u64, any::<u64>()],
        stored in prop::collection::vec(prop_oneof![0..64_u32, any::<u32>()], 0..6),
        tables in prop::collection::vec(any_table(), 1..4),
        kind in 0..3_u8,
    ) {
        let compression = match kind {
            0 => Compression::None,
            1 => Compression::Gzip { level: 1 },
            _ => Compression::Zstd { level: 1 },
        };
        let index = FrameIndex { frame_bytes, stored_bytes: stored };
        let mut reader = ArchiveReader::new(Cursor::new(&bytes), compression, &index);
        for table in &tables {
            let mut seen = 0_u64;
            let read = reader.rows(table, |_| seen += 1);
            prop_assert!(read.is_err() || seen == table.rows);
            prop_assert!(seen <= bytes.len() as u64);
        }
    }

    #[test]
    fn a_broken_manifest_is_none(at in 0..MANIFEST.len(), byte: u8, is_cut: bool) {
        let mut bytes = MANIFEST.as_bytes().to_vec();
        if is_cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(manifest) = serde_json::from_slice::<Manifest>(&bytes) {
            let _ = manifest.total_rows();
        }
        let _ = serde_json::from_slice::<ArchiveSummary>(&bytes);
    }
}

#[test]
fn the_sums_of_a_hostile_manifest_do_not_overflow() {
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).unwrap();
    for table in &mut manifest.tables {
        table.row_count = u64::MAX;
    }
    assert_eq!(manifest.total_rows(), u64::MAX);
}
