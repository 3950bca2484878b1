//! What becomes of a message.

use std::time::Duration;

use super::http::{HttpService, Rejection};
use super::parts::Parts;
use super::words::complaint;
use crate::platform::outbound::{Answer, Unreached};

/// After so many that ask for a pause the rest wait: it is the server that is busy, and not a room of it.
const MOST_BUSY: usize = 2;
/// Characters of a service's words that are kept.
const MOST_WORDS: usize = 500;

/// An attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What was sent last, as text, if anything was.
    pub payload: Option<String>,
    /// What came of it.
    pub outcome: Result<Delivered, Undelivered>,
}

impl Attempt {
    /// One of which nothing is known but that it failed.
    pub fn failed(trouble: Undelivered) -> Self {
        Self {
            payload: None,
            outcome: Err(trouble),
        }
    }
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The status of the last answer.
    pub status: u16,
    /// The beginning of what it said.
    pub words: String,
}

/// A message that was not taken, or not everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// For people; never with a secret.
    pub why: String,
    /// The same without the words of the other side, if it stands in a private network.
    pub discreet: Option<Box<str>>,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// Whether trying again can help.
    pub is_transient: bool,
    /// Whether nobody is there any more (410), and never will be.
    pub is_gone: bool,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether it is the address that is at fault: nobody answers there, or nobody who may be asked.
    pub is_unreached: bool,
    /// Whether it was too large, here or there.
    pub is_too_large: bool,
    /// Whether some of its targets have it, and no attempt helps the others.
    pub is_partly_sent: bool,
    /// What became of its targets, in this attempt and those before it.
    pub parts: Parts,
}

impl Undelivered {
    /// Something that no repetition helps. The first `done` targets have it.
    pub fn lasting(why: impl Into<String>, done: usize) -> Self {
        Self {
            why: why.into(),
            discreet: None,
            status: None,
            is_transient: false,
            is_gone: false,
            retry_after: None,
            is_unreached: false,
            is_too_large: false,
            is_partly_sent: false,
            parts: Parts::first(done),
        }
    }

    pub(super) fn unreached(error: &Unreached) -> Self {
        Self {
            is_transient: !error.is_lasting(),
            is_unreached: !matches!(error, Unreached::TooLarge(_) | Unreached::Unwritable(_)),
            is_too_large: matches!(error, Unreached::TooLarge(_)),
            ..Self::lasting(error.to_string(), 0)
        }
    }

    pub(super) fn answered(answer: &Answer, said: &str, rejection: Option<Rejection>) -> Self {
        let status = answer.status;
        let mut retry_after = answer.retry_after;
        let mut discreet = None;
        let (why, is_transient) = match rejection {
            Some(rejection) => {
                retry_after = rejection.retry_after.or(retry_after);
                (rejection.why, rejection.is_transient)
            }
            None if (300..400).contains(&status) => (
                format!(
                    "it answered {status}, a redirect; those are not followed. Give the final address"
                ),
                false,
            ),
            None => {
                let plain = format!("it answered {status}");
                discreet = answer.is_near.then(|| plain.clone().into_boxed_str());
                (
                    match complaint(said) {
                        Some(words) => format!("{plain}: {words}"),
                        None => plain,
                    },
                    matches!(status, 408 | 425 | 429) || status >= 500,
                )
            }
        };
        Self {
            discreet,
            status: Some(status),
            is_transient,
            is_gone: status == 410,
            is_unreached: (300..400).contains(&status),
            is_too_large: status == 413,
            retry_after,
            ..Self::lasting(why, 0)
        }
    }

    pub(super) fn with(self, parts: &Parts) -> Self {
        Self {
            parts: parts.clone(),
            ..self
        }
    }
}

/// What becomes of a message's targets within an attempt.
pub(super) struct Told {
    pub(super) count: usize,
    pub(super) parts: Parts,
    last: Delivered,
    /// What refused it for good.
    lasting: Option<Undelivered>,
    /// What may take it later.
    later: Option<Undelivered>,
    gone: usize,
    busy: usize,
}

impl Told {
    pub(super) fn new(count: usize, parts: Parts) -> Self {
        Self {
            count,
            parts,
            last: Delivered {
                status: 200,
                words: String::new(),
            },
            lasting: None,
            later: None,
            gone: 0,
            busy: 0,
        }
    }

    pub(super) fn taken(&mut self, part: usize, answer: &Answer, service: &dyn HttpService) {
        self.parts.take(part);
        self.last = Delivered {
            status: answer.status,
            words: service
                .scrub(&answer.body)
                .chars()
                .take(MOST_WORDS)
                .collect(),
        };
    }

    /// Notes a refusal. Returns whether the others need not be asked now.
    pub(super) fn refused(&mut self, part: usize, trouble: Undelivered) -> bool {
        if trouble.is_transient {
            let is_unreached = trouble.status.is_none();
            self.busy += usize::from(trouble.status == Some(429));
            let wait = self.later.as_ref().and_then(|known| known.retry_after);
            self.later = Some(Undelivered {
                retry_after: trouble.retry_after.max(wait),
                ..trouble
            });
            return is_unreached || self.busy >= MOST_BUSY;
        }
        self.gone += usize::from(trouble.is_gone);
        self.parts.refuse(part, &trouble.why);
        // Whoever does not let us in does so for all of them.
        let is_for_all = trouble.status == Some(401);
        if is_for_all {
            for other in 0..self.count {
                if self.parts.is_open(other) {
                    self.parts.refuse(other, &trouble.why);
                }
            }
        }
        self.lasting.get_or_insert(trouble);
        is_for_all
    }

    pub(super) fn stop(&mut self, why: &str) {
        self.later = Some(Undelivered {
            is_transient: true,
            ..Undelivered::lasting(why, 0)
        });
    }

    pub(super) fn end(self) -> Result<Delivered, Undelivered> {
        let taken = self.parts.taken.len();
        let told = |why: &str| match taken {
            0 => why.to_owned(),
            _ => format!("sent to {taken} of {}: {why}", self.count),
        };
        if let Some(later) = self.later {
            return Err(Undelivered {
                why: told(&later.why),
                is_gone: false,
                parts: self.parts,
                ..later
            });
        }
        let Some(first) = self.parts.refused.values().next() else {
            return Ok(self.last);
        };
        let trouble = self
            .lasting
            .unwrap_or_else(|| Undelivered::lasting(first.clone(), 0));
        Err(Undelivered {
            why: told(&trouble.why),
            is_gone: self.gone == self.count,
            is_partly_sent: taken > 0,
            parts: self.parts,
            ..trouble
        })
    }
}
