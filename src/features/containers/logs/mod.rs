//! What containers wrote, and write.

pub mod clean;
mod follow;
mod history;
mod lines;

pub use follow::{Feed, Followed};
pub use history::{Search, Wanted};
pub use lines::{Line, stream_name};
