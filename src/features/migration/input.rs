//! Version 2's file as values. Pure. The keys are described in `docs/migration.md`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::features::schedules::{Frequency, When};
use crate::features::settings::Key;

/// A line that cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// 1 for the first.
    pub line: usize,
    /// The key, or what stands in its place.
    pub key: String,
    /// What would be right.
    pub why: String,
}

/// What a file asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// n8n's database.
    pub database_url: Option<SecretString>,
    /// What opens its credentials.
    pub encryption_key: Option<SecretString>,
    /// When it was backed up.
    pub when: Option<When>,
    /// How it was compressed.
    pub compression: Option<String>,
    /// For how many days backups stayed.
    pub retention_days: Option<u32>,
    /// Where copies went.
    pub destination: Option<PathBuf>,
    /// Settings of the same meaning.
    pub settings: Vec<(Key, Value)>,
    /// Keys that mean nothing here.
    pub ignored: Vec<String>,
}

type Entries = BTreeMap<String, (usize, String)>;

/// `KEY=value` lines, with comments, `export` and quotes as a shell and Compose take them.
fn entries(text: &str, problems: &mut Vec<Problem>) -> Entries {
    let mut found = Entries::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            problems.push(Problem {
                line: line_number,
                key: line.chars().take(40).collect(),
                why: "is no KEY=value line".to_owned(),
            });
            continue;
        };
        let value = value.trim();
        let quoted = |quote: char| {
            value
                .strip_prefix(quote)
                .and_then(|rest| rest.strip_suffix(quote))
        };
        let value = match (quoted('\''), quoted('"')) {
            (Some(inner), _) => inner.to_owned(),
            (None, Some(inner)) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
            // A comment may follow a value without quotes.
            (None, None) => value
                .split(" #")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned(),
        };
        found.insert(key.trim().to_owned(), (line_number, value));
    }
    found
}

/// The first of the keys that has a value: its line, its name and the value. The others are taken too.
fn take(entries: &mut Entries, names: &[&str]) -> Option<(usize, String, String)> {
    let mut first = None;
    for name in names {
        let found = entries.remove(*name).filter(|(_, value)| !value.is_empty());
        if let Some((line, value)) = found
            && first.is_none()
        {
            first = Some((line, (*name).to_owned(), value));
        }
    }
    first
}

/// n8n's database, as one URL or in the parts that n8n's own file has.
fn database_url(entries: &mut Entries) -> Option<SecretString> {
    let mut value = |names: &[&str]| take(entries, names).map(|(_, _, value)| value);
    let url = value(&["N8N_DATABASE_URL"]);
    let host = value(&["DB_POSTGRESDB_HOST", "POSTGRES_HOST"]);
    let port = value(&["DB_POSTGRESDB_PORT", "POSTGRES_PORT"]);
    let user = value(&["DB_POSTGRESDB_USER", "POSTGRES_USER"]);
    let password = value(&["DB_POSTGRESDB_PASSWORD", "POSTGRES_PASSWORD"]);
    let database = value(&["DB_POSTGRESDB_DATABASE", "POSTGRES_DB"]);
    if let Some(url) = url {
        return Some(SecretString::from(url));
    }
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    Some(SecretString::from(format!(
        "postgres://{}:{}@{}:{}/{}",
        encode(user.as_deref().unwrap_or("n8n")),
        encode(password.as_deref().unwrap_or_default()),
        host?,
        port.as_deref().unwrap_or("5432"),
        encode(database.as_deref().unwrap_or("n8n")),
    )))
}

/// Reads version 2's file.
pub fn read(text: &str) -> Result<Wanted, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut entries = entries(text, &mut problems);
    let mut wanted = Wanted::default();
    let mut wrong = |line: usize, key: String, why: &str| {
        problems.push(Problem {
            line,
            key,
            why: why.to_owned(),
        });
    };

    let zone = take(&mut entries, &["GENERIC_TIMEZONE", "TZ"]);
    let mut zone_name = "UTC".to_owned();
    if let Some((line, key, value)) = zone {
        if value.parse::<chrono_tz::Tz>().is_ok() {
            zone_name.clone_from(&value);
            wanted.settings.push((Key::TimeZone, json!(value)));
        } else {
            wrong(line, key, "is no time zone, as in Europe/Berlin");
        }
    }
    wanted.database_url = database_url(&mut entries);
    if let Some((_, _, key)) = take(&mut entries, &["N8N_ENCRYPTION_KEY"]) {
        wanted.encryption_key = Some(SecretString::from(key));
    }
    if let Some((line, key, value)) = take(&mut entries, &["BACKUP_SCHEDULE"]) {
        match when(&value, &zone_name) {
            Ok(when) => wanted.when = Some(when),
            Err(why) => wrong(line, key, why),
        }
    }
    if let Some((line, key, value)) = take(&mut entries, &["BACKUP_COMPRESSION"]) {
        if ["zstd", "gzip", "none"].contains(&value.as_str()) {
            wanted.compression = Some(value);
        } else {
            wrong(line, key, "must be zstd, gzip or none");
        }
    }
    if let Some((line, key, value)) = take(&mut entries, &["BACKUP_RETENTION_DAYS"]) {
        match value.parse().ok().filter(|days| (1..=3_650).contains(days)) {
            Some(days) => wanted.retention_days = Some(days),
            None => wrong(line, key, "must be a number of days between 1 and 3650"),
        }
    }
    if let Some((line, key, value)) = take(&mut entries, &["NFS_MOUNT_PATH", "BACKUP_COPY_DIR"]) {
        if value.starts_with('/') {
            wanted.destination = Some(PathBuf::from(value));
        } else {
            wrong(line, key, "must be a whole path, as in /mnt/nas/backups");
        }
    }
    for (name, setting) in [
        ("N8N_CONTAINER", Key::N8nContainers),
        ("VERIFICATION_IMAGE", Key::VerificationImage),
    ] {
        if let Some((line, key, value)) = take(&mut entries, &[name]) {
            match setting.definition().check(&json!(value)) {
                Ok(()) => wanted.settings.push((setting, json!(value))),
                Err(why) => wrong(line, key, &why),
            }
        }
    }
    if let Some((line, key, value)) = take(&mut entries, &["N8N_CONFIG_PATHS"]) {
        let paths: Vec<&str> = value.split(':').filter(|path| !path.is_empty()).collect();
        match Key::N8nConfigPaths.definition().check(&json!(paths)) {
            Ok(()) => wanted.settings.push((Key::N8nConfigPaths, json!(paths))),
            Err(why) => wrong(line, key, &why),
        }
    }
    wanted.ignored = entries.into_keys().collect();
    problems.sort_by_key(|problem| problem.line);
    if problems.is_empty() {
        Ok(wanted)
    } else {
        Err(problems)
    }
}

