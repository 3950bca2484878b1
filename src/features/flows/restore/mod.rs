//! Workflows put back into the running n8n.

mod apply;
mod checks;
mod copy;
mod credentials;
mod plan;
mod routes;
mod service;
mod settle;
mod sql;
mod store;
mod target;
mod undo;

pub use routes::router;
