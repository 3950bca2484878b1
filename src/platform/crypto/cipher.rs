//! AES-256-GCM over single values. What is sealed at one place cannot be opened at another: the
//! place is the associated data.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use zeroize::Zeroizing;

use crate::platform::ids::Ids;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;

/// A key of 32 bytes, wiped when dropped.
pub type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Where a value lives; sealed into it.
#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The row's key.
    pub row: &'a str,
}

impl Location<'_> {
    /// Unambiguous: the parts' lengths are part of it.
    fn associated_data(&self, key_id: &str) -> Vec<u8> {
        let mut out = b"flowkeep/1".to_vec();
        for part in [key_id, self.table, self.column, self.row] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
        out
    }
}

/// The value was changed, moved, or sealed under another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the encrypted value does not open: it was changed or moved, or its key is another one")]
pub struct OpenError;

/// Seals under a fresh random nonce, which comes first in the result.
pub fn seal(
    key: &Key,
    key_id: &str,
    at: Location<'_>,
    plaintext: &[u8],
    ids: &Ids,
) -> Result<Vec<u8>, OpenError> {
    let nonce = ids.bytes::<NONCE_BYTES>();
    let aad = at.associated_data(key_id);
    let cipher = Aes256Gcm::new_from_slice(&key[..]).map_err(|_| OpenError)?;
    let sealed = cipher
        .encrypt(
            &Nonce::from(nonce),
            Payload {
                msg: plaintext,
                aad: &aad,
            },
        )
        .map_err(|_| OpenError)?;
    let mut out = nonce.to_vec();
    out.extend_from_slice(&sealed);
    Ok(out)
}

/// Opens what [`seal`] made at the same place.
pub fn open(
    key: &Key,
    key_id: &str,
    at: Location<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_BYTES).ok_or(OpenError)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| OpenError)?;
    let aad = at.associated_data(key_id);
    let cipher = Aes256Gcm::new_from_slice(&key[..]).map_err(|_| OpenError)?;
    cipher
        .decrypt(
            &Nonce::from(nonce),
            Payload {
                msg: ciphertext,
                aad: &aad,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenError)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: Location<'_> = Location {
        table: "settings",
        column: "value",
        row: "a",
    };

    fn key(byte: u8) -> Key {
        Zeroizing::new([byte; KEY_BYTES])
    }

    #[test]
    fn a_value_opens_only_where_it_was_sealed_and_under_its_key() {
        let ids = Ids::seeded(1);
        let sealed = seal(&key(1), "k1", HERE, b"secret", &ids).unwrap();
        assert_eq!(&open(&key(1), "k1", HERE, &sealed).unwrap()[..], b"secret");
        let moved = Location { row: "b", ..HERE };
        assert_eq!(open(&key(1), "k1", moved, &sealed), Err(OpenError));
        let shifted = Location {
            table: "settingsv",
            column: "alue",
            row: "a",
        };
        assert_eq!(open(&key(1), "k1", shifted, &sealed), Err(OpenError));
        assert_eq!(open(&key(2), "k1", HERE, &sealed), Err(OpenError));
        assert_eq!(open(&key(1), "k2", HERE, &sealed), Err(OpenError));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let ids = Ids::seeded(1);
        let one = seal(&key(1), "k", HERE, b"x", &ids).unwrap();
        assert_ne!(one, seal(&key(1), "k", HERE, b"x", &ids).unwrap());
    }

    proptest! {
        #[test]
        fn any_change_is_noticed(plain in proptest::collection::vec(any::<u8>(), 0..64), at: usize, bit in 0..8u8) {
            let mut sealed = seal(&key(1), "k", HERE, &plain, &Ids::seeded(3)).unwrap();
            let at = at % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(open(&key(1), "k", HERE, &sealed), Err(OpenError));
        }

        #[test]
        fn no_input_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(open(&key(1), "k", HERE, &bytes).is_err());
        }
    }
}
