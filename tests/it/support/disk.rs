//! Small disks that fill up. Only root may mount; where that is not so the tests are left out.

use std::ffi::CString;
use std::io::Write;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// A disk in memory, unmounted when dropped.
pub struct Disk(TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// One of this size, as in `24m`.
pub fn small(size: &str) -> Option<Disk> {
    with_options(&format!("size={size}"))
}

/// One with these options of tmpfs.
pub fn with_options(options: &str) -> Option<Disk> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let options = CString::new(options).unwrap();
    mount(
        "tmpfs",
        dir.path(),
        "tmpfs",
        MountFlags::empty(),
        options.as_c_str(),
    )
    .unwrap();
    Some(Disk(dir))
}

impl Disk {
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills what is left of it.
    pub fn fill(&self) {
        let mut file = std::fs::File::create(self.path().join("fill")).unwrap();
        let block = vec![0; 4096];
        while file.write_all(&block).is_ok() {}
    }
}
