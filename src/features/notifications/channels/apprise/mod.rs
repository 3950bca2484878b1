//! Apprise's URLs: which services Flowkeep speaks itself, and what their URLs mean.

use std::collections::BTreeMap;

/// An Apprise URL in its parts, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppriseUrl {
    /// In small letters.
    pub scheme: String,
    /// Before the colon in front of the host.
    pub user: Option<String>,
    /// After it.
    pub password: Option<String>,
    /// The host, or a service's first token.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
    /// The path's segments.
    pub path: Vec<String>,
    /// Query parameters; the names with their signs.
    pub query: BTreeMap<String, String>,
}
