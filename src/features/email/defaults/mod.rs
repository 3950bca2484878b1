//! The templates that come with Flowkeep: what each says, and what it may speak of.

mod variables;

use super::layout;
use super::template::{Parts, Variable};
use variables::{
    BACKUP_FAILED, BACKUP_SUCCESS, CONTAINER_ALERT, DISK_WARNING, TEST_EMAIL, VERIFICATION_FAILED,
    WELCOME,
};

/// What kind of news it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// Something is broken.
    Bad,
    /// Something will break.
    Careful,
    /// Neither.
    Plain,
}

/// A paragraph, shown only when the variable `when` is.
pub struct Paragraph<'a> {
    pub text: &'a str,
    pub when: Option<&'a str>,
}

/// A line of a table.
pub struct Fact<'a> {
    pub label: &'a str,
    pub value: &'a str,
    pub when: Option<&'a str>,
}

/// A link that looks like a button.
pub struct Button<'a> {
    pub label: &'a str,
    pub url: &'a str,
    pub when: Option<&'a str>,
    /// Beside a louder one.
    pub is_quiet: bool,
}

/// What a message says.
pub struct Content<'a> {
    pub tone: Tone,
    /// Whether an event's own colour takes the place of the tone's: the template speaks of good and bad news.
    pub follows_event: bool,
    pub heading: &'a str,
    /// What mail clients show beside the subject in their lists.
    pub preheader: &'a str,
    pub paragraphs: Vec<Paragraph<'a>>,
    pub facts: Vec<Fact<'a>>,
    pub buttons: Vec<Button<'a>>,
    pub footer: &'a str,
}

/// A template that comes with Flowkeep.
pub struct Default {
    pub key: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub category: &'static str,
    pub variables: &'static [Variable],
    subject: &'static str,
    content: fn() -> Content<'static>,
}

impl Default {
    /// Its source.
    pub fn parts(&self) -> Parts {
        let content = (self.content)();
        Parts {
            subject: self.subject.to_owned(),
            html: layout::html(&content),
            text: layout::text(&content),
        }
    }
}

/// The template of that key.
pub fn find(key: &str) -> Option<&'static Default> {
    DEFAULTS.iter().find(|one| one.key == key)
}

/// Every template, in the order in which they are shown.
pub const DEFAULTS: &[Default] = &[
    Default {
        key: "backup_success",
        name: "Backup made",
        description: "Sent when a backup was made.",
        category: "backup",
        variables: BACKUP_SUCCESS,
        subject: "Backup made: {{ backup }} on {{ host }}",
        content: backup_success,
    },
    Default {
        key: "backup_failed",
        name: "Backup failed",
        description: "Sent when a backup could not be made.",
        category: "backup",
        variables: BACKUP_FAILED,
        subject: "Backup FAILED on {{ host }}: {{ message }}",
        content: backup_failed,
    },
    Default {
        key: "verification_failed",
        name: "Proof failed",
        description: "Sent when a backup did not restore as it should, or could not be tried.",
        category: "verification",
        variables: VERIFICATION_FAILED,
        subject: "Backup {{ backup_id }} on {{ host }} {% if status == 'could_not_verify' %}could not be \
                  proven{% else %}did not pass its proof{% endif %}",
        content: verification_failed,
    },
    Default {
        key: "container_alert",
        name: "Container",
        description: "Sent when a container started, stopped, is unhealthy or came back.",
        category: "container",
        variables: CONTAINER_ALERT,
        subject: "Container {{ container }} on {{ host }}: {{ status }}",
        content: container_alert,
    },
    Default {
        key: "disk_warning",
        name: "Disk is filling up",
        description: "Sent when a disk has little room left.",
        category: "system",
        variables: DISK_WARNING,
        subject: "Disk {{ path }} on {{ host }} is {{ used_percent }} % full",
        content: disk_warning,
    },
    Default {
        key: "test_email",
        name: "Test",
        description: "Sent to try the settings.",
        category: "system",
        variables: TEST_EMAIL,
        subject: "Flowkeep on {{ host }} can send e-mail",
        content: test_email,
    },
    Default {
        key: "welcome",
        name: "Welcome",
        description: "Sent once to the recipients of the settings, when a test was taken by the server for the first \
                      time.",
        category: "system",
        variables: WELCOME,
        subject: "Flowkeep looks after {{ host }} now",
        content: welcome,
    },
];

const FOOTER: &str =
    "Flowkeep on {{ host }}, news of {{ time }}. Change what is sent under Notifications.";
/// For messages that are no template.
pub const PLAIN_FOOTER: &str =
    "Flowkeep on @@HOST@@, news of @@TIME@@. Change what is sent under Notifications.";

fn always(text: &'static str) -> Paragraph<'static> {
    Paragraph { text, when: None }
}

fn fact(label: &'static str, value: &'static str) -> Fact<'static> {
    Fact {
        label,
        value,
        when: None,
    }
}

/// A fact that may be missing: `variable` is its name.
fn maybe(label: &'static str, value: &'static str, variable: &'static str) -> Fact<'static> {
    Fact {
        label,
        value,
        when: Some(variable),
    }
}

fn if_any(text: &'static str, variable: &'static str) -> Paragraph<'static> {
    Paragraph {
        text,
        when: Some(variable),
    }
}

fn open_flowkeep() -> Vec<Button<'static>> {
    vec![Button {
        label: "Open Flowkeep",
        url: "{{ url }}",
        when: Some("url"),
        is_quiet: false,
    }]
}

