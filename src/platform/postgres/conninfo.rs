//! Where a database is and who connects: read from a URL, handed on to sqlx and to libpq.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Over the network.
    Tcp(String),
    /// In this folder's socket.
    Socket(PathBuf),
}

/// Where a database is and who connects. The password never shows in `Debug` or `Display`.
#[derive(Clone, Debug)]
pub struct ConnInfo {
    /// Where the server listens.
    pub host: Host,
    /// Its port; also names the socket.
    pub port: u16,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The role's password, if one is needed.
    pub password: Option<SecretString>,
    /// libpq's `sslmode`.
    pub sslmode: Option<String>,
    /// libpq's `sslrootcert`.
    pub sslrootcert: Option<PathBuf>,
}

/// A database URL that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConnInfoError(String);

/// Stands for a host that the URL does not name.
const NO_HOST: &str = "no-host.invalid";
const EXAMPLE: &str = "postgres://user:password@host:5432/database";

impl ConnInfo {
    /// Reads `postgres://user:password@host:port/database?sslmode=…&host=/socket/folder`.
    pub fn parse(text: &str) -> Result<Self, ConnInfoError> {
        let error = |why: &str| ConnInfoError(format!("{why}; write it as {EXAMPLE}"));
        let text = text.trim();
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(error("the URL does not begin with postgres://"));
        }
        let url = Url::parse(&with_host(text)).map_err(|_| {
            error(
                "the URL cannot be read (characters such as @ / : # in a password are written \
                   %40 %2F %3A %23)",
            )
        })?;
        let decode = |part: &str| {
            percent_decode_str(part)
                .decode_utf8()
                .map(std::borrow::Cow::into_owned)
        };
        let bad_text = |_| error("the URL holds bytes that are no UTF-8");
        let mut host = url.host_str().filter(|host| *host != NO_HOST).map(|host| {
            Host::Tcp(
                host.trim_start_matches('[')
                    .trim_end_matches(']')
                    .to_owned(),
            )
        });
        if let Some(Host::Tcp(name)) = &host {
            let name = decode(name).map_err(bad_text)?;
            if name.contains(',') {
                return Err(error("the URL names several hosts; name one"));
            }
            host = Some(host_of(&name));
        }
        let mut port = url.port().unwrap_or(5432);
        let mut user = decode(url.username()).map_err(bad_text)?;
        let mut password = url.password().map(decode).transpose().map_err(bad_text)?;
        let mut database = decode(url.path().trim_start_matches('/')).map_err(bad_text)?;
        let (mut sslmode, mut sslrootcert) = (None, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "host" => host = Some(host_of(&value)),
                "port" => port = value.parse().map_err(|_| error("port is no number"))?,
                "user" => user = value.into_owned(),
                "password" => password = Some(value.into_owned()),
                "dbname" => database = value.into_owned(),
                "sslmode" => {
                    if value.parse::<PgSslMode>().is_err() {
                        return Err(error(
                            "sslmode must be disable, allow, prefer, require, verify-ca or verify-full",
                        ));
                    }
                    sslmode = Some(value.into_owned());
                }
                "sslrootcert" => sslrootcert = Some(PathBuf::from(value.into_owned())),
                "application_name" | "connect_timeout" | "schema" => {}
                other => return Err(error(&format!("the option {other} is not known here"))),
            }
        }
        if user.is_empty() {
            return Err(error("the URL names no user"));
        }
        if database.is_empty() {
            return Err(error("the URL names no database"));
        }
        if [&user, &database].iter().any(|text| text.contains('\0')) {
            return Err(error("the URL holds a NUL byte"));
        }
        // SASLprep (RFC 4013, section 2.3) does not carry them.
        if password
            .as_ref()
            .is_some_and(|text| text.chars().any(char::is_control))
        {
            return Err(error(
                "the password holds a control character such as a line break, which cannot be sent; \
                 give the role another password",
            ));
        }
        Ok(Self {
            host: host.ok_or_else(|| error("the URL names no host"))?,
            port,
            user,
            database,
            password: password
                .filter(|text| !text.is_empty())
                .map(SecretString::from),
            sslmode,
            sslrootcert,
        })
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn with_database(&self, database: impl Into<String>) -> Self {
        Self {
            database: database.into(),
            ..self.clone()
        }
    }

    /// For connecting with sqlx.
    pub fn to_sqlx(&self) -> PgConnectOptions {
        let mut options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .database(&self.database);
        options = match &self.host {
            Host::Tcp(host) => options.host(host),
            Host::Socket(dir) => options.socket(dir),
        };
        if let Some(password) = &self.password {
            options = options.password(password.expose_secret());
        }
        if let Some(mode) = self.sslmode.as_deref().and_then(|mode| mode.parse().ok()) {
            options = options.ssl_mode(mode);
        }
        if let Some(file) = &self.sslrootcert {
            options = options.ssl_root_cert(file);
        }
        options
    }

    /// A libpq connection string without the password. Given as one `--dbname=` argument, no part
    /// of it can be taken for an option or another part.
    pub fn to_libpq(&self) -> String {
        let host = match &self.host {
            Host::Tcp(host) => host.clone(),
            Host::Socket(dir) => dir.to_string_lossy().into_owned(),
        };
        let port = self.port.to_string();
        let rootcert = self
            .sslrootcert
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned());
        [
            ("host", Some(host.as_str())),
            ("port", Some(port.as_str())),
            ("user", Some(self.user.as_str())),
            ("dbname", Some(self.database.as_str())),
            ("sslmode", self.sslmode.as_deref()),
            ("sslrootcert", rootcert.as_deref()),
            ("application_name", Some("flowkeep")),
            ("connect_timeout", Some("15")),
        ]
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", quote(value))))
        .collect::<Vec<_>>()
        .join(" ")
    }

    /// The host and port for people.
    pub fn address(&self) -> String {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Socket(dir) => format!("{}:{}", dir.display(), self.port),
        }
    }

    /// Names the database itself, whoever connects: SHA-256 of host, port and database in
    /// hexadecimal. The key of "one run at a time for each database".
    pub fn identity_hash(&self) -> String {
        let identity = format!("{}\0{}", self.address().to_ascii_lowercase(), self.database);
        hex::encode(Sha256::digest(identity.as_bytes()))
    }
}

