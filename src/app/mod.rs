//! Puts the parts together: state, routes, background work, start and stop.

mod background;
mod gate;
mod health;
pub mod router;
mod server;
pub mod state;

pub use server::{ServeError, serve};
pub use state::{AppState, Parts};
