//! Archives as somebody hostile would make them: whatever the bytes, the scanner and the reader of plain SQL
//! end with a result or an error.
#![no_main]

use flowkeep::features::backups::archive::{Scanner, fields, read_sql};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // The first byte says how large the pieces are in which the rest comes.
    let Some((size, archive)) = bytes.split_first() else {
        return;
    };
    let mut scanner = Scanner::default();
    let mut is_fine = true;
    for piece in archive.chunks(usize::from(*size).max(1)) {
        is_fine = is_fine && scanner.push(piece).is_ok();
    }
    if is_fine && let Ok(scanned) = scanner.finish() {
        let rows: u64 = scanned.blocks.iter().map(|block| block.rows).sum();
        assert!(rows <= archive.len() as u64);
    }
    let _ = read_sql(archive, |_| Ok(true));
    let _ = fields(archive);
});
