//! What each template may speak of. The names are those of the events' data where there is an event.

use super::super::template::Variable;

const fn needed(name: &'static str, description: &'static str, sample: &'static str) -> Variable {
    Variable {
        name,
        description,
        sample,
        is_optional: false,
    }
}

const fn optional(name: &'static str, description: &'static str, sample: &'static str) -> Variable {
    Variable {
        name,
        description,
        sample,
        is_optional: true,
    }
}

const HOST: Variable = needed("host", "The machine that Flowkeep runs on.", "nas");
const TIME: Variable = needed(
    "time",
    "When it happened, in the time zone of the settings.",
    "2026-03-01 03:00 UTC",
);
const URL: Variable = optional(
    "url",
    "Where Flowkeep is opened, if its address is known.",
    "https://flowkeep.example.com/",
);
const VERSION: Variable = optional("version", "Flowkeep's version.", env!("CARGO_PKG_VERSION"));
/// How bad it is, for templates that speak of good and bad news.
const SEVERITY: &str = "How much it matters: info, warning, error or critical.";
const COLOR: &str = "The colour of news as good or bad as this, as #RRGGBB.";
const LINK: Variable = optional(
    "link",
    "Where this message stands in Flowkeep, if its address is known.",
    "https://flowkeep.example.com/notifications/history?message=12",
);
const ACKNOWLEDGE: Variable = optional(
    "acknowledge",
    "Where it is acknowledged, if its rule tells others when nobody does.",
    "https://flowkeep.example.com/acknowledge#token=Zm9v",
);
const IN_WORDS: &str = "What is backed up, in words.";
const BACKUP: &str = "n8n's database";
const BACKUP_TYPE: &str = "postgres_n8n";
const FILE: &str = "postgres_n8n-2026-03-01T03-00-00Z.dump.zst";

pub(super) const BACKUP_SUCCESS: &[Variable] = &[
    needed("id", "The backup's number.", "42"),
    needed("backup", IN_WORDS, BACKUP),
    needed("backup_type", "The same for programs.", BACKUP_TYPE),
    optional("database", "The database.", "n8n"),
    needed("filename", "The file's name.", FILE),
    needed("size", "The file's size.", "18.4 MB"),
    optional("tables", "How many tables; empty for what has none.", "61"),
    optional("rows", "How many rows; empty for what has none.", "120481"),
    optional("duration", "How long it took.", "12 s"),
    optional("severity", SEVERITY, "info"),
    optional("color", COLOR, "#15803d"),
    LINK,
    ACKNOWLEDGE,
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const BACKUP_FAILED: &[Variable] = &[
    needed("id", "The backup's number.", "43"),
    needed(
        "message",
        "What went wrong, with the remedy.",
        "n8n's database does not answer. Is it running?",
    ),
    needed("code", "The same for programs.", "unreachable"),
    optional("backup", IN_WORDS, BACKUP),
    optional("backup_type", "The same for programs.", BACKUP_TYPE),
    optional("database", "The database.", "n8n"),
    optional("severity", SEVERITY, "error"),
    optional("color", COLOR, "#b91c1c"),
    LINK,
    ACKNOWLEDGE,
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const VERIFICATION_FAILED: &[Variable] = &[
    needed("backup_id", "The backup's number.", "42"),
    needed(
        "message",
        "What was found.",
        "The table execution_entity has 3 rows fewer than the backup says.",
    ),
    needed("code", "The same for programs.", "rows_differ"),
    needed(
        "status",
        "The outcome: failed or could_not_verify.",
        "failed",
    ),
    optional(
        "remedy",
        "What to do about it.",
        "Make a new backup and verify it.",
    ),
    optional("id", "The proof's number.", "7"),
    optional("filename", "The file's name.", FILE),
    optional("severity", SEVERITY, "critical"),
    optional("color", COLOR, "#b91c1c"),
    LINK,
    ACKNOWLEDGE,
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const CONTAINER_ALERT: &[Variable] = &[
    needed("container", "The container's name.", "n8n_main"),
    needed("status", "What became of it.", "unhealthy"),
    optional(
        "message",
        "More about it.",
        "Its health check failed three times in a row.",
    ),
    optional("image", "Its image.", "docker.n8n.io/n8nio/n8n:2.41.1"),
    optional("exit_code", "What it ended with.", "137"),
    optional("severity", SEVERITY, "error"),
    optional("color", COLOR, "#b91c1c"),
    LINK,
    ACKNOWLEDGE,
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const DISK_WARNING: &[Variable] = &[
    needed("path", "Where the disk is mounted.", "/var/lib/flowkeep"),
    needed("used_percent", "How full it is, in percent.", "91"),
    optional("free", "Room left.", "9.1 GB"),
    optional("total", "Its size.", "100 GB"),
    optional(
        "message",
        "More about it.",
        "At this pace it is full in 6 days.",
    ),
    optional("severity", SEVERITY, "warning"),
    optional("color", COLOR, "#b45309"),
    LINK,
    ACKNOWLEDGE,
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const TEST_EMAIL: &[Variable] = &[
    needed("provider", "Who carries the mail.", "smtp"),
    optional("smtp_host", "The mail server.", "mail.example.com"),
    HOST,
    TIME,
    URL,
    VERSION,
];

pub(super) const WELCOME: &[Variable] = &[
    needed("username", "Who set e-mail up.", "admin"),
    HOST,
    TIME,
    URL,
    VERSION,
];
