//! Failure counters of names that are no account.
//!
//! They behave as an account's does, so that nobody learns which names exist. There are at most
//! [`CAPACITY`] of them and the least used goes first: made-up names can neither fill the memory
//! nor lock anybody else (CVE-2026-77561).

use std::num::NonZeroUsize;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use lru::LruCache;
use parking_lot::Mutex;

use super::lockout::Counter;
use crate::platform::crypto::token;

const CAPACITY: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Counters by the hash of the lower-cased name.
#[derive(Clone, Debug)]
pub struct UnknownNames(Arc<Mutex<LruCache<[u8; 32], Counter>>>);

impl Default for UnknownNames {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(LruCache::new(CAPACITY))))
    }
}

impl UnknownNames {
    /// The counter of a name.
    pub fn counter(&self, name: &str) -> Counter {
        self.0.lock().get(&key(name)).copied().unwrap_or_default()
    }

    /// Counts a failure and says whether it locked the name; if the name rests, for how many
    /// seconds.
    pub fn count_failure(
        &self,
        name: &str,
        now: DateTime<Utc>,
        threshold: i32,
    ) -> Result<(Counter, bool), u64> {
        let mut names = self.0.lock();
        let counter = names.get_or_insert_mut(key(name), Counter::default);
        if let Some(seconds) = counter.rests_for_seconds(now) {
            return Err(seconds);
        }
        let (next, has_locked) = counter.after_failure(now, threshold);
        *counter = next;
        Ok((next, has_locked))
    }
}

fn key(name: &str) -> [u8; 32] {
    token::digest(&name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cve_2026_77561_made_up_names_stay_bounded_and_lock_nobody_else() {
        let names = UnknownNames::default();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for number in 0..CAPACITY.get() * 2 {
            let _ = names.count_failure(&format!("bogus{number}"), now, 1);
        }
        assert_eq!(names.0.lock().len(), CAPACITY.get());
        assert_eq!(names.counter("admin"), Counter::default());
    }

    #[test]
    fn cve_2026_47203_spelling_in_capitals_is_the_same_name() {
        let names = UnknownNames::default();
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for name in ["john", "John", "JOHN", "jOhN"] {
            assert!(!names.count_failure(name, now, 5).unwrap().1);
        }
        assert!(names.count_failure("JoHn", now, 5).unwrap().1);
        assert_eq!(names.count_failure("john", now, 5), Err(60));
    }
}
