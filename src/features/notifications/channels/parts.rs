//! What became of the targets of one message.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Which targets have a message and which refused it for good, counted from 0. The others are asked again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Parts {
    /// These have it.
    pub taken: BTreeSet<usize>,
    /// These do not want it, and why.
    pub refused: BTreeMap<usize, String>,
}

impl Parts {
    /// The first `count` have it.
    pub fn first(count: usize) -> Self {
        Self {
            taken: (0..count).collect(),
            refused: BTreeMap::new(),
        }
    }

    /// Whether this one is still to be told.
    pub fn is_open(&self, part: usize) -> bool {
        !self.taken.contains(&part) && !self.refused.contains_key(&part)
    }

    /// This one has it.
    pub fn take(&mut self, part: usize) {
        self.taken.insert(part);
    }

    /// This one will never want it.
    pub fn refuse(&mut self, part: usize, why: &str) {
        self.refused.insert(part, why.to_owned());
    }
}
