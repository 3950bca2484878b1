//! What ended a container.

use std::time::Duration;

use super::{ContainerError, Culprit, Ending, Fact, Seen, Watcher};

/// How often the engine is asked whether memory ran out, and how long after another: it notes that a moment after
/// the end.
const LOOKS: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(100);
/// Of a program that was killed: 128 and SIGKILL.
const KILLED: i64 = 137;

impl Watcher<'_> {
    /// Its program ended.
    pub(super) async fn ended(
        &mut self,
        id: &str,
        name: &str,
        code: Option<&String>,
    ) -> Result<(), ContainerError> {
        let seen = self.inspect(id, name).await?;
        let exit_code = code.and_then(|code| code.parse().ok());
        let signal = self.clues.take_signal(id, exit_code);
        let is_oom = self.clues.take_out_of_memory(id)
            || self
                .is_out_of_memory(id, name, exit_code, seen.as_ref())
                .await?;
        let own_work = self.service.parts.docker.take_asked(&[id, name]);
        let culprit = if let Some(name) = self.service.take_end(id) {
            Culprit::User { name }
        } else if own_work {
            Culprit::Flowkeep
        } else if is_oom {
            Culprit::OutOfMemory {
                limit: seen.as_ref().map(|seen| seen.memory_limit),
            }
        } else if let Some(signal) = signal {
            Culprit::DockerKill { signal }
        } else {
            Culprit::Itself
        };
        let fact = Fact::Ended(Ending {
            culprit,
            exit_code,
            is_removed: seen.is_none(),
        });
        match seen {
            Some(seen) => self.apply(&seen, Some(fact)).await,
            None => self.apply_gone(name, fact).await,
        }
    }

    /// Whether it was killed because it used up its memory.
    async fn is_out_of_memory(
        &mut self,
        id: &str,
        name: &str,
        exit_code: Option<i64>,
        seen: Option<&Seen>,
    ) -> Result<bool, ContainerError> {
        let Some(seen) = seen else {
            return Ok(false);
        };
        let is_open = exit_code == Some(KILLED) && seen.memory_limit > 0;
        if seen.is_out_of_memory || !is_open {
            return Ok(seen.is_out_of_memory);
        }
        for _ in 0..LOOKS {
            tokio::time::sleep(BETWEEN).await;
            match self.inspect(id, name).await? {
                Some(seen) if seen.is_out_of_memory => return Ok(true),
                Some(_) => {}
                None => break,
            }
        }
        Ok(self.clues.take_out_of_memory(id))
    }
}
