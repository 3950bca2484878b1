//! n8n's encryption, to check a key without n8n.
//!
//! Layer one, all of 1.x and the default of 2.x: AES-256-CBC in OpenSSL's `Salted__` form, key and
//! IV from the instance key by EVP_BytesToKey with MD5. It has no check sum: a key is right when
//! padding, UTF-8 and JSON all come out right. Layer two, 2.x with the table `deployment_key`:
//! AES-256-GCM under keys that are themselves wrapped by the instance key; its tag is a proof.
//! Tried against what n8n 1.123 and 2.41 wrote.

use std::collections::BTreeMap;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use hkdf::Hkdf;
use md5::{Digest as _, Md5};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

const GCM_INFO: &[u8] = b"n8n-encryption-v1";
const GCM_HEAD_BYTES: usize = 1 + 32 + 16;

/// A row of n8n's table `deployment_key`.
#[derive(Clone, Debug, Default)]
pub struct DeploymentKey {
    /// Its name in `keyId:` prefixes.
    pub id: String,
    /// What it is for, as in `data_encryption`.
    pub kind: String,
    /// The wrapped key.
    pub value: String,
    /// How it is wrapped, `None` for not at all.
    pub algorithm: Option<String>,
}

/// Whether a key is the one a database was encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// It is, and this shows it.
    Proven(String),
    /// It is not.
    Wrong(String),
    /// Nothing there is encrypted, so nobody can tell.
    CannotProve(String),
}

/// The instance key and what it unwraps.
pub struct Keyring {
    instance_key: SecretString,
    keys: BTreeMap<String, DeploymentKey>,
}

impl Keyring {
    /// The instance key beside the rows of `deployment_key` (none on 1.x).
    pub fn new(instance_key: SecretString, rows: Vec<DeploymentKey>) -> Self {
        Self {
            instance_key,
            keys: rows.into_iter().map(|row| (row.id.clone(), row)).collect(),
        }
    }

    /// Checks the key against the wrapped keys; `None` when there are none to check against.
    pub fn check_wrapped(&self) -> Option<KeyCheck> {
        let wrapped: Vec<_> = self
            .keys
            .values()
            .filter(|row| row.algorithm.as_deref() == Some("aes-256-gcm"))
            .collect();
        if wrapped.is_empty() {
            return None;
        }
        let wrapping = self.wrapping_key();
        let failed = wrapped
            .iter()
            .filter(|row| open_gcm(&wrapping, &row.value).is_none())
            .count();
        Some(if failed == 0 {
            KeyCheck::Proven(format!("it opens {} of n8n's own keys", wrapped.len()))
        } else {
            KeyCheck::Wrong(format!(
                "it does not open {failed} of n8n's {} own keys",
                wrapped.len()
            ))
        })
    }

    /// Whether a stored credential opens to a JSON object.
    pub fn opens_credential(&self, data: &str) -> bool {
        self.open_credential(data).is_some()
    }

    /// What a stored credential hides, if the key is right: a JSON object.
    pub fn open_credential(&self, data: &str) -> Option<Zeroizing<Vec<u8>>> {
        let plain = match data.split_once(':') {
            Some((id, ciphertext)) if is_key_id(id) => self.open_prefixed(id, ciphertext),
            _ => open_cbc(self.instance_key.expose_secret(), data),
        };
        plain.filter(|plain| {
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(plain).is_ok()
        })
    }

    /// Encrypts a credential in the form that every n8n reads, whatever it writes by itself.
    pub fn seal_credential(&self, plain: &[u8], salt: [u8; 8]) -> String {
        seal_cbc(self.instance_key.expose_secret(), plain, salt)
    }

    fn open_prefixed(&self, id: &str, ciphertext: &str) -> Option<Zeroizing<Vec<u8>>> {
        let row = self
            .keys
            .get(id)
            .filter(|row| row.kind == "data_encryption")?;
        let key = open_gcm(&self.wrapping_key(), &row.value)
            .or_else(|| open_cbc(self.instance_key.expose_secret(), &row.value))?;
        let text = std::str::from_utf8(&key).ok()?;
        match hex::decode(text)
            .ok()
            .and_then(|key| <[u8; 32]>::try_from(key).ok())
        {
            Some(key) => open_gcm(&Zeroizing::new(key), ciphertext),
            None => open_cbc(text, ciphertext),
        }
    }

