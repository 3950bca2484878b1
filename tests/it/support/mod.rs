//! What tests stand on.

pub mod app;
pub mod daemon;
pub mod postgres;
