//! An event beside 200 rules: half are for its type, with a condition and a pattern each. Target: under 1 ms.

use std::sync::Arc;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use flowkeep::features::notifications::{BadRule, Rule, RuleBook, RuleText};
use flowkeep::platform::events::{Event, Severity};
use serde_json::json;
use uuid::Uuid;

const RULES: i32 = 200;

fn rule(id: i32) -> Result<Rule, BadRule> {
    let event_type = ["backup.failed", "backup.*", "*", "system.disk_warning"]
        [usize::try_from(id % 4).unwrap_or_default()];
    let conditions = json!({
        "severity_threshold": "warning",
        "data": [{ "field": "database.size_bytes", "op": "gt", "value": id }],
        "time_range": { "from": "00:00", "to": "23:59", "timezone": "Europe/Berlin" },
    });
    Rule::new(RuleText {
        id,
        name: format!("rule {id}"),
        is_enabled: true,
        event_type: event_type.to_owned(),
        event_pattern: Some(format!("(?i)(disk|table|user)[_ ](full|slow|{id})")),
        service_id: 1,
        priority: "normal".to_owned(),
        conditions: serde_json::from_value(conditions).unwrap_or_default(),
        custom_title: None,
        custom_message: None,
        include_details: true,
        cooldown_minutes: 0,
    })
}

fn bench(c: &mut Criterion) {
    let rules: Vec<Arc<Rule>> = (0..RULES)
        .filter_map(|id| rule(id).ok())
        .map(Arc::new)
        .collect();
    assert_eq!(rules.len(), 200, "every rule is one");
    let book = RuleBook::new((0, None), rules);
    let event = Event {
        event_id: Uuid::nil(),
        event_type: "backup.failed".to_owned(),
        severity: Severity::Error,
        occurred_at: DateTime::UNIX_EPOCH,
        data: json!({
            "id": 42, "backup_type": "postgres_n8n", "code": "disk_slow", "database": { "size_bytes": 10_000_000_000_u64 },
            "message": "The backup disk is full: 120 MB are free, 900 MB are needed. ".repeat(10),
        }),
    };
    assert_eq!(
        book.matching(&event).len(),
        150,
        "all but those for another type"
    );
    c.bench_function("an event beside 200 rules", |b| {
        b.iter(|| book.matching(&event).len());
    });
}

criterion_group!(benches, bench);
criterion_main!(benches);
