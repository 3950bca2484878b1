//! Backups encrypted in age's format (age-encryption.org/v1): the public tool `age` opens them too.
//!
//! Each file is bound to its backup: its header, which age authenticates, names the run in a stanza of our
//! own that other tools pass over. A file in another's place is found out before a byte of it is read.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use age::stream::{StreamReader, StreamWriter};
use age::{DecryptError, Decryptor, EncryptError, Encryptor};
use age_core::format::{FileKey, Stanza};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// What a sealed file's name ends in.
pub const SUFFIX: &str = ".age";
/// How the manifest and the catalogue name it.
pub const FORMAT: &str = "age";
const TAG: &str = "flowkeep-backup";
const BUFFER_BYTES: usize = 128 * 1024;

/// Why a sealed file does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No key is here.
    #[error("it is encrypted, and no key for backups is here")]
    NoKey,
    /// None of the keys opens it.
    #[error("it is encrypted to another key than those that are here")]
    WrongKey,
    /// It is another backup's.
    #[error("its header says that it is the file of another backup, {0}")]
    WrongBackup(String),
    /// Its header is not what was written.
    #[error("its encrypted header is damaged")]
    Damaged,
}

/// Encrypts to public keys.
#[derive(Clone, Debug)]
pub struct Sealer {
    recipients: Arc<Vec<String>>,
}

/// Opens what was encrypted to any of its keys.
#[derive(Clone, Default)]
pub struct Opener {
    identities: Arc<Vec<age::x25519::Identity>>,
}

/// How one backup's file is opened.
#[derive(Clone)]
pub struct Lock {
    /// The keys.
    pub opener: Opener,
    /// The run that the file must be of.
    pub job_id: Uuid,
}

impl fmt::Debug for Opener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Opener({} keys)", self.identities.len())
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lock({}, {:?})", self.job_id, self.opener)
    }
}

/// A new private key, and what is encrypted to.
pub fn generate() -> (SecretString, String) {
    let identity = age::x25519::Identity::generate();
    let public = identity.to_public().to_string();
    let text = identity.to_string();
    (SecretString::from(text.expose_secret().to_owned()), public)
}

/// Checks a public key. The error says what would be right.
pub fn check_recipient(text: &str) -> Result<(), String> {
    text.parse::<age::x25519::Recipient>()
        .map(|_| ())
        .map_err(|_| format!("{text:?} is no public key of age; it begins with age1"))
}

/// Names the run in the header; opens nothing.
struct Bound(Uuid);

impl age::Recipient for Bound {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let stanza = Stanza {
            tag: TAG.to_owned(),
            args: vec![self.0.simple().to_string()],
            body: Vec::new(),
        };
        Ok((vec![stanza], HashSet::new()))
    }
}

impl Sealer {
    /// Encrypts to these public keys.
    pub fn new(recipients: Vec<String>) -> Self {
        Self {
            recipients: Arc::new(recipients),
        }
    }

    /// Encrypts what is written, for one run. End it with `finish`.
    pub fn seal<W: Write>(&self, job_id: Uuid, output: W) -> io::Result<StreamWriter<W>> {
        let parsed: Result<Vec<age::x25519::Recipient>, _> =
            self.recipients.iter().map(|text| text.parse()).collect();
        let parsed = parsed.map_err(|error: &str| io::Error::other(error.to_owned()))?;
        let bound = Bound(job_id);
        let recipients = parsed
            .iter()
            .map(|recipient| recipient as &dyn age::Recipient)
            .chain([&bound as &dyn age::Recipient]);
        Encryptor::with_recipients(recipients)
            .map_err(io::Error::other)?
            .wrap_output(output)
    }
}

impl Opener {
    /// Opens with private keys, one a line; what is no key, as a comment, is passed over.
    pub fn new(identities: &SecretString) -> Self {
        let identities = identities
            .expose_secret()
            .lines()
            .filter_map(|line| line.trim().parse().ok())
            .collect();
        Self {
            identities: Arc::new(identities),
        }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.identities.len()
    }

    /// The public key of the first.
    pub fn public_key(&self) -> Option<String> {
        self.identities
            .first()
            .map(|identity| identity.to_public().to_string())
    }
}

/// Opens with a key, if the header names the right run.
struct Checked<'a> {
    identity: &'a age::x25519::Identity,
    wanted: Uuid,
    found: &'a Mutex<Option<String>>,
}

impl age::Identity for Checked<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.identity.unwrap_stanza(stanza)
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let opened = self.identity.unwrap_stanzas(stanzas)?;
        let named = stanzas.iter().find(|stanza| stanza.tag == TAG);
        let named = named.and_then(|stanza| stanza.args.first()).cloned();
        if named.as_deref().and_then(|text| text.parse().ok()) == Some(self.wanted) {
            return Some(opened);
        }
        *self.found.lock() = Some(named.unwrap_or_else(|| "of nobody".to_owned()));
        Some(Err(DecryptError::DecryptionFailed))
    }
}

