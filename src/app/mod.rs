//! Puts the parts together: state, routes, background work, start and stop.

mod about;
mod assemble;
mod background;
mod bootstrap;
mod docs;
mod gate;
pub mod health;
mod metrics;
pub mod router;
mod server;
pub mod setup_link;
pub mod state;
mod watch;

pub use bootstrap::bootstrap;
pub use server::{ServeError, serve};
pub use state::{AppState, Parts, Tuning};
