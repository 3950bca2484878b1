//! Every setting: its key, kind, bounds and default.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::platform::outbound::{NEAR, check_url};

/// What values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// Yes or no.
    Boolean,
    /// A whole number within bounds.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What it counts.
        unit: &'static str,
    },
    /// One of a few words.
    Choice {
        /// Which.
        choices: &'static [&'static str],
    },
    /// A time zone by its name in the tz database, as in `Europe/Berlin`.
    TimeZone {
        /// Whether it may be empty.
        is_optional: bool,
    },
    /// A line of text.
    Text {
        /// Most characters.
        max_length: usize,
        /// What it may look like.
        example: &'static str,
    },
    /// Paths of this machine, one a line.
    Paths {
        /// Most paths.
        max: usize,
    },
    /// Short lines of text, checked where they are used.
    Lines {
        /// Most lines.
        max: usize,
    },
    /// A URL of the web that goes in and never comes out: whoever knows it may call it.
    SecretUrl,
    /// Text that goes in and never comes out.
    Secret {
        /// Most characters.
        max_length: usize,
    },
}

/// A declared setting.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Which.
    pub key: Key,
    /// Its name in the database and the API.
    pub name: &'static str,
    /// The group it is shown in.
    pub category: &'static str,
    /// A short name for people.
    pub title: &'static str,
    /// What it does.
    pub description: &'static str,
    /// What values it takes.
    pub kind: Kind,
    default: Default,
    /// Changed through a page of its own, not through the list of settings.
    pub is_internal: bool,
}

#[derive(Clone, Copy, Debug)]
enum Default {
    Boolean(bool),
    Integer(i64),
    Text(&'static str),
    Nothing,
}

macro_rules! settings {
    ($($variant:ident = $name:literal, $category:literal, $title:literal, $description:literal, $kind:expr, $default:expr $(, $internal:ident)?;)+) => {
        /// A setting's key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Key { $(#[doc = $description] $variant,)+ }

        /// Every setting, in the order in which it is shown.
        pub const DEFINITIONS: &[Definition] = &[$(Definition {
            key: Key::$variant,
            name: $name,
            category: $category,
            title: $title,
            description: $description,
            kind: $kind,
            default: $default,
            is_internal: settings!(@internal $($internal)?),
        },)+];

        impl Key {
            /// Its declaration.
            pub fn definition(self) -> &'static Definition {
                // The table is in the order of the variants; a test holds it to that.
                &DEFINITIONS[self as usize]
            }
        }
    };
    (@internal internal) => { true };
    (@internal) => { false };
}

