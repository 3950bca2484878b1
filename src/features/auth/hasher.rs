//! bcrypt, off the async threads.
//!
//! One check costs a core a quarter of a second by design, so only two run at once and a login
//! flood waits in line instead of taking the machine. Unknown names go the same way with a hash
//! of the same cost: neither the answer nor the time tells them apart (OWASP ASVS 5.0, 6.3.8).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::AuthError;
use super::password::MAX_BYTES;
use crate::platform::ids::Ids;

const AT_ONCE: usize = 2;
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Hashes and checks passwords. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    runs: Arc<AtomicU64>,
    ids: Ids,
}

impl Hasher {
    /// A hasher that draws its salts from `ids`.
    pub fn new(ids: Ids) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            runs: Arc::default(),
            ids,
        }
    }

    /// How often bcrypt ran.
    pub fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Hashes a password that fits bcrypt whole.
    pub async fn hash(&self, password: &SecretString, cost: u32) -> Result<String, AuthError> {
        if password.expose_secret().len() > MAX_BYTES {
            return Err(bcrypt::BcryptError::Truncation(password.expose_secret().len()).into());
        }
        let _turn = self.turn().await?;
        let (password, salt) = (password.clone(), self.ids.bytes::<16>());
        let parts = tokio::task::spawn_blocking(move || {
            bcrypt::hash_with_salt(password.expose_secret(), cost, salt)
        })
        .await??;
        Ok(parts.to_string())
    }

    /// Whether the password is the hash's. One that is too long for bcrypt is never anybody's,
    /// but takes as long to say so.
    pub async fn verify(&self, password: &SecretString, hash: &str) -> Result<bool, AuthError> {
        let _turn = self.turn().await?;
        let (password, hash) = (password.clone(), hash.to_owned());
        let fits = password.expose_secret().len() <= MAX_BYTES;
        let is_right =
            tokio::task::spawn_blocking(move || bcrypt::verify(password.expose_secret(), &hash))
                .await??;
        Ok(is_right && fits)
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, AuthError> {
        let turn = tokio::time::timeout(LONGEST_WAIT, self.turns.acquire())
            .await
            .ok()
            .and_then(Result::ok)
            .ok_or(AuthError::Busy)?;
        self.runs.fetch_add(1, Ordering::Relaxed);
        Ok(turn)
    }
}

/// The cost that a hash was made with.
pub fn cost_of(hash: &str) -> Option<u32> {
    hash.parse::<bcrypt::HashParts>()
        .ok()
        .map(|parts| parts.get_cost())
}

/// A hash of this cost that no password is known for.
pub fn decoy(cost: u32) -> String {
    let cost = cost.clamp(4, 31);
    format!("$2b${cost:02}$.....................uDecoyDecoyDecoyDecoyDecoyDecoyu")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[tokio::test]
    async fn all_72_bytes_count_and_a_73rd_is_never_cut_off() {
        let hasher = Hasher::new(Ids::seeded(1));
        let full = "p".repeat(72);
        let hash = hasher.hash(&secret(&full), 4).await.unwrap();
        assert!(hasher.verify(&secret(&full), &hash).await.unwrap());
        let last_differs = format!("{}q", "p".repeat(71));
        assert!(!hasher.verify(&secret(&last_differs), &hash).await.unwrap());
        let longer = format!("{full}x");
        assert!(!hasher.verify(&secret(&longer), &hash).await.unwrap());
        assert!(hasher.hash(&secret(&longer), 4).await.is_err());
    }

    #[tokio::test]
    async fn a_decoy_costs_as_much_as_a_real_hash_and_opens_for_nothing() {
        let hasher = Hasher::new(Ids::seeded(1));
        for cost in [4, 10, 12] {
            assert_eq!(cost_of(&decoy(cost)), Some(cost));
        }
        assert!(!hasher.verify(&secret(""), &decoy(4)).await.unwrap());
        assert!(!hasher.verify(&secret("password"), &decoy(4)).await.unwrap());
        assert_eq!(hasher.runs(), 2);
    }
}
