//! Signing in.

mod advisories;
mod login;
mod rescue;
mod sessions;
mod setup;
mod subnets;
mod totp;
mod verify;
