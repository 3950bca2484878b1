//! Signing in.

mod login;
mod sessions;
mod setup;
mod verify;
