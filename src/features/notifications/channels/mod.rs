//! How a message leaves: what each kind of service takes and how it is sent.

pub mod apprise;
mod deliver;
pub mod form;
pub mod http;
pub mod mail;
pub mod mailbox;
pub mod message;
pub mod mqtt;
pub mod ntfy;
mod outcome;
mod parts;
pub mod webhook;
mod words;

pub use deliver::{Terms, deliver};
pub use outcome::{Attempt, Delivered, Undelivered};
pub use parts::Parts;
