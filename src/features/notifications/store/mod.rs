//! The tables of notifications.

pub mod alerts;
pub mod batches;
pub mod events;
pub mod history;
pub mod rules;
pub mod services;