/// A rule of cron that one schedule can say.
fn when(rule: &str, zone: &str) -> Result<When, &'static str> {
    const WHY: &str = "is a rule that a schedule cannot say; write one time an hour, a day, a week or a month \
                       (1 to 28), as in 15 2 * * *";
    let rule = match rule {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        other => other,
    };
    let fields: Vec<&str> = rule.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(WHY);
    };
    let number = |text: &str, most: i32| {
        let value = text.parse::<i32>().ok();
        value.filter(|value| (0..=most).contains(value)).ok_or(WHY)
    };
    let minute = number(minute, 59)?;
    let mut when = When {
        frequency: Frequency::Hourly,
        hour: None,
        minute,
        day_of_week: None,
        day_of_month: None,
        timezone: zone.to_owned(),
    };
    if month != "*" {
        return Err(WHY);
    }
    if hour == "*" {
        return if day == "*" && weekday == "*" {
            Ok(when)
        } else {
            Err(WHY)
        };
    }
    when.hour = Some(number(hour, 23)?);
    when.frequency = match (day, weekday) {
        ("*", "*") => Frequency::Daily,
        ("*", weekday) => {
            // cron's 0 and 7 are Sunday; ours is 0 for Monday.
            when.day_of_week = Some((number(weekday, 7)? + 6) % 7);
            Frequency::Weekly
        }
        (day, "*") => {
            let day = number(day, 28)?;
            if day == 0 {
                return Err(WHY);
            }
            when.day_of_month = Some(day);
            Frequency::Monthly
        }
        _ => return Err(WHY),
    };
    Ok(when)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_whole_file_is_read_with_comments_quotes_and_what_it_does_not_know() {
        let text = "# version 2\nexport DB_POSTGRESDB_HOST=db\nDB_POSTGRESDB_PASSWORD='p@ss # word'\n\
                    DB_POSTGRESDB_DATABASE=n8n # the one\nN8N_ENCRYPTION_KEY=\"k\\\"ey\"\nTZ=Europe/Berlin\n\
                    BACKUP_SCHEDULE=30 3 * * 7\nBACKUP_RETENTION_DAYS=14\nBACKUP_COMPRESSION=gzip\n\
                    NFS_MOUNT_PATH=/mnt/nas\nN8N_CONTAINER=n8n\nSOMETHING_ELSE=1\n";
        let wanted = read(text).unwrap();
        let url = wanted.database_url.unwrap();
        assert_eq!(
            url.expose_secret(),
            "postgres://n8n:p%40ss%20%23%20word@db:5432/n8n"
        );
        assert_eq!(wanted.encryption_key.unwrap().expose_secret(), "k\"ey");
        let when = wanted.when.unwrap();
        assert_eq!(
            (
                when.frequency,
                when.hour,
                when.minute,
                when.day_of_week,
                when.timezone.as_str()
            ),
            (Frequency::Weekly, Some(3), 30, Some(6), "Europe/Berlin")
        );
        assert_eq!(
            (wanted.retention_days, wanted.compression.as_deref()),
            (Some(14), Some("gzip"))
        );
        assert_eq!(wanted.ignored, ["SOMETHING_ELSE"]);
        assert_eq!(wanted.settings.len(), 2);
    }

    #[test]
    fn every_bad_line_is_named_at_once() {
        let text = "nonsense\nTZ=Mars/Base\nBACKUP_SCHEDULE=*/5 * * * *\nBACKUP_RETENTION_DAYS=forever\n\
                    NFS_MOUNT_PATH=relative\n";
        let problems = read(text).unwrap_err();
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5], "{problems:?}");
    }

    #[test]
    fn rules_of_cron_become_schedules_or_are_refused() {
        let ok = |rule: &str| when(rule, "UTC").unwrap().frequency;
        assert_eq!(ok("5 * * * *"), Frequency::Hourly);
        assert_eq!(ok("@daily"), Frequency::Daily);
        assert_eq!(ok("0 4 28 * *"), Frequency::Monthly);
        for bad in [
            "",
            "* * * * *",
            "0 4 31 * *",
            "0 4 0 * *",
            "60 4 * * *",
            "0 4 * 2 *",
            "0 4 1 * 1",
            "0 24 * * *",
        ] {
            assert!(when(bad, "UTC").is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read(&text);
        }
    }
}
