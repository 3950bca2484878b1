//! What tests stand on.

pub mod app;
pub mod daemon;
pub mod disk;
pub mod gate;
pub mod nginx;
pub mod postgres;
pub mod receiver;
pub mod s3;
pub mod smtp;
pub mod sshd;
