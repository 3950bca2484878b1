//! What lies beside a backup: a manifest, an index, and a file that is not what they say.
#![no_main]

use std::io::Cursor;

use flowkeep::features::backups::Manifest;
use flowkeep::features::backups::archive::{ArchiveReader, ArchiveSummary};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let cut = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let (text, file) = bytes.split_at(cut);
    let file = file.strip_prefix(b"\0").unwrap_or(file);
    if let Ok(manifest) = serde_json::from_slice::<Manifest>(text) {
        let _ = manifest.total_rows();
    }
    if let Ok(summary) = serde_json::from_slice::<ArchiveSummary>(text) {
        let mut reader = ArchiveReader::new(Cursor::new(file), summary.compression, &summary.frames);
        for table in &summary.tables {
            let _ = reader.rows(table, |_| {});
        }
    }
});