settings! {
    TimeZone = "general.time_zone", "general", "Time zone",
        "Whose days retention counts, and what new schedules begin with.",
        Kind::TimeZone { is_optional: false }, Default::Text("UTC");
    SessionHours = "auth.session_hours", "security", "Session lifetime",
        "Hours after which a session ends, whatever it does.",
        Kind::Integer { min: 1, max: 720, unit: "hours" }, Default::Integer(24);
    SessionIdleMinutes = "auth.session_idle_minutes", "security", "Idle time-out",
        "Minutes without a request after which a session ends; 0 for never.",
        Kind::Integer { min: 0, max: 43_200, unit: "minutes" }, Default::Integer(0);
    BcryptCost = "auth.bcrypt_cost", "security", "Password hashing cost",
        "bcrypt's cost: each step doubles the work of a guess and of a sign-in.",
        Kind::Integer { min: 10, max: 15, unit: "cost" }, Default::Integer(12);
    LockoutThreshold = "auth.lockout_threshold", "security", "Failures before a lockout",
        "Wrong passwords in a row after which a name is locked for a while.",
        Kind::Integer { min: 3, max: 50, unit: "attempts" }, Default::Integer(5);
    BackupCompression = "backups.compression", "backups", "Compression",
        "How backups are compressed unless asked otherwise.",
        Kind::Choice { choices: &["zstd", "gzip", "none"] }, Default::Text("zstd");
    BackupCompressionLevel = "backups.compression_level", "backups", "Compression level",
        "Level for zstd (1 to 19) and gzip (1 to 9): higher is smaller and slower.",
        Kind::Integer { min: 1, max: 19, unit: "level" }, Default::Integer(3);
    BackupLockWaitSeconds = "backups.lock_wait_seconds", "backups", "Longest wait for a lock",
        "Seconds a backup waits for a table that something else has locked.",
        Kind::Integer { min: 1, max: 3_600, unit: "seconds" }, Default::Integer(60);
    BackupStallSeconds = "backups.stall_seconds", "backups", "Longest standstill",
        "Seconds without a single byte after which a backup is given up.",
        Kind::Integer { min: 5, max: 86_400, unit: "seconds" }, Default::Integer(300);
    BackupReserveMegabytes = "backups.reserve_megabytes", "backups", "Space to leave free",
        "Megabytes on the backup disk that a backup must leave free.",
        Kind::Integer { min: 0, max: 10_000_000, unit: "MB" }, Default::Integer(512);
    PingUrl = "backups.ping_url", "backups", "Dead man's ping",
        "A URL that is called every ten minutes while every schedule has a fresh, proven backup, as of Healthchecks or a push monitor of Uptime Kuma. When the calls stop, it tells you, also when this machine is gone.",
        Kind::SecretUrl, Default::Nothing;
    N8nConfigPaths = "n8n.config_paths", "n8n", "n8n's configuration",
        "Files and folders of n8n's configuration on this machine: its .n8n folder with the encryption key, compose and environment files.",
        Kind::Paths { max: 50 }, Default::Nothing;
    N8nContainers = "n8n.containers", "n8n", "n8n's containers",
        "Names of n8n's containers on this machine, the main one first, workers after it, with commas between. They are stopped while a restored database takes the place of the old one, and n8n's folder is backed up out of the first.",
        Kind::Text { max_length: 500, example: "n8n,n8n-worker" }, Default::Text("");
    N8nContainerFolder = "n8n.container_folder", "n8n", "n8n's folder in the container",
        "Where n8n keeps its configuration and encryption key inside its container.",
        Kind::Text { max_length: 500, example: "/home/node/.n8n" }, Default::Text("/home/node/.n8n");
    ContainerPrefixes = "containers.prefixes", "containers", "Names of containers",
        "Beginnings of the names of containers that are shown and can be started and stopped here, with commas between. One of these four settings is enough for a container; n8n's containers are always among them.",
        Kind::Text { max_length: 500, example: "n8n_,postgres" }, Default::Text("n8n_");
    ContainerProjects = "containers.projects", "containers", "Compose projects",
        "Projects of docker compose whose containers are shown, with commas between.",
        Kind::Text { max_length: 500, example: "n8n,tools" }, Default::Text("");
    ContainerLabels = "containers.labels", "containers", "Labels of containers",
        "Labels whose containers are shown, as name or name=value, with commas between.",
        Kind::Text { max_length: 500, example: "flowkeep.watch=true" }, Default::Text("");
    ContainerMemoryPercent = "containers.memory_percent", "containers", "A container's memory is high from",
        "Percent of the memory that a container may use from which it is told, once it lasts. Measured only while a notification rule is for it.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(90);
    ContainerCpuPercent = "containers.cpu_percent", "containers", "A container's CPU is high from",
        "Percent of the processor time that a container may use from which it is told, once it lasts. Measured only while a notification rule is for it.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(90);
    VerifyAfterBackup = "verification.after_backup", "verification", "Prove every backup",
        "Restore each new backup into a throwaway server and compare every table's rows.",
        Kind::Boolean, Default::Boolean(true);
    VerificationEngine = "verification.engine", "verification", "Where backups are proven",
        "docker: in a container without a network. local: with the PostgreSQL programs of this machine. auto: in Docker where it can be.",
        Kind::Choice { choices: &["auto", "docker", "local"] }, Default::Text("auto");
    VerificationImage = "verification.image", "verification", "Image for proofs",
        "The PostgreSQL image that backups are restored in; {major} stands for the major version.",
        Kind::Text { max_length: 300, example: "pgvector/pgvector:pg{major}" }, Default::Text("pgvector/pgvector:pg{major}");
    VerificationMemoryMegabytes = "verification.memory_megabytes", "verification", "Memory for proofs",
        "Megabytes of memory that the container of a proof may take.",
        Kind::Integer { min: 256, max: 262_144, unit: "MB" }, Default::Integer(1_024);
    VerificationN8nImage = "verification.n8n_image", "verification", "Start n8n on the copy",
        "An n8n image on this machine that is started on each restored copy, without a network and with every workflow inactive; empty for not.",
        Kind::Text { max_length: 300, example: "docker.n8n.io/n8nio/n8n:2.41.1" }, Default::Text("");
    VerificationTimeoutMinutes = "verification.timeout_minutes", "verification", "Time limit",
        "Minutes after which a verification is given up.",
        Kind::Integer { min: 1, max: 1_440, unit: "minutes" }, Default::Integer(120);
    ScrubDays = "verification.scrub_days", "verification", "Hash every file again after",
        "Days after which a stored file is read again and its hash compared; 0 for never.",
        Kind::Integer { min: 0, max: 365, unit: "days" }, Default::Integer(7);
    NotificationPrivateNetworks = "notifications.allow_private_networks", "notifications", "Private networks",
        "Whether notifications and e-mail may go to private addresses: this machine and the networks around it. Cloud metadata and link-local addresses are never asked.",
        Kind::Boolean, Default::Boolean(false);
    NotificationHistoryDays = "notifications.history_days", "notifications", "How long history stays",
        "Days after which delivered and failed notifications are forgotten.",
        Kind::Integer { min: 1, max: 3_650, unit: "days" }, Default::Integer(90);
    SsoParentDomain = "sso.parent_domain", "security", "Parent domain",
        "The domain under which Flowkeep and the tools beside it have host names of their own.",
        Kind::Text { max_length: 253, example: "example.com" }, Default::Text(""), internal;
    HostCpuPercent = "host.cpu_percent", "host", "CPU is high from",
        "Percent of the processor from which it is told, once it lasts.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(90);
    HostMemoryPercent = "host.memory_percent", "host", "Memory is high from",
        "Percent of memory in use, caches left out, from which it is told, once it lasts.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(90);
    HostDiskWarningPercent = "host.disk_warning_percent", "host", "A disk fills up from",
        "Percent of a disk from which it is told that it fills up.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(85);
    HostDiskCriticalPercent = "host.disk_critical_percent", "host", "A disk is nearly full from",
        "Percent of a disk from which it is told that it is nearly full.",
        Kind::Integer { min: 10, max: 100, unit: "percent" }, Default::Integer(95);
    HostRaiseMinutes = "host.raise_minutes", "host", "Too high for",
        "Minutes without a break that a value must be too high before anybody is told.",
        Kind::Integer { min: 0, max: 1_440, unit: "minutes" }, Default::Integer(5);
    HostClearMinutes = "host.clear_minutes", "host", "Well again for",
        "Minutes without a break that a value must be three points below its threshold before an alert ends.",
        Kind::Integer { min: 0, max: 1_440, unit: "minutes" }, Default::Integer(5);
    WatchdogStuckMinutes = "watchdog.stuck_minutes", "watchdog", "Runs are stuck after",
        "Minutes that a run may take at least before it counts as stuck; one of a workflow that usually takes long may take three times its usual time.",
        Kind::Integer { min: 5, max: 10_080, unit: "minutes" }, Default::Integer(30);
    WatchdogGraceMinutes = "watchdog.grace_minutes", "watchdog", "Runs are missed after",
        "Minutes after the time of its schedule at which a workflow that did not begin is told.",
        Kind::Integer { min: 1, max: 1_440, unit: "minutes" }, Default::Integer(5);
    WatchdogFailures = "watchdog.failures", "watchdog", "Failures before it is told",
        "Failed runs in a row after which a workflow is told to be failing.",
        Kind::Integer { min: 1, max: 100, unit: "runs" }, Default::Integer(1);
    WatchdogTimeZone = "watchdog.time_zone", "watchdog", "n8n's time zone",
        "n8n's GENERIC_TIMEZONE, for workflows without a time zone of their own; empty to learn it from what they write down when they run.",
        Kind::TimeZone { is_optional: true }, Default::Text("");
    BackupEncryption = "backups.encryption", "backups", "Encryption",
        "Whether new backups are encrypted.",
        Kind::Boolean, Default::Boolean(false), internal;
    BackupIdentities = "backups.identities", "backups", "Keys of backups",
        "The private keys that open encrypted backups, the newest first.",
        Kind::Secret { max_length: 20_000 }, Default::Nothing, internal;
    BackupRecipients = "backups.recipients", "backups", "Further public keys",
        "Public keys of age that new backups are encrypted to as well.",
        Kind::Lines { max: 20 }, Default::Nothing, internal;
    N8nDatabaseUrl = "n8n.database_url", "n8n", "n8n's database",
        "The URL of n8n's own database.",
        Kind::Secret { max_length: 2_000 }, Default::Nothing, internal;
    N8nEncryptionKey = "n8n.encryption_key", "n8n", "n8n's encryption key",
        "The key n8n encrypts credentials with.",
        Kind::Secret { max_length: 4_000 }, Default::Nothing, internal;
    N8nApiUrl = "n8n.api_url", "n8n", "n8n's address",
        "Where n8n's public API is, without /api.",
        Kind::Text { max_length: 500, example: "http://n8n:5678" }, Default::Text(""), internal;
    N8nApiKey = "n8n.api_key", "n8n", "n8n's API key",
        "The key with which workflows are put back.",
        Kind::Secret { max_length: 4_000 }, Default::Nothing, internal;
    N8nIsSample = "n8n.is_sample", "n8n", "Sample database",
        "Whether the connection is the sample that comes with Flowkeep.",
        Kind::Boolean, Default::Boolean(false), internal;
}

