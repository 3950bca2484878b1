//! The use cases of templates.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::config::EmailConfig;
use super::defaults::{DEFAULTS, Default, find};
use super::error::EmailError;
use super::service::EmailService;
use super::store::{self, Edited, TemplateRow};
use super::template::{self, Parts};
use crate::features::audit::{self, Action, Actor, Entry};
use crate::platform::events;

/// A template as it is now.
pub(super) struct Current {
    pub default: &'static Default,
    pub parts: Parts,
    pub is_enabled: bool,
    pub is_customized: bool,
    pub updated_at: Option<DateTime<Utc>>,
}

/// Parts of a template that are to take the place of the present ones.
#[derive(Clone, Debug, std::default::Default)]
pub(super) struct Change {
    pub subject: Option<String>,
    pub html: Option<String>,
    pub text: Option<String>,
    pub is_enabled: Option<bool>,
}

impl EmailService {
    /// Puts the defaults into the database where nobody edited them.
    pub async fn settle(&self) -> Result<(), EmailError> {
        for default in DEFAULTS {
            store::put_default(self.parts.db.orm(), default, self.parts.clock.now()).await?;
        }
        Ok(())
    }

    pub(super) async fn templates(&self) -> Result<Vec<Current>, EmailError> {
        let mut rows = store::templates(self.parts.db.orm()).await?;
        let all = DEFAULTS.iter().map(|default| {
            let at = rows.iter().position(|row| row.template_key == default.key);
            current(default, at.map(|at| rows.swap_remove(at)))
        });
        Ok(all.collect())
    }

    pub(super) async fn template(&self, key: &str) -> Result<Current, EmailError> {
        let default = find(key).ok_or_else(|| EmailError::NoTemplate(key.to_owned()))?;
        let row = store::template(self.parts.db.orm(), key).await?;
        Ok(current(default, row))
    }

    pub(super) async fn change_template(
        &self,
        actor: &Actor,
        key: &str,
        change: Change,
    ) -> Result<(), EmailError> {
        let present = self.template(key).await?;
        let is_enabled = change.is_enabled.unwrap_or(present.is_enabled);
        let default = present.default;
        let parts = present.with(change);
        let faults = template::check(&parts, default.variables);
        if !faults.is_empty() {
            return Err(EmailError::Invalid(faults));
        }
        let is_customized = parts != default.parts() || !is_enabled;
        let action = Action::EmailTemplateChanged;
        self.put(actor, action, default, &parts, is_enabled, is_customized)
            .await
    }

    pub(super) async fn reset_template(&self, actor: &Actor, key: &str) -> Result<(), EmailError> {
        let default = find(key).ok_or_else(|| EmailError::NoTemplate(key.to_owned()))?;
        let parts = default.parts();
        self.put(
            actor,
            Action::EmailTemplateReset,
            default,
            &parts,
            true,
            false,
        )
        .await
    }

    async fn put(
        &self,
        actor: &Actor,
        action: Action,
        default: &Default,
        parts: &Parts,
        is_enabled: bool,
        is_customized: bool,
    ) -> Result<(), EmailError> {
        let tx = self.parts.db.begin().await?;
        let edited = Edited {
            parts,
            is_enabled,
            is_customized,
            by: actor.user_id,
            at: self.parts.clock.now(),
        };
        store::set_template(&tx, default, &edited).await?;
        let entry = Entry::new(action).resource("email_template", default.key);
        audit::record(&tx, &self.parts.clock, actor, entry).await?;
        let event = self.changed(actor, &json!([format!("email_template {}", default.key)]));
        events::record(&tx, &event).await?;
        tx.commit().await?;
        self.parts.events.publish(event);
        Ok(())
    }

    /// A draft with sample values.
    pub(super) async fn preview(&self, key: &str, change: Change) -> Result<Parts, EmailError> {
        let present = self.template(key).await?;
        let variables = present.default.variables;
        let parts = present.with(change);
        let faults = template::check(&parts, variables);
        if !faults.is_empty() {
            return Err(EmailError::Invalid(faults));
        }
        Ok(template::render(
            &parts,
            &template::samples(variables),
            true,
        )?)
    }

