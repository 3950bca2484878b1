//! Who is on the way to which tool. Kept here, so that the browser holds nothing but a number.
//!
//! One use, ten minutes, and for each client address only so many: whoever floods it pushes out nobody's but their own.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;

/// How long somebody may take to sign in.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Most for one client address.
const OF_CLIENT: usize = 16;
/// Most client addresses.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// The SHA-256 of a number or of a browser's mark.
pub type Hash = [u8; 32];

/// Somebody on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The tool.
    pub service: String,
    /// Where they are sent.
    pub url: String,
    /// Whose browser it is.
    pub browser: Hash,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Everybody who is on the way.
#[derive(Debug)]
pub struct Returns {
    pending: HashMap<Hash, Pending>,
    of_client: LruCache<IpAddr, VecDeque<Hash>>,
}

impl Default for Returns {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            of_client: LruCache::new(CLIENTS),
        }
    }
}

impl Returns {
    /// Keeps one, and forgets that address' oldest if there are too many.
    pub fn keep(&mut self, client: IpAddr, id: Hash, pending: Pending) {
        if let Some(ids) = self.of_client.get_mut(&client) {
            ids.retain(|id| self.pending.contains_key(id));
            ids.push_back(id);
            while ids.len() > OF_CLIENT {
                if let Some(oldest) = ids.pop_front() {
                    self.pending.remove(&oldest);
                }
            }
        } else if let Some((_, ids)) = self.of_client.push(client, VecDeque::from([id])) {
            for id in ids {
                self.pending.remove(&id);
            }
        }
        self.pending.insert(id, pending);
    }

    /// The one of that number, if this browser began it and it is not over.
    pub fn look(&self, id: &Hash, browser: &Hash, now: DateTime<Utc>) -> Option<&Pending> {
        let pending = self.pending.get(id)?;
        (pending.browser == *browser && now < pending.expires_at).then_some(pending)
    }

    /// The same, once.
    pub fn take(&mut self, id: &Hash, browser: &Hash, now: DateTime<Utc>) -> Option<Pending> {
        self.look(id, browser, now)?;
        self.pending.remove(id)
    }

    /// Forgets what is over.
    pub fn forget_expired(&mut self, now: DateTime<Utc>) {
        self.pending.retain(|_, pending| now < pending.expires_at);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn pending() -> Pending {
        Pending {
            service: "dozzle".to_owned(),
            url: "https://dozzle.example.com/".to_owned(),
            browser: [1; 32],
            expires_at: at(0) + LIFETIME,
        }
    }

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(number))
    }

    fn id(number: u32) -> Hash {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    }

    #[test]
    fn cve_2026_32245_one_use_ten_minutes_one_browser() {
        let mut returns = Returns::default();
        returns.keep(ip(1), id(1), pending());
        assert_eq!(
            returns.take(&id(1), &[2; 32], at(0)),
            None,
            "another browser"
        );
        assert_eq!(returns.take(&id(1), &[1; 32], at(600)), None, "too late");
        assert_eq!(returns.take(&id(1), &[1; 32], at(599)), Some(pending()));
        assert_eq!(returns.take(&id(1), &[1; 32], at(599)), None, "used");
    }

    #[test]
    fn cve_2026_77561_a_flood_pushes_out_nobody_elses() {
        let mut returns = Returns::default();
        returns.keep(ip(1), id(0), pending());
        for number in 1..10_000 {
            returns.keep(ip(2), id(number), pending());
        }
        assert!(returns.look(&id(0), &[1; 32], at(0)).is_some());
        assert_eq!(returns.pending.len(), OF_CLIENT + 1);
        for number in 10_000..100_000 {
            returns.keep(ip(number), id(number), pending());
        }
        assert!(returns.pending.len() <= OF_CLIENT * CLIENTS.get());
        returns.forget_expired(at(600));
        assert_eq!(returns.pending.len(), 0);
    }
}
