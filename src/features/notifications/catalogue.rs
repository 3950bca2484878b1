//! Every type of event that is told: what it means, what it says, whom it is about.

use crate::platform::events::{Event, Severity};

use super::channels::message::Tone;

/// A type of event.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// `group.event`.
    pub name: &'static str,
    /// For people.
    pub label: &'static str,
    /// When it happens.
    pub description: &'static str,
    /// How much it usually matters.
    pub severity: Severity,
    /// Whether it is good news.
    pub tone: Tone,
    /// Fields of its data that say what it is about; the first that is there counts.
    pub about: &'static [&'static str],
    /// Types whose trouble it ends, if they are about the same.
    pub ends: &'static [&'static str],
    /// The title, as a template.
    pub title: &'static str,
    /// The text, as a template.
    pub body: &'static str,
    /// Data of one, for trying.
    pub sample: &'static str,
}

const BACKUP: &[&str] = &[
    "trouble",
    "backup_type",
    "destination",
    "schedule_id",
    "code",
];
const PROOF: &[&str] = &["backup_type", "backup_id"];
const CONTAINER: &[&str] = &["container", "name"];
const HOST: &[&str] = &["mount", "path", "destination", "resource", "host"];
const WORKFLOW: &[&str] = &["workflow_id"];
const PERSON: &[&str] = &["username", "ip_address"];
const NOTHING: &[&str] = &[];

const CONTAINER_BODY: &str = "{{ message | default('') }}";
const CONTAINER_SAMPLE: &str =
    r#"{"container":"n8n_worker","message":"It was stopped by docker stop; exit code 0."}"#;
const HOST_BODY: &str = "{{ message | default('') }}";

macro_rules! event_types {
    ($($name:literal, $label:literal, $severity:ident, $tone:ident, $about:expr, ends $ends:expr,
        $description:literal, $title:expr, $body:expr, $sample:expr;)+) => {
        /// Every type, in the order in which they are shown.
        pub const EVENT_TYPES: &[EventType] = &[$(EventType {
            name: $name,
            label: $label,
            description: $description,
            severity: Severity::$severity,
            tone: Tone::$tone,
            about: $about,
            ends: $ends,
            title: $title,
            body: $body,
            sample: $sample,
        },)+];
    };
}

