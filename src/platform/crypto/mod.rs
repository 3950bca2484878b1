//! Random tokens and their hashes.

pub mod token;
