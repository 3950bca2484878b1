//! How far running work is, for whoever watches. Nothing is kept when it ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::Value;

/// What kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// A backup being made.
    Backup,
    /// A backup being proven.
    Verification,
}

/// How far running work is, by kind and id. Cheap to clone; all clones are one board.
#[derive(Clone, Debug, Default)]
pub struct ProgressBoard(Arc<RwLock<BTreeMap<(Work, i32), Value>>>);

/// Takes its work off the board when dropped.
#[derive(Debug)]
pub struct Posted {
    board: ProgressBoard,
    key: (Work, i32),
}

impl ProgressBoard {
    /// Puts work on the board until the result is dropped.
    pub fn post(&self, work: Work, id: i32, value: Value) -> Posted {
        let posted = Posted {
            board: self.clone(),
            key: (work, id),
        };
        posted.update(value);
        posted
    }

    /// What runs now.
    pub fn running(&self, work: Work) -> Vec<Value> {
        let board = self.0.read();
        board
            .iter()
            .filter(|((kind, _), _)| *kind == work)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

impl Posted {
    /// Notes how far it is.
    pub fn update(&self, value: Value) {
        self.board.0.write().insert(self.key, value);
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        self.board.0.write().remove(&self.key);
    }
}
