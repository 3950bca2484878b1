//! stub
pub mod archive;
