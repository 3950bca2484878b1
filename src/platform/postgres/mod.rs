//! PostgreSQL from outside: where a server is, which programs are installed, and private clusters
//! of our own.

mod cluster;
mod conninfo;
mod embedded;
mod identity;
mod installation;
mod passfile;
mod permissions;
mod words;

pub use cluster::{Cluster, ClusterError, ClusterSpec, Durability};
pub use conninfo::{ConnInfo, ConnInfoError, Host};
pub use embedded::{EmbeddedCluster, EmbeddedError};
pub use identity::unprivileged_identity;
pub use installation::{Installation, Installations, MissingProgram, is_program};
pub use passfile::PassFile;
pub use permissions::{Unreadable, unreadable_tables};

/// Quotes an identifier for SQL.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
pub use words::server_words;
