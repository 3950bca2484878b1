//! Signing in.

mod login;
mod rescue;
mod sessions;
mod setup;
mod subnets;
mod totp;
mod verify;