impl Lock {
    /// Opens a file. Nothing of it comes out before its piece of 64 KiB was authenticated; the end is only
    /// reached when nothing is missing.
    pub fn open<R: BufRead>(&self, input: R) -> Result<StreamReader<R>, SealError> {
        if self.opener.identities.is_empty() {
            return Err(SealError::NoKey);
        }
        let decryptor = Decryptor::new_buffered(input).map_err(|_| SealError::Damaged)?;
        let found = Mutex::new(None);
        let checked: Vec<_> = self
            .opener
            .identities
            .iter()
            .map(|identity| Checked {
                identity,
                wanted: self.job_id,
                found: &found,
            })
            .collect();
        let opened = decryptor.decrypt(checked.iter().map(|one| one as &dyn age::Identity));
        opened.map_err(|error| match (found.lock().take(), error) {
            (Some(other), _) => SealError::WrongBackup(other),
            (None, DecryptError::NoMatchingKeys) => SealError::WrongKey,
            (None, _) => SealError::Damaged,
        })
    }

    /// Whether the file at a path can be opened, by its header alone.
    pub fn check(&self, path: &Path) -> io::Result<Result<(), SealError>> {
        let file = BufReader::new(std::fs::File::open(path)?);
        Ok(self.open(file).map(|_| ()))
    }

    /// The plain bytes of a file, as they are read.
    pub fn reader<R: Read>(&self, input: R) -> io::Result<StreamReader<BufReader<R>>> {
        self.open(BufReader::with_capacity(BUFFER_BYTES, input))
            .map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn sealed(public: &str, job: Uuid, plain: &[u8]) -> Vec<u8> {
        let sealer = Sealer::new(vec![public.to_owned()]);
        let mut writer = sealer.seal(job, Vec::new()).unwrap();
        writer.write_all(plain).unwrap();
        writer.finish().unwrap()
    }

    fn open(secret: &SecretString, job: Uuid, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let lock = Lock {
            opener: Opener::new(secret),
            job_id: job,
        };
        let mut plain = Vec::new();
        lock.reader(sealed)?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    fn why(result: io::Result<Vec<u8>>) -> SealError {
        let error = result.unwrap_err().into_inner().unwrap();
        *error.downcast::<SealError>().unwrap()
    }

    /// Three whole pieces of 64 KiB and a rest.
    const PLAIN_BYTES: usize = 3 * 65_536 + 1_000;
    const PIECE_BYTES: usize = 65_536 + 16;

    #[test]
    fn f25_what_was_sealed_opens_with_its_key_for_its_backup_alone() {
        let (secret, public) = generate();
        let plain: Vec<u8> = (0..=250).cycle().take(PLAIN_BYTES).collect();
        let file = sealed(&public, uuid(1), &plain);
        assert_eq!(open(&secret, uuid(1), &file).unwrap(), plain);
        assert_eq!(
            why(open(&secret, uuid(2), &file)),
            SealError::WrongBackup(uuid(1).simple().to_string())
        );
        let (other, _) = generate();
        assert_eq!(why(open(&other, uuid(1), &file)), SealError::WrongKey);
        let none = SecretString::from("# nothing");
        assert_eq!(why(open(&none, uuid(1), &file)), SealError::NoKey);
        // After a change of keys the old one, kept behind the new one, still opens it.
        let both = format!("{}\n{}\n", other.expose_secret(), secret.expose_secret());
        assert_eq!(
            open(&SecretString::from(both), uuid(1), &file).unwrap(),
            plain
        );
    }

    #[test]
    fn f25_a_file_cut_at_a_boundary_or_with_pieces_moved_is_never_read_to_its_end() {
        let (secret, public) = generate();
        let plain: Vec<u8> = (0..=250).cycle().take(PLAIN_BYTES).collect();
        let file = sealed(&public, uuid(1), &plain);
        let payload = file.len() - (PIECE_BYTES * 3 + 1_000 + 16);
        for pieces in 0..=3 {
            let cut = &file[..payload + pieces * PIECE_BYTES];
            assert!(open(&secret, uuid(1), cut).is_err(), "{pieces} pieces");
        }
        let mut moved = file.clone();
        let (first, rest) = moved[payload..].split_at_mut(PIECE_BYTES);
        first.swap_with_slice(&mut rest[..PIECE_BYTES]);
        assert!(open(&secret, uuid(1), &moved).is_err());
        // A header that was tampered with names another backup and is found out.
        let text = uuid(1).simple().to_string();
        let at = file.windows(32).position(|w| w == text.as_bytes()).unwrap();
        let mut renamed = file.clone();
        renamed[at..at + 32].copy_from_slice(uuid(2).simple().to_string().as_bytes());
        assert_eq!(why(open(&secret, uuid(2), &renamed)), SealError::Damaged);
    }

    proptest::proptest! {
        #[test]
        fn f25_no_flipped_bit_and_no_cut_gives_other_bytes(at in 0usize..5_000, bit in 0u8..8, cut: bool) {
            let (secret, public) = generate();
            let plain = vec![7u8; 4_000];
            let file = sealed(&public, uuid(1), &plain);
            let at = at % file.len();
            let mut bad = file.clone();
            if cut { bad.truncate(at); } else { bad[at] ^= 1 << bit; }
            proptest::prop_assert!(open(&secret, uuid(1), &bad).is_err());
        }
    }
}
