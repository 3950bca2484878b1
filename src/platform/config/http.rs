//! `FLOWKEEP_LISTEN`, `FLOWKEEP_PUBLIC_URL`, `FLOWKEEP_TRUSTED_PROXIES`,
//! `FLOWKEEP_METRICS_TOKEN_FILE`, `FLOWKEEP_STOP_GRACE_SECONDS`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;
use url::Url;

use super::ConfigError;

/// Where the daemon listens and whose forwarding headers it believes.
#[derive(Args, Clone, Debug)]
pub struct HttpConfig {
    /// Address and port to listen on.
    #[arg(long, env = "FLOWKEEP_LISTEN", default_value = "0.0.0.0:3333")]
    pub listen: SocketAddr,

    /// The address people open, as in <https://flowkeep.example.com>; used in links.
    #[arg(long, env = "FLOWKEEP_PUBLIC_URL")]
    pub public_url: Option<Url>,

    /// Networks of reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed,
    /// as in `127.0.0.1/32,172.16.0.0/12`. Nobody else's are.
    #[arg(long, env = "FLOWKEEP_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<IpNet>,

    /// A file with a token that Prometheus sends as `Authorization: Bearer` to read `/metrics`.
    #[arg(long, env = "FLOWKEEP_METRICS_TOKEN_FILE")]
    pub metrics_token_file: Option<PathBuf>,

    /// Seconds that running work gets to end when the daemon is stopped.
    #[arg(long, env = "FLOWKEEP_STOP_GRACE_SECONDS", default_value_t = 25)]
    pub stop_grace_seconds: u64,
}

impl HttpConfig {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(url) = &self.public_url
            && !matches!(url.scheme(), "http" | "https")
        {
            return Err(ConfigError {
                name: "FLOWKEEP_PUBLIC_URL",
                problem: format!("{url} is no web address; begin it with http:// or https://"),
            });
        }
        if let Some(net) = self
            .trusted_proxies
            .iter()
            .find(|net| net.prefix_len() == 0)
        {
            return Err(ConfigError {
                name: "FLOWKEEP_TRUSTED_PROXIES",
                problem: format!("{net} trusts everybody; name the network of your proxy instead"),
            });
        }
        if self.stop_grace_seconds == 0 || self.stop_grace_seconds > 3_600 {
            return Err(ConfigError {
                name: "FLOWKEEP_STOP_GRACE_SECONDS",
                problem: "must be between 1 and 3600".to_owned(),
            });
        }
        Ok(())
    }
}
