//! What the compiler does not check about the layout.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 500;

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    collect(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut files,
    );
    assert!(files.len() > 30, "the sources were not found");
    files
}

fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path, text));
        }
    }
}

fn production(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

#[test]
fn the_platform_knows_no_feature() {
    for (path, text) in sources() {
        if path.components().any(|part| part.as_os_str() == "platform") {
            assert!(!text.contains("crate::features"), "{}", path.display());
            assert!(!text.contains("crate::app"), "{}", path.display());
        }
    }
}

#[test]
fn services_know_no_http_and_routes_no_sql() {
    for (path, text) in sources() {
        let text = production(&text);
        let name = path.file_name().unwrap().to_str().unwrap();
        let forbidden: &[&str] = match name {
            "service.rs" | "store.rs" | "entity.rs" => &["axum::", "StatusCode", "ApiError"],
            "routes.rs" => &["sea_orm::", "sqlx::"],
            _ => &[],
        };
        for word in forbidden {
            assert!(!text.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn no_file_is_too_long_and_no_lint_is_silenced_for_good() {
    for (path, text) in sources() {
        let lines = production(&text).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
        assert!(
            !text.contains("#[allow("),
            "{} uses #[allow]",
            path.display()
        );
    }
}
