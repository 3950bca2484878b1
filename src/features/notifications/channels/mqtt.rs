//! Messages over MQTT 3.1.1.

use secrecy::SecretString;

/// A broker, and what is told there.
#[derive(Clone, Debug)]
pub struct MqttRoute {
    /// The broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether over TLS.
    pub is_tls: bool,
    /// Whether its certificate must be right.
    pub is_verified: bool,
    /// Name and password, if it wants them.
    pub login: Option<(String, SecretString)>,
    /// Where to publish.
    pub topics: Vec<String>,
    /// 0: at most once, 1: at least once.
    pub qos: u8,
    /// Whether the broker keeps the last one for those who come later.
    pub is_retained: bool,
}
