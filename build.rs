//! Rebuilds the binary when a migration or the browser interface changes.
fn main() {
    println!("cargo::rerun-if-changed=migrations");
    println!("cargo::rerun-if-changed=ui/dist");
}
