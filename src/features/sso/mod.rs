//! Single sign-on: one login guards the tools beside Flowkeep.
//!
//! Invariants:
//! - nginx names the tool, in its own configuration. Nothing that a client sends has a part in which rule applies.
//! - `GET /api/auth/verify` is answered from memory, without a statement to the database.
//! - The cookie of the parent domain opens tools and nothing else, and ends with the session that it was made in.
//! - Nobody is sent anywhere but to a tool on the list, by an address that is kept here and used once.

mod cookie;
mod error;
mod memory;
mod openings;
mod returns;
mod routes;
mod service;
mod services;
mod site;
mod snippets;
mod store;
mod target;
mod upkeep;
mod visits;

pub use routes::{Verifier, open_router, router, verify_router};
pub use service::{SsoParts, SsoService};
