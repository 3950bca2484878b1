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
const BACKUP_TYPE: &str = "postgres_n8n";
const FILE: &str = "postgres_n8n-2026-03-01T03-00-00Z.dump.zst";

pub(super) const BACKUP_SUCCESS: &[Variable] = &[
    needed("id", "The backup's number.", "42"),
    needed("backup_type", "What was backed up.", BACKUP_TYPE),
    optional("database", "The database.", "n8n"),
    needed("filename", "The file's name.", FILE),
    needed("size", "The file's size.", "18.4 MB"),
    optional("tables", "How many tables.", "61"),
    optional("rows", "How many rows.", "120481"),
    optional("duration", "How long it took.", "12 s"),
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
    optional("backup_type", "What was to be backed up.", BACKUP_TYPE),
    optional("database", "The database.", "n8n"),
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
    optional("id", "The proof's number.", "7"),
    optional("filename", "The file's name.", FILE),
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
    needed("username", "The administrator's name.", "admin"),
    HOST,
    TIME,
    URL,
    VERSION,
];
