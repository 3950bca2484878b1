//! Random tokens. The database keeps only their SHA-256: they carry 256 random bits, so a slow
//! hash would add nothing (OWASP ASVS 5.0, 7.2.3 and 11.4).

use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::platform::ids::Ids;

/// A fresh token of 64 hexadecimal characters (256 random bits).
pub fn generate(ids: &Ids) -> SecretString {
    SecretString::from(hex::encode(ids.bytes::<32>()))
}

/// The SHA-256 of a token.
pub fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The SHA-256 of a token in hexadecimal, as the database keeps it.
pub fn hash_hex(token: &str) -> String {
    hex::encode(digest(token))
}