event_types! {
    "backup.started", "Backup started", Info, Info, BACKUP, ends NOTHING,
        "A backup begins.",
        "Backup started: {{ backup_type | kind }}", "Backup {{ id }} of {{ backup_type | kind }} has begun.",
        r#"{"id":42,"backup_type":"postgres_n8n","trigger":"schedule"}"#;
    "backup.success", "Backup succeeded", Info, Success, BACKUP, ends &["backup.failed", "backup.warning"],
        "A backup is stored and whole.",
        "Backup succeeded: {{ backup_type | kind }}",
        "Backup {{ id }}{% if stored_bytes %}, {{ stored_bytes | bytes }}{% endif %}{% if rows %}, {{ rows }} rows in {{ tables }} tables{% endif %}.{% if filename %}\nFile: {{ filename }}{% endif %}",
        r#"{"id":42,"backup_type":"postgres_n8n","filename":"n8n-20260301T020000Z.dump.zst","stored_bytes":7340032,"rows":18211,"tables":72,"database":"n8n","duration_ms":41200}"#;
    "backup.failed", "Backup failed", Error, Failure, BACKUP, ends NOTHING,
        "A backup did not come about.",
        "Backup failed{% if backup_type %}: {{ backup_type | kind }}{% endif %}", "{{ message | default('No reason was given.') }}",
        r#"{"id":43,"backup_type":"postgres_n8n","code":"disk_full","message":"The backup disk is full: 120 MB are free, 900 MB are needed. Delete old backups or give the disk more room."}"#;
    "backup.warning", "Backup warning", Warning, Warning, BACKUP, ends NOTHING,
        "Something about backups needs a look: none is fresh, a copy failed, a run was left out.",
        "Backups need a look{% if backup_type %}: {{ backup_type | kind }}{% endif %}", "{{ message | default('') }}",
        r#"{"code":"stale","trouble":"stale:postgres_n8n","backup_type":"postgres_n8n","promised_hours":26,"message":"No proven backup of n8n's database is younger than 26 hours."}"#;
    "backup.recovered", "Backups are well again", Info, Success, BACKUP, ends &["backup.warning"],
        "What a warning about backups was about is over: there is a fresh one, copies are made again.",
        "Backups are well again{% if backup_type %}: {{ backup_type | kind }}{% endif %}", "{{ message | default('') }}",
        r#"{"code":"fresh","trouble":"stale:postgres_n8n","backup_type":"postgres_n8n","message":"They are as young again as their schedules promise."}"#;
    "verification.started", "Proof started", Info, Info, PROOF, ends NOTHING,
        "A backup is being restored on trial.",
        "Proof of backup {{ backup_id }} started", "Backup {{ backup_id }} is being restored into a throwaway server.",
        r#"{"id":7,"backup_id":42,"backup_type":"postgres_n8n"}"#;
    "verification.passed", "Backup proven", Info, Success, PROOF, ends &["verification.failed"],
        "A backup was restored on trial and holds what it should.",
        "Backup {{ backup_id }} is proven", "{{ message | default('It restores, and holds what it should.') }}",
        r#"{"id":7,"backup_id":42,"backup_type":"postgres_n8n","status":"passed","code":"ok","restore_ms":2500,"message":"It restores in 2.5 s; all 72 tables hold exactly the rows they should."}"#;
    "verification.failed", "Proof failed", Critical, Failure, PROOF, ends NOTHING,
        "A backup cannot be restored, was damaged, or could not be proven.",
        "{% if status == 'skipped' or status == 'could_not_verify' %}Backup {{ backup_id }} could not be proven{% else %}Backup {{ backup_id }} cannot be trusted{% endif %}",
        "{{ message | default('') }}",
        r#"{"id":8,"backup_id":43,"backup_type":"postgres_n8n","status":"failed","code":"checksum","message":"The file is not what was written: its SHA-256 differs.","remedy":"Keep an older proven backup and make a new one now."}"#;
    "container.started", "Container started", Info, Info, CONTAINER, ends NOTHING,
        "A container of the project began to run.",
        "{{ container | default('A container') }} started", CONTAINER_BODY, CONTAINER_SAMPLE;
    "container.stopped", "Container stopped", Warning, Warning, CONTAINER, ends NOTHING,
        "A container of the project ended.",
        "{{ container | default('A container') }} stopped", CONTAINER_BODY, CONTAINER_SAMPLE;
    "container.restarted", "Container restarted", Warning, Warning, CONTAINER, ends NOTHING,
        "A container of the project ended and runs again.",
        "{{ container | default('A container') }} restarted", CONTAINER_BODY, CONTAINER_SAMPLE;
    "container.unhealthy", "Container unhealthy", Error, Failure, CONTAINER, ends NOTHING,
        "A container's own health check fails.",
        "{{ container | default('A container') }} is unhealthy", CONTAINER_BODY, CONTAINER_SAMPLE;
    "container.recovered", "Container recovered", Info, Success, CONTAINER, ends &["container.unhealthy", "container.stopped", "container.restarted"],
        "A container that was unhealthy, stopped or did not come to rest is well again.",
        "{{ container | default('A container') }} {% if is_forgotten %}is no longer watched{% else %}recovered{% endif %}", CONTAINER_BODY, CONTAINER_SAMPLE;
    "container.high_memory", "Container short of memory", Warning, Warning, CONTAINER, ends NOTHING,
        "A container has used nearly all the memory it may have for a while.",
        "{{ container | default('A container') }} is short of memory", CONTAINER_BODY,
        r#"{"container":"n8n_worker","resource":"memory","percent":94,"memory_bytes":505413632,"memory_limit_bytes":536870912,"message":"It has used at least 90 % of the memory it may have for 5 minutes: 505 MB of 537 MB now."}"#;
    "container.memory_normal", "Container has memory again", Info, Success, CONTAINER, ends &["container.high_memory"],
        "A container no longer uses nearly all the memory it may have.",
        "{{ container | default('A container') }} {% if is_forgotten %}is no longer measured{% else %}has memory again{% endif %}", CONTAINER_BODY,
        r#"{"container":"n8n_worker","resource":"memory","percent":41,"message":"It uses 220 MB of 537 MB of memory."}"#;
    "container.high_cpu", "Container busy", Warning, Warning, CONTAINER, ends NOTHING,
        "A container has used nearly all the processor time it may have for a while.",
        "{{ container | default('A container') }} uses all its CPU", CONTAINER_BODY,
        r#"{"container":"n8n_worker","resource":"cpu","percent":98,"message":"It has used at least 90 % of its processor time (2 cores) for 5 minutes; 98 % now."}"#;
    "container.cpu_normal", "Container no longer busy", Info, Success, CONTAINER, ends &["container.high_cpu"],
        "A container no longer uses nearly all the processor time it may have.",
        "{{ container | default('A container') }} is no longer {% if is_forgotten %}measured{% else %}busy{% endif %}", CONTAINER_BODY,
        r#"{"container":"n8n_worker","resource":"cpu","percent":12,"message":"It uses 12 % of its processor time."}"#;
    "system.high_cpu", "CPU high", Warning, Warning, HOST, ends NOTHING,
        "The processor has been busy for a while.",
        "High CPU use", HOST_BODY, r#"{"resource":"cpu","percent":96,"message":"The processor was 96 % busy for 5 minutes."}"#;
    "system.cpu_normal", "CPU normal", Info, Success, HOST, ends &["system.high_cpu"],
        "The processor is no longer busy all the time.",
        "CPU use is normal again", HOST_BODY, r#"{"resource":"cpu","percent":31,"message":"The processor is 31 % busy."}"#;
    "system.high_memory", "Memory high", Warning, Warning, HOST, ends NOTHING,
        "Memory is nearly used up.",
        "High memory use", HOST_BODY, r#"{"resource":"memory","percent":93,"message":"93 % of the memory are used."}"#;
    "system.memory_normal", "Memory normal", Info, Success, HOST, ends &["system.high_memory"],
        "There is memory left again.",
        "Memory use is normal again", HOST_BODY, r#"{"resource":"memory","percent":54,"message":"54 % of the memory are used."}"#;
    "system.disk_warning", "Disk filling up", Warning, Warning, HOST, ends NOTHING,
        "A disk or network share has little room left.",
        "{% if is_share %}Network share{% else %}Disk{% endif %} {{ mount | default('') }} is filling up", HOST_BODY,
        r#"{"mount":"/","percent":86,"free_bytes":15032385536,"total_bytes":107374182400,"message":"86 % of / are used; 14.0 GB are free."}"#;
    "system.disk_critical", "Disk nearly full", Critical, Failure, HOST, ends NOTHING,
        "A disk or network share has almost no room left.",
        "{% if is_share %}Network share{% else %}Disk{% endif %} {{ mount | default('') }} is nearly full", HOST_BODY,
        r#"{"mount":"/","percent":96,"free_bytes":4294967296,"total_bytes":107374182400,"message":"96 % of / are used; 4.0 GB are free."}"#;
    "system.disk_normal", "Disk has room", Info, Success, HOST, ends &["system.disk_warning", "system.disk_critical"],
        "A disk or network share has room again.",
        "{% if is_share %}Network share{% else %}Disk{% endif %} {{ mount | default('') }} {% if is_forgotten %}is no longer watched{% else %}has room again{% endif %}", HOST_BODY,
        r#"{"mount":"/","percent":61,"free_bytes":41875931136,"total_bytes":107374182400,"message":"61 % of / are used; 41.9 GB are free."}"#;
    "system.n8n_down", "n8n does not answer", Critical, Failure, HOST, ends NOTHING,
        "n8n's own health check does not answer, or not well.",
        "n8n does not answer", HOST_BODY,
        r#"{"resource":"n8n","message":"n8n at http://n8n:5678 does not answer: connection refused."}"#;
    "system.n8n_up", "n8n answers", Info, Success, HOST, ends &["system.n8n_down"],
        "n8n answers again.",
        "n8n {% if is_forgotten %}is no longer asked{% else %}answers again{% endif %}", HOST_BODY, r#"{"resource":"n8n","message":"n8n answers again."}"#;
    "system.nfs_connected", "Share connected", Info, Success, HOST, ends &["system.nfs_disconnected", "system.nfs_error"],
        "A network share is there again.",
        "{{ destination | default('A network share') }} is {% if is_forgotten %}no longer watched{% else %}there again{% endif %}", HOST_BODY,
        r#"{"destination":"nas","path":"/mnt/nas","message":"nas: the share answers and is the right one."}"#;
    "system.nfs_disconnected", "Share gone", Error, Failure, HOST, ends NOTHING,
        "A network share is not mounted.",
        "{{ destination | default('A network share') }} is gone", HOST_BODY,
        r#"{"destination":"nas","path":"/mnt/nas","message":"nas: the share is not mounted."}"#;
    "system.nfs_error", "Share fails", Error, Failure, HOST, ends NOTHING,
        "A network share does not answer or cannot be written.",
        "{{ destination | default('A network share') }} fails", HOST_BODY,
        r#"{"destination":"nas","path":"/mnt/nas","message":"nas: no answer for 60 s; the server hangs or the network is away."}"#;
    "workflow.failing", "Workflow failing", Error, Failure, WORKFLOW, ends NOTHING,
        "Runs of a workflow fail.",
        "{{ workflow | default('A workflow') }} fails",
        "{{ message | default('') }}{% if link %}\n{{ link }}{% endif %}",
        r#"{"workflow_id":"frtBaRDSFeORX7DR","workflow":"Order intake","count":1,"execution_id":4711,"node":"HTTP Request","message":"HTTP Request: connect ECONNREFUSED 10.0.0.5:443","link":"http://n8n:5678/workflow/frtBaRDSFeORX7DR/executions/4711"}"#;
    "workflow.stuck", "Workflow stuck", Warning, Warning, WORKFLOW, ends NOTHING,
        "A run takes far longer than usual, or was never picked up.",
        "{{ workflow | default('A workflow') }} is stuck",
        "{{ message | default('') }}{% if link %}\n{{ link }}{% endif %}",
        r#"{"workflow_id":"frtBaRDSFeORX7DR","workflow":"Order intake","count":1,"execution_id":4711,"message":"Run 4711 has been running for 45 minutes; it usually takes 2 minutes.","link":"http://n8n:5678/workflow/frtBaRDSFeORX7DR/executions/4711"}"#;
    "workflow.missed", "Workflow missed its schedule", Error, Failure, WORKFLOW, ends NOTHING,
        "An active workflow did not run when its schedule says.",
        "{{ workflow | default('A workflow') }} did not run",
        "{{ message | default('') }}{% if link %}\n{{ link }}{% endif %}",
        r#"{"workflow_id":"zqMUUXA9Ay2kd23v","workflow":"Nightly report","count":1,"due":"2026-03-01T02:00:00Z","message":"It should have run at 2026-03-01 03:00 (Europe/Berlin).","link":"http://n8n:5678/workflow/zqMUUXA9Ay2kd23v"}"#;
    "workflow.recovered", "Workflow recovered", Info, Success, WORKFLOW, ends &["workflow.failing", "workflow.stuck", "workflow.missed"],
        "A workflow runs well again.",
        "{{ workflow | default('A workflow') }} is well again", "{{ message | default('') }}",
        r#"{"workflow_id":"frtBaRDSFeORX7DR","workflow":"Order intake","count":3,"message":"It ran well at 2026-03-01 12:05 UTC after 3 failures."}"#;
    "security.login_success", "Signed in", Info, Info, PERSON, ends NOTHING,
        "Somebody signed in.",
        "{{ username | default('Somebody') }} signed in", "From {{ ip_address | default('an unknown address') }}.",
        r#"{"username":"admin","ip_address":"192.168.1.20"}"#;
    "security.login_failed", "Sign-in failed", Warning, Warning, PERSON, ends NOTHING,
        "Somebody gave a wrong password or code.",
        "Failed sign-in as {{ username | default('somebody') }}", "From {{ ip_address | default('an unknown address') }}.",
        r#"{"username":"admin","ip_address":"203.0.113.9"}"#;
    "security.account_locked", "Account locked", Error, Failure, PERSON, ends NOTHING,
        "A name was locked after too many failures.",
        "{{ username | default('An account') }} is locked", "Too many wrong passwords, the last from {{ ip_address | default('an unknown address') }}.",
        r#"{"username":"admin","ip_address":"203.0.113.9"}"#;
    "management.settings_changed", "Settings changed", Info, Info, NOTHING, ends NOTHING,
        "Somebody changed how Flowkeep works.",
        "Settings changed", "{% if settings %}{{ settings | join(', ') }}{% endif %}{% if by %}, by {{ by }}{% endif %}.",
        r#"{"settings":["backups.compression"],"by":"admin"}"#;
    "management.user_created", "User created", Info, Info, PERSON, ends NOTHING,
        "An administrator was made.",
        "Administrator {{ username | default('') }} was made", "Whoever has that name and its password can do everything here.",
        r#"{"username":"admin","ip_address":"192.168.1.20"}"#;
    "management.backup_deleted", "Backup deleted", Info, Info, &["backup_type"], ends NOTHING,
        "A backup was deleted, by somebody or by retention.",
        "Backup {{ id }} was deleted", "{{ filename | default('') }}{% if by %}, by {{ by }}{% endif %}.{% if last_good %}\nIt was the last good one.{% endif %}",
        r#"{"id":12,"backup_type":"postgres_n8n","filename":"n8n-20260101T020000Z.dump.zst","last_good":false,"by":"retention"}"#;
    "management.service_off", "Service switched off", Error, Failure, &["service"], ends NOTHING,
        "Flowkeep switched a notification service off, for nobody is there any more.",
        "{{ service | default('A notification service') }} was switched off", "{{ message | default('') }}",
        r#"{"service":"ntfy","service_id":2,"message":"It answered 410: nobody is there any more. Switch it on again when it is back."}"#;
    "n8n.unwatched", "n8n's workflows not watched", Error, Failure, NOTHING, ends NOTHING,
        "n8n's database cannot be read, so what happens to its workflows is not known.",
        "n8n's workflows are not watched", "{{ message | default('') }}{% if remedy %}\n{{ remedy }}{% endif %}",
        r#"{"database":"db:5432/n8n","message":"Nothing could be read since 2026-03-01 12:05 UTC, so what happens to workflows is not known: n8n's database at db:5432 does not answer: connection refused.","remedy":"Test n8n's connection on the n8n page, and correct it."}"#;
    "n8n.watched", "n8n's workflows watched", Info, Success, NOTHING, ends &["n8n.unwatched"],
        "n8n's database can be read again.",
        "n8n's workflows are {% if is_disconnected %}no longer watched{% else %}watched again{% endif %}", "{{ message | default('') }}",
        r#"{"is_disconnected":false,"message":"They could not be since 2026-03-01 12:05 UTC."}"#;
    "n8n.upgraded", "n8n upgraded", Info, Success, &["image"], ends &["n8n.upgrade_failed"],
        "n8n runs from another image.",
        "{% if status == 'rolled_back' %}n8n runs as before{% else %}n8n was upgraded{% endif %}", "{{ message | default('') }}",
        r#"{"id":4,"status":"done","image":"n8nio/n8n:2.41.1","message":"n8n runs from n8nio/n8n:2.41.1."}"#;
    "n8n.upgrade_failed", "n8n not upgraded", Error, Failure, &["image"], ends NOTHING,
        "n8n could not be made to run from another image; it was taken back if it could be.",
        "n8n was not upgraded{% if status == 'rolled_back' %}, and runs as before{% elif status == 'stuck' %}, and needs you{% endif %}",
        "{{ message | default('') }}{% if remedy %}\n{{ remedy }}{% endif %}",
        r#"{"id":4,"status":"rolled_back","image":"n8nio/n8n:2.41.1","code":"not_ready","message":"n8n was not ready within 600 s. n8n runs again from the containers and the database of before.","remedy":"Read n8n's notes on breaking changes of that version."}"#;
    "flow.extracted", "Workflows exported", Info, Info, NOTHING, ends NOTHING,
        "Workflows were handed out as files.",
        "{{ count | default(0) }} {{ 'workflow was' if count == 1 else 'workflows were' }} exported", "{% if workflows %}{{ workflows | join(', ') }}{% endif %}",
        r#"{"source":"live","count":2,"workflows":["Order intake","Nightly report"]}"#;
    "flow.restored", "Workflows restored", Info, Success, NOTHING, ends NOTHING,
        "Workflows were put back into n8n.",
        "{% if failed %}{{ failed }} {{ 'workflow was' if failed == 1 else 'workflows were' }} not restored{% else %}{{ restored | default(0) }} {{ 'workflow was' if restored == 1 else 'workflows were' }} restored{% endif %}",
        "{% if workflows %}Restored: {{ workflows | join(', ') }}.{% endif %}{% if not_restored %}\nNot restored: {{ not_restored | join(', ') }}.{% endif %}",
        r#"{"id":3,"status":"done","restored":1,"failed":0,"workflows":["Order intake"],"not_restored":[]}"#;
}

/// A type by its name.
pub fn find(name: &str) -> Option<&'static EventType> {
    EVENT_TYPES.iter().find(|one| one.name == name)
}

/// What an event is about: the same for a trouble and its end. Events about nothing in particular are about
/// their group.
pub fn subject(event: &Event) -> String {
    let group = event.event_type.split('.').next().unwrap_or_default();
    let about = find(&event.event_type).map_or(NOTHING, |one| one.about);
    let text = about.iter().find_map(|field| match event.data.get(field) {
        Some(serde_json::Value::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(serde_json::Value::Number(number)) => Some(number.to_string()),
        _ => None,
    });
    let subject = match text {
        Some(text) => format!("{group}:{text}"),
        None => group.to_owned(),
    };
    subject.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_there_once_and_its_sample_can_be_read() {
        let mut names: Vec<_> = EVENT_TYPES.iter().map(|one| one.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for one in EVENT_TYPES {
            let sample: serde_json::Value = serde_json::from_str(one.sample).unwrap();
            assert!(sample.is_object(), "{}", one.name);
            for ended in one.ends {
                assert!(find(ended).is_some(), "{} ends {ended}", one.name);
            }
        }
    }
}
