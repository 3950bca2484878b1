//! The master key: 32 bytes in a file that only its owner can read, made at the first start, or
//! from the environment.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::platform::crypto::cipher::{KEY_BYTES, Key};
use crate::platform::ids::Ids;

/// Wraps the data keys. Cheap to clone.
#[derive(Clone)]
pub struct MasterKey {
    key: Arc<Key>,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Environment,
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or made.
    #[error("cannot use the master key file {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others can read it.
    #[error("others can read the master key file {0}; take that away with: chmod 600 {0}")]
    Exposed(PathBuf),
    /// It is not a key.
    #[error("{0} does not hold base64 of 32 bytes; put back the copy from your recovery notes")]
    Malformed(String),
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl MasterKey {
    /// Takes the key from the environment's text, else reads the file, else makes the file.
    pub fn load(
        given: Option<&SecretString>,
        path: &Path,
        ids: &Ids,
    ) -> Result<Self, MasterKeyError> {
        if let Some(text) = given {
            let key = decode(text.expose_secret())
                .ok_or_else(|| MasterKeyError::Malformed("FLOWKEEP_MASTER_KEY".to_owned()))?;
            return Ok(Self {
                key: Arc::new(key),
                source: Source::Environment,
            });
        }
        let failed = |source| MasterKeyError::File {
            path: path.to_owned(),
            source,
        };
        let key = match File::open(path) {
            Ok(file) => read(file, path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(path, ids).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self {
            key: Arc::new(key),
            source: Source::File(path.to_owned()),
        })
    }

    /// Where it came from, for people.
    pub fn source(&self) -> (&'static str, Option<String>) {
        match &self.source {
            Source::File(path) => ("file", Some(path.display().to_string())),
            Source::Environment => ("environment", None),
        }
    }

    /// The key as its file holds it, for the recovery kit.
    pub fn to_text(&self) -> SecretString {
        SecretString::from(STANDARD.encode(&self.key[..]))
    }

    /// A key of its own for a purpose, from which the master key cannot be told (RFC 5869).
    pub fn derive(&self, purpose: &str) -> SecretString {
        let mut derived = Zeroizing::new([0_u8; KEY_BYTES]);
        let expander = hkdf::Hkdf::<sha2::Sha256>::new(None, &self.key[..]);
        // Fails only for more than 8,160 bytes.
        let _ = expander.expand(purpose.as_bytes(), &mut derived[..]);
        SecretString::from(STANDARD.encode(&derived[..]))
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }
}

fn read(mut file: File, path: &Path) -> Result<Key, MasterKeyError> {
    let failed = |source| MasterKeyError::File {
        path: path.to_owned(),
        source,
    };
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(MasterKeyError::Exposed(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(failed)?;
    decode(&text).ok_or_else(|| MasterKeyError::Malformed(path.display().to_string()))
}

fn make(path: &Path, ids: &Ids) -> io::Result<Key> {
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(dir)?;
    let key = Zeroizing::new(ids.bytes::<KEY_BYTES>());
    // A crash half-way must not leave half a key under the real name.
    let partial = path.with_extension(format!("partial-{}", hex::encode(ids.bytes::<4>())));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(Zeroizing::new(STANDARD.encode(&key[..])).as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    let published = std::fs::hard_link(&partial, path);
    std::fs::remove_file(&partial)?;
    published?;
    File::open(dir)?.sync_all()?;
    Ok(key)
}

fn decode(text: &str) -> Option<Key> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice())
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions};

    use super::*;

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys/master.key");
        let made = MasterKey::load(None, &path, &Ids::system()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let again = MasterKey::load(None, &path, &Ids::system()).unwrap();
        assert_eq!(made.key()[..], again.key()[..]);
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn a_readable_or_broken_key_file_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        MasterKey::load(None, &path, &Ids::system()).unwrap();
        set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = MasterKey::load(None, &path, &Ids::system())
            .unwrap_err()
            .to_string();
        assert!(error.contains("chmod 600"), "{error}");
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "c2hvcnQ=").unwrap();
        assert!(matches!(
            MasterKey::load(None, &path, &Ids::system()),
            Err(MasterKeyError::Malformed(_))
        ));
    }

    #[test]
    fn debug_shows_no_key() {
        let given = SecretString::from(STANDARD.encode([7_u8; 32]));
        let key = MasterKey::load(Some(&given), Path::new("/none"), &Ids::seeded(1)).unwrap();
        assert!(!format!("{key:?}").contains('7'));
    }
}