    /// A template with sample values, but for what is known here.
    pub(super) async fn sample(
        &self,
        config: &EmailConfig,
        key: &str,
    ) -> Result<Parts, EmailError> {
        let default = find(key).ok_or_else(|| EmailError::NoTemplate(key.to_owned()))?;
        let mut values = template::samples(default.variables);
        if let Value::Object(values) = &mut values {
            for own in [
                "host",
                "time",
                "url",
                "provider",
                "smtp_host",
                "link",
                "acknowledge",
            ] {
                values.remove(own);
            }
        }
        self.rendered(config, key, &values, None).await
    }

    /// A template with these values, and what is known here for what is missing. `at` is when it happened: now,
    /// if nobody says.
    pub(super) async fn rendered(
        &self,
        config: &EmailConfig,
        key: &str,
        given: &Value,
        at: Option<DateTime<Utc>>,
    ) -> Result<Parts, EmailError> {
        let present = self.template(key).await?;
        let default = present.default;
        let mut values = given.as_object().cloned().unwrap_or_else(Map::new);
        let url = self.parts.public_url.as_ref().map(ToString::to_string);
        let size = values.get("stored_bytes").and_then(Value::as_u64).map(size);
        let own = [
            ("host", Some(self.own_host())),
            ("time", Some(self.own_time(at))),
            ("url", url),
            ("version", Some(env!("CARGO_PKG_VERSION").to_owned())),
            ("provider", Some(config.provider.as_str().to_owned())),
            ("smtp_host", Some(config.host())),
            ("size", size),
        ];
        for (name, value) in own {
            if let Some(value) = value
                && values.get(name).is_none_or(Value::is_null)
            {
                values.insert(name.to_owned(), value.into());
            }
        }
        let values = template::filled(default.variables, &Value::Object(values));
        // One that is switched off says nothing of its own; the news is sent all the same.
        let is_own = present.is_customized && present.is_enabled;
        if is_own {
            match template::render(&present.parts, &values, false) {
                Ok(parts) => return Ok(parts),
                Err(fault) => {
                    tracing::warn!(
                        key,
                        field = fault.field,
                        why = fault.why,
                        "a template cannot be rendered; the default is sent"
                    );
                }
            }
        }
        Ok(template::render(&default.parts(), &values, false)?)
    }
}

impl Current {
    fn with(self, change: Change) -> Parts {
        Parts {
            subject: change.subject.unwrap_or(self.parts.subject),
            html: change.html.unwrap_or(self.parts.html),
            text: change.text.unwrap_or(self.parts.text),
        }
    }
}

fn current(default: &'static Default, row: Option<TemplateRow>) -> Current {
    let parts = default.parts();
    match row {
        Some(row) => Current {
            default,
            parts: Parts {
                subject: row.subject,
                html: row.html_body,
                text: row.text_body.unwrap_or(parts.text),
            },
            is_enabled: row.enabled != Some(false),
            is_customized: row.is_customized,
            updated_at: row.updated_at,
        },
        None => Current {
            default,
            parts,
            is_enabled: true,
            is_customized: false,
            updated_at: None,
        },
    }
}

/// Bytes for people.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 99.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Milliseconds for people.
pub fn duration(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1_000;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0) => format!("{ms} ms"),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_for_people() {
        for (ms, shown) in [
            (0, "0 ms"),
            (499, "499 ms"),
            (1_499, "1 s"),
            (59_600, "1 min"),
            (83_000, "1 min 23 s"),
            (7_500_000, "2 h 5 min"),
        ] {
            assert_eq!(duration(ms), shown);
        }
    }

    #[test]
    fn sizes_are_for_people() {
        for (bytes, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (18_400_000, "18.4 MB"),
            (999_999_999, "1.0 GB"),
        ] {
            assert_eq!(size(bytes), shown);
        }
    }
}
