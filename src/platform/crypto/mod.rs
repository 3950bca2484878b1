//! Random tokens and their hashes, and authenticated encryption of single values.

pub mod cipher;
pub mod token;