/// Numbers of which the first must not be larger than the second.
pub const ORDERED: &[(Key, Key)] = &[(Key::HostDiskWarningPercent, Key::HostDiskCriticalPercent)];

impl Definition {
    /// The value when nobody chose one.
    pub fn default_value(&self) -> Value {
        match self.default {
            Default::Boolean(value) => json!(value),
            Default::Integer(value) => json!(value),
            Default::Text(value) => json!(value),
            Default::Nothing => Value::Null,
        }
    }

    /// Whether it is a secret.
    pub fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Secret { .. } | Kind::SecretUrl)
    }

    /// Checks a value. The error says what would be right.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match self.kind {
            Kind::Boolean if value.is_boolean() => Ok(()),
            Kind::Boolean => Err("must be true or false".to_owned()),
            Kind::Integer { min, max, unit } => match value.as_i64() {
                Some(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!(
                    "must be a whole number between {min} and {max} ({unit})"
                )),
            },
            Kind::Choice { choices } => match value.as_str() {
                Some(word) if choices.contains(&word) => Ok(()),
                _ => Err(format!("must be one of: {}", choices.join(", "))),
            },
            Kind::TimeZone { is_optional } => match value.as_str() {
                Some("") if is_optional => Ok(()),
                Some(name) if name.parse::<chrono_tz::Tz>().is_ok() => Ok(()),
                _ => {
                    let or = if is_optional { ", or empty" } else { "" };
                    Err(format!(
                        "must be a time zone's name, as in Europe/Berlin{or}"
                    ))
                }
            },
            Kind::Paths { max } => check_paths(value, max),
            Kind::Text {
                max_length,
                example,
            } => match value.as_str() {
                Some(text)
                    if text.chars().count() <= max_length
                        && !text.chars().any(|c| c.is_control() || c.is_whitespace()) =>
                {
                    Ok(())
                }
                _ => Err(format!(
                    "must be text without spaces of at most {max_length} characters, as in {example}"
                )),
            },
            Kind::Lines { max } => {
                let lines = value.as_array().filter(|lines| lines.len() <= max);
                let is_short = |line: &Value| line.as_str().is_some_and(|text| text.len() <= 500);
                match lines {
                    Some(lines) if lines.iter().all(is_short) => Ok(()),
                    _ => Err(format!("must be a list of at most {max} short lines")),
                }
            }
            Kind::SecretUrl => {
                let url = value.as_str().filter(|text| text.len() <= 2_000);
                let url = url.and_then(|text| url::Url::parse(text).ok());
                let url = url.ok_or("must be a URL, as in https://hc-ping.com/your-uuid")?;
                check_url(&url, NEAR).map_err(|refusal| refusal.to_string())
            }
            Kind::Secret { max_length } => match value.as_str() {
                Some("") => Err("is empty; remove the setting instead".to_owned()),
                Some(text) if text.contains('\0') => Err("holds a NUL character".to_owned()),
                Some(text) if text.chars().count() <= max_length => Ok(()),
                Some(_) => Err(format!("is longer than {max_length} characters")),
                None => Err("must be text".to_owned()),
            },
        }
    }
}