/// `user@/database?host=/socket` names its host behind the question mark, which the URL standard
/// has no form for.
fn with_host(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + 3);
    let end = text[start..]
        .find(['/', '?'])
        .map_or(text.len(), |at| start + at);
    if text[start..end].is_empty() || text[start..end].ends_with('@') {
        format!("{}{NO_HOST}{}", &text[..end], &text[end..])
    } else {
        text.to_owned()
    }
}

fn host_of(text: &str) -> Host {
    if text.starts_with('/') {
        Host::Socket(text.into())
    } else {
        Host::Tcp(text.to_owned())
    }
}

/// libpq: values in single quotes, with `\` before `\` and `'`.
fn quote(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('\'');
    for c in value.chars() {
        if matches!(c, '\'' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_is_read_into_its_parts() {
        let info = ConnInfo::parse("postgres://n8n:p%40ss%2F@db.lan:5433/n8n?sslmode=require");
        let info = info.unwrap();
        assert_eq!(info.host, Host::Tcp("db.lan".to_owned()));
        assert_eq!(
            (info.port, info.user.as_str(), info.database.as_str()),
            (5433, "n8n", "n8n")
        );
        assert_eq!(info.password.unwrap().expose_secret(), "p@ss/");
        let socket = ConnInfo::parse("postgresql://u@/d?host=/run/pg").unwrap();
        assert_eq!(socket.host, Host::Socket("/run/pg".into()));
        let v6 = ConnInfo::parse("postgres://u@[::1]/d").unwrap();
        assert_eq!(v6.address(), "[::1]:5432");
    }

    #[test]
    fn what_is_missing_is_named_with_the_remedy() {
        for (url, part) in [
            ("mysql://u@h/d", "postgres://"),
            ("postgres://h/d", "no user"),
            ("postgres://u@h", "no database"),
            ("postgres://u@h:99999/d", "cannot be read"),
            ("postgres://u@a,b/d", "several hosts"),
            ("postgres://u@h/d?sslmode=maybe", "sslmode"),
            ("postgres://u@h/d?options=-c%20x", "options"),
            ("postgres://u:a%0Ab@h/d", "control character"),
        ] {
            let error = ConnInfo::parse(url).unwrap_err().to_string();
            assert!(
                error.contains(part) && error.contains(EXAMPLE),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn f21_odd_database_names_stay_one_value() {
        for name in [
            "-f/etc/passwd",
            "a;b",
            "a b",
            "$(id)",
            "x'y\\",
            "a' host='evil",
        ] {
            let mut info = ConnInfo::parse("postgres://u@h/d").unwrap();
            info.database = name.to_owned();
            let escaped = name.replace('\\', "\\\\").replace('\'', "\\'");
            assert!(info.to_libpq().contains(&format!("dbname='{escaped}'")));
        }
    }

    #[test]
    fn the_password_shows_nowhere() {
        let info = ConnInfo::parse("postgres://u:hunter2secret@h/d").unwrap();
        assert!(!format!("{info:?} {} {}", info.to_libpq(), info.address()).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in ".{0,80}") {
            let _ = ConnInfo::parse(&text);
            let _ = ConnInfo::parse(&format!("postgres://{text}"));
        }

        #[test]
        fn quoted_values_can_be_read_back(value in "[^\0]{0,30}") {
            let quoted = quote(&value);
            let inner = &quoted[1..quoted.len() - 1];
            let mut back = String::new();
            let mut chars = inner.chars();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '\'');
                back.push(if c == '\\' { chars.next().unwrap() } else { c });
            }
            prop_assert_eq!(back, value);
        }
    }
}
