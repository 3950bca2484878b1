//! What containers wrote, and write.

pub mod clean;
mod follow;
mod history;
mod lines;
mod state;
mod viewer;

pub use follow::Feed;
pub use history::{Search, Wanted};
pub use lines::{Line, stream_name};
pub use viewer::Followed;
