//! Signing in.

mod advisories;
mod login;
mod policy;
mod rescue;
mod sessions;
mod setup;
mod subnets;
mod totp;
mod verify;
