//! Signing in: the first administrator, passwords, sessions, the second factor, who may come in.
//!
//! Invariants:
//! - There is no default password; the first administrator is made by a one-time link.
//! - Only hashes of tokens, passwords and recovery codes are stored.
//! - A request counts as signed in in one way only: [`AuthService::authenticate`]. There is no
//!   half-open session; password and second factor are checked together or not at all.
//! - A revoked session fails from the moment its revocation is answered.
//! - Whoever guesses can neither tell an unknown name from a wrong password nor keep the owner of
//!   a live session or of a known browser out.

mod cookie;
mod current;
mod email;
mod entity;
mod error;
mod hasher;
mod live;
mod lockout;
mod openings;
mod password;
mod policy;
mod presented;
mod routes;
mod service;
mod store;
mod subnet;
mod totp;
mod unknown;
mod username;

pub use cookie::{CookieKind, Malformed, Transport, single_token, travels_in_the_clear};
pub use current::{CurrentUser, Reauthenticated};
pub use error::AuthError;
pub use live::LiveSession;
pub use openings::{Ending, Openings};
pub use routes::{
    follow, forbidden_address, open_router, origin, require_allowed_address, require_session,
    router,
};
pub use service::{AuthParts, AuthService, NewAdmin, Origin, SetupOffer};
