//! What happens by itself, and when: backups by their schedules, and proofs of the newest backups.
//!
//! Invariants:
//! - Each due time is acted on once at most, whatever crashes, clocks and second daemons do: its row
//!   in `schedule_runs` is unique, and only the leader writes it.
//! - Missed due times are one run, if the last of them is less than an hour ago; older ones are told.
//! - A scheduled backup that fails for a passing reason is tried again twice.
//!
//! Owns `backup_schedules`, `verification_schedule`, `apscheduler_jobs` and `schedule_runs`.

mod error;
mod model;
mod ping;
mod recurrence;
mod routes;
mod service;
mod staleness;
mod store;
mod verification;
mod worker;

pub use error::ScheduleError;
pub use model::{Draft, Frequency, When};
pub use recurrence::{Recurrence, Rule};
pub use routes::router;
pub use service::{ScheduleParts, ScheduleService};
pub use staleness::Stale;