fn check_paths(value: &Value, max: usize) -> Result<(), String> {
    let Some(paths) = value.as_array().filter(|paths| paths.len() <= max) else {
        return Err(format!("must be a list of at most {max} paths"));
    };
    for path in paths {
        let path = path.as_str().unwrap_or_default();
        let is_plain = std::path::Path::new(path)
            .components()
            .all(|part| !matches!(part, std::path::Component::ParentDir));
        if !path.starts_with('/') || path.contains('\0') || !is_plain || path.len() > 4_000 {
            return Err(format!(
                "{path:?} is no whole path; write it from the root, as in /home/node/.n8n"
            ));
        }
    }
    Ok(())
}

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Definition> {
    DEFINITIONS
        .iter()
        .find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_finds_its_own_definition_and_every_default_is_valid() {
        for (index, definition) in DEFINITIONS.iter().enumerate() {
            assert_eq!(definition.key as usize, index);
            assert_eq!(definition.key.definition().name, definition.name);
            let default = definition.default_value();
            assert!(
                default.is_null() || definition.check(&default).is_ok(),
                "{}",
                definition.name
            );
            let same = DEFINITIONS
                .iter()
                .filter(|other| other.name == definition.name);
            assert_eq!(same.count(), 1);
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_what_would_be_right() {
        let check = |key: Key, value: Value| key.definition().check(&value);
        assert!(check(Key::SessionHours, json!(24)).is_ok());
        assert!(
            check(Key::SessionHours, json!(0))
                .unwrap_err()
                .contains("between 1 and 720")
        );
        assert!(check(Key::SessionHours, json!("24")).is_err());
        assert!(check(Key::SessionHours, json!(1.5)).is_err());
        assert!(
            check(Key::BackupCompression, json!("rar"))
                .unwrap_err()
                .contains("zstd")
        );
        assert!(check(Key::VerifyAfterBackup, json!(1)).is_err());
        assert!(check(Key::N8nEncryptionKey, json!("")).is_err());
    }
}