/// To the message itself if it has a place, and a way to say that somebody looks after it.
fn about_event() -> Vec<Button<'static>> {
    let button = |label, url, when, is_quiet| Button {
        label,
        url,
        when: Some(when),
        is_quiet,
    };
    vec![
        button("Open in Flowkeep", "{{ link }}", "link", false),
        button("Open Flowkeep", "{{ url }}", "url and not link", false),
        button("Acknowledge", "{{ acknowledge }}", "acknowledge", true),
    ]
}

fn backup_success() -> Content<'static> {
    Content {
        tone: Tone::Good,
        follows_event: false,
        heading: "A backup was made",
        preheader: "{{ backup }}, {{ size }}{% if rows %}, {{ rows }} rows{% endif %}.",
        paragraphs: vec![always(
            "The file was written whole{% if tables %}, and what is in it was counted against the \
                 source{% endif %}.",
        )],
        facts: vec![
            fact("Backup", "{{ backup }}, no. {{ id }}"),
            maybe("Database", "{{ database }}", "database"),
            fact("File", "{{ filename }}"),
            fact("Size", "{{ size }}"),
            maybe("Tables", "{{ tables }}", "tables"),
            maybe("Rows", "{{ rows }}", "rows"),
            maybe("Took", "{{ duration }}", "duration"),
        ],
        buttons: about_event(),
        footer: FOOTER,
    }
}

fn backup_failed() -> Content<'static> {
    Content {
        tone: Tone::Bad,
        follows_event: false,
        heading: "A backup failed",
        preheader: "{{ message }}",
        paragraphs: vec![
            always("{{ message }}"),
            always(
                "Earlier backups are untouched. Until this is put right, nothing newer can be restored.",
            ),
        ],
        facts: vec![
            maybe("Backup", "{{ backup }}", "backup"),
            maybe("Database", "{{ database }}", "database"),
            fact("Number", "{{ id }}"),
            fact("Reason", "{{ code }}"),
        ],
        buttons: about_event(),
        footer: FOOTER,
    }
}

fn verification_failed() -> Content<'static> {
    Content {
        tone: Tone::Bad,
        follows_event: true,
        heading: "{% if status == 'could_not_verify' %}A backup could not be proven{% else %}A backup did not \
                  pass its proof{% endif %}",
        preheader: "Backup {{ backup_id }}: {{ message }}",
        paragraphs: vec![
            always("{{ message }}"),
            always(
                "{% if status == 'could_not_verify' %}Nothing is known to be wrong with this backup: it could \
                 not be tried. Until it is, nobody knows whether it restores.{% else %}Do not rely on this \
                 backup.{% if not remedy %} Make another one now, and keep the older ones.{% endif %}{% endif %}",
            ),
            if_any("{{ remedy }}", "remedy"),
        ],
        facts: vec![
            fact("Backup", "no. {{ backup_id }}"),
            maybe("File", "{{ filename }}", "filename"),
            fact(
                "Outcome",
                "{% if status == 'could_not_verify' %}could not be proven{% else %}{{ status }}{% endif %}",
            ),
            fact("Reason", "{{ code }}"),
        ],
        buttons: about_event(),
        footer: FOOTER,
    }
}

fn container_alert() -> Content<'static> {
    Content {
        tone: Tone::Careful,
        follows_event: true,
        heading: "Container {{ container }}: {{ status }}",
        preheader: "{{ container }} on {{ host }}: {{ status }}.",
        paragraphs: vec![if_any("{{ message }}", "message")],
        facts: vec![
            fact("Container", "{{ container }}"),
            fact("State", "{{ status }}"),
            maybe("Image", "{{ image }}", "image"),
            maybe("Exit code", "{{ exit_code }}", "exit_code"),
        ],
        buttons: about_event(),
        footer: FOOTER,
    }
}

fn disk_warning() -> Content<'static> {
    Content {
        tone: Tone::Careful,
        follows_event: true,
        heading: "{% if severity == 'critical' %}A disk is nearly full{% else %}A disk is filling up{% endif %}",
        preheader: "{{ path }} is {{ used_percent }} % full.",
        paragraphs: vec![
            always(
                "{{ path }} on {{ host }} is {{ used_percent }} % full. When it is full, backups stop.",
            ),
            if_any("{{ message }}", "message"),
        ],
        facts: vec![
            fact("Disk", "{{ path }}"),
            fact("Used", "{{ used_percent }} %"),
            maybe("Free", "{{ free }}", "free"),
            maybe("Size", "{{ total }}", "total"),
        ],
        buttons: about_event(),
        footer: FOOTER,
    }
}

fn test_email() -> Content<'static> {
    Content {
        tone: Tone::Good,
        follows_event: false,
        heading: "This is how Flowkeep's mail arrives",
        preheader: "E-mail works.",
        paragraphs: vec![always(
            "If you read this, Flowkeep can reach you when something is wrong. Look whether it went to the \
             spam folder; if it did, mark it as wanted.",
        )],
        facts: vec![
            fact("Provider", "{{ provider }}"),
            maybe("Server", "{{ smtp_host }}", "smtp_host"),
            fact("Time", "{{ time }}"),
        ],
        buttons: open_flowkeep(),
        footer: FOOTER,
    }
}

fn welcome() -> Content<'static> {
    Content {
        tone: Tone::Plain,
        follows_event: false,
        heading: "Flowkeep looks after {{ host }} now",
        preheader: "Backups, their proof, and word when something is wrong.",
        paragraphs: vec![
            always("Hello,"),
            always(
                "{{ username }} has set up that Flowkeep writes to this address. It backs n8n up, restores each \
                 backup on trial, and tells when something is wrong.",
            ),
            always("Which news comes here is chosen under Notifications."),
            always(
                "Make a recovery kit and keep it away from this machine: with it, all of this comes back.",
            ),
        ],
        facts: Vec::new(),
        buttons: open_flowkeep(),
        footer: FOOTER,
    }
}