    fn wrapping_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(Sha256::digest(self.instance_key.expose_secret().as_bytes()).into())
    }
}

fn is_key_id(id: &str) -> bool {
    (1..=36).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// AES key and IV by OpenSSL's EVP_BytesToKey with MD5. The key's characters count as Latin-1.
fn cbc_key(key: &str, salt: &[u8]) -> (Zeroizing<[u8; 32]>, [u8; 16]) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Node's latin1 keeps the low byte"
    )]
    let mut secret: Zeroizing<Vec<u8>> =
        Zeroizing::new(key.encode_utf16().map(|unit| unit as u8).collect());
    secret.extend_from_slice(salt);
    let first = Md5::digest(&secret[..]);
    let second = Md5::new()
        .chain_update(first)
        .chain_update(&secret[..])
        .finalize();
    let third = Md5::new()
        .chain_update(second)
        .chain_update(&secret[..])
        .finalize();
    let mut aes_key = Zeroizing::new([0_u8; 32]);
    aes_key[..16].copy_from_slice(&first);
    aes_key[16..].copy_from_slice(&second);
    (aes_key, third.into())
}

/// base64( `Salted__` ‖ salt 8 ‖ ciphertext ).
fn open_cbc(key: &str, data: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = STANDARD.decode(data.trim()).ok()?;
    let rest = bytes.strip_prefix(b"Salted__")?;
    let (salt, ciphertext) = rest.split_at_checked(8)?;
    let (aes_key, iv) = cbc_key(key, salt);
    let decryptor = cbc::Decryptor::<aes::Aes256>::new_from_slices(&aes_key[..], &iv).ok()?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

fn seal_cbc(key: &str, plain: &[u8], salt: [u8; 8]) -> String {
    let (aes_key, iv) = cbc_key(key, &salt);
    let encryptor = cbc::Encryptor::<aes::Aes256>::new((&*aes_key).into(), (&iv).into());
    let mut bytes = [b"Salted__".as_slice(), &salt].concat();
    bytes.extend(encryptor.encrypt_padded_vec::<Pkcs7>(plain));
    STANDARD.encode(bytes)
}

/// base64( 0x01 ‖ salt 32 ‖ tag 16 ‖ ciphertext ); key and IV by HKDF-SHA256.
fn open_gcm(key: &[u8; 32], data: &str) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = STANDARD.decode(data.trim()).ok()?;
    let (head, ciphertext) = bytes.split_at_checked(GCM_HEAD_BYTES)?;
    if head[0] != 1 {
        return None;
    }
    let (salt, tag) = head[1..].split_at(32);
    let mut derived = Zeroizing::new([0_u8; 44]);
    Hkdf::<Sha256>::new(Some(salt), key)
        .expand(GCM_INFO, &mut derived[..])
        .ok()?;
    let cipher = Aes256Gcm::new_from_slice(&derived[..32]).ok()?;
    let nonce: [u8; 12] = derived[32..].try_into().ok()?;
    let sealed = [ciphertext, tag].concat();
    let payload = Payload {
        msg: &sealed,
        aad: b"",
    };
    cipher
        .decrypt(&Nonce::from(nonce), payload)
        .ok()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_again_and_under_no_other_key() {
        let ring = |key: &str| Keyring::new(SecretString::from(key), Vec::new());
        let plain = br#"{"name":"X","value":"a secret"}"#;
        let sealed = ring("schlüssel €").seal_credential(plain, *b"12345678");
        assert!(sealed.starts_with("U2FsdGVkX1"), "{sealed}");
        assert_eq!(
            &ring("schlüssel €").open_credential(&sealed).unwrap()[..],
            plain
        );
        assert!(!ring("another").opens_credential(&sealed));
        // Written by `openssl enc -aes-256-cbc -md md5 -base64 -A -pass pass:key`.
        let sealed = ring("key").seal_credential(b"{}", *b"saltsalt");
        assert_eq!(sealed, "U2FsdGVkX19zYWx0c2FsdNvWlGevyzXCqYLXfhr9Jw8=");
    }
}
