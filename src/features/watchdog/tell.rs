//! What is told of an incident.

use serde_json::{Value, json};

use super::incident::{Closed, Incident, Kind, Resolution};
use super::service::WatchdogService;
use crate::platform::events::{Event, Severity};

impl WatchdogService {
    /// What is told when it begins.
    pub(super) fn event_of(&self, one: &Incident, name: &str) -> Event {
        let (event_type, severity) = match one.kind {
            Kind::Failing => ("workflow.failing", Severity::Error),
            Kind::Stuck => ("workflow.stuck", Severity::Warning),
            Kind::Missed => ("workflow.missed", Severity::Error),
        };
        let message = match (&one.detail, &one.node, &one.error) {
            (Some(detail), _, _) => detail.clone(),
            (None, Some(node), Some(error)) => format!("{node}: {error}"),
            (None, None, Some(error)) => error.clone(),
            (None, Some(node), None) => format!("It failed at {node}; n8n wrote down no words."),
            (None, None, None) => "n8n wrote down nothing of why.".to_owned(),
        };
        let data = json!({
            "workflow_id": one.workflow_id, "workflow": name, "count": one.count,
            "execution_id": one.execution_id, "node": one.node, "message": message,
            "first_seen_at": one.first_seen, "due": (one.kind == Kind::Missed).then_some(one.first_seen),
            "link": self.link(&one.workflow_id, one.execution_id),
        });
        self.event(event_type, severity, data)
    }

    /// What is told when it is over.
    pub(super) fn recovery_of(&self, closed: &Closed, name: &str) -> Event {
        let one = &closed.incident;
        let at = closed.at.format("%Y-%m-%d %H:%M UTC");
        let message = match (closed.resolution, one.kind) {
            (Resolution::Inactive, _) => "It was switched off, or is gone.".to_owned(),
            (Resolution::Unwatched, _) => {
                "The n8n that it is in is no longer connected, so it is not watched any more."
                    .to_owned()
            }
            (_, Kind::Failing) => format!(
                "It ran well at {at}, after {} that failed.",
                runs(one.count)
            ),
            (_, Kind::Stuck) => "What was stuck has ended.".to_owned(),
            (_, Kind::Missed) => format!("It ran again, after {} missed.", runs(one.count)),
        };
        let data = json!({
            "workflow_id": one.workflow_id, "workflow": name, "count": one.count, "message": message,
            "link": self.link(&one.workflow_id, None),
        });
        self.event("workflow.recovered", Severity::Info, data)
    }

    pub(super) fn event(&self, event_type: &str, severity: Severity, data: Value) -> Event {
        Event::now(
            &self.parts.ids,
            &self.parts.clock,
            event_type,
            severity,
            data,
        )
    }
}

fn runs(count: u32) -> String {
    if count == 1 {
        "one run".to_owned()
    } else {
        format!("{count} runs")
    }
}
