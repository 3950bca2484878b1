//! Containers that use up what they may. They are measured for it only while a rule of the notifications would tell
//! of it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::ContainerError;
use super::model::Seen;
use super::service::ContainerService;
use super::stats::{CpuTime, Usage};
use super::store;
use crate::features::settings::Key;
use crate::platform::events::{self, Event, Severity};
use crate::platform::threshold::{Rule, Turn, Watch, lasting, step};

/// What is told of it. Whoever has a rule for one of these wants containers to be measured.
pub const PRESSURE_EVENTS: &[&str] = &[
    "container.high_memory",
    "container.memory_normal",
    "container.high_cpu",
    "container.cpu_normal",
];
const PERIOD: Duration = Duration::from_mins(1);

/// How a container stands, between two measurements.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pressure {
    memory: Watch,
    cpu: Watch,
}

/// What a container may use, and from where that is too much.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Percent of its memory.
    pub memory: f64,
    /// Percent of its processor time.
    pub cpu: f64,
    /// For how long it must be too much.
    pub raise_after: TimeDelta,
    /// For how long it must be well.
    pub clear_after: TimeDelta,
}

impl Limits {
    fn rule(&self, threshold: f64) -> Rule {
        Rule::of_percent(threshold, self.raise_after, self.clear_after)
    }
}

/// Processor time at the measurement before.
#[derive(Debug, Default)]
pub struct Metered(HashMap<String, CpuTime>);

/// A measurement of a container.
#[derive(Clone, Debug)]
pub struct Measured {
    /// How it is and what it may use.
    pub seen: Seen,
    /// What it uses.
    pub usage: Usage,
}

/// What is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub event_type: &'static str,
    pub severity: Severity,
    pub data: Value,
}

impl Pressure {
    /// What ends when a container is not measured any more.
    pub fn forgotten(&self, name: &str) -> impl Iterator<Item = Told> {
        let raised = [
            (self.memory, "memory", PRESSURE_EVENTS[1]),
            (self.cpu, "cpu", PRESSURE_EVENTS[3]),
        ];
        let raised = raised.into_iter().filter(|(watch, ..)| watch.is_raised);
        raised.map(move |(_, resource, event_type)| Told {
            event_type,
            severity: Severity::Info,
            data: json!({
                "container": name, "resource": resource, "is_forgotten": true,
                "message": "It is gone, has another name now, or the settings leave it out.",
            }),
        })
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", (bytes as f64 / 1e6).round())
}

/// Percent of the memory that a container may use. Without a limit of its own it shares the machine's, of which the
/// host tells.
fn memory_percent(one: &Measured) -> Option<(f64, u64, u64)> {
    let limit = u64::try_from(one.seen.memory_limit)
        .ok()
        .filter(|limit| *limit > 0)?;
    let used = one.usage.memory_bytes?;
    Some((used as f64 / limit as f64 * 100.0, used, limit))
}

/// Percent of the processor time that a container may use: of its own limit, or of all cores.
fn cpu_percent(one: &Measured) -> Option<(f64, f64)> {
    let cores = one
        .seen
        .cpu_limit()
        .unwrap_or_else(|| f64::from(one.usage.cpus.max(1)));
    Some((one.usage.cpu_percent? / cores, cores))
}

/// Judges a measurement.
pub fn judge(
    before: &Pressure,
    one: &Measured,
    limits: &Limits,
    now: DateTime<Utc>,
) -> (Pressure, Vec<Told>) {
    let lasting = lasting(limits.raise_after);
    let mut told = Vec::new();
    let mut tell = |resource: &str, turn: Turn, percent: f64, more: Value, words: String| {
        let (event_type, severity) = match (resource, turn) {
            ("memory", Turn::Raised) => (PRESSURE_EVENTS[0], Severity::Warning),
            ("memory", Turn::Ended) => (PRESSURE_EVENTS[1], Severity::Info),
            (_, Turn::Raised) => (PRESSURE_EVENTS[2], Severity::Warning),
            (_, Turn::Ended) => (PRESSURE_EVENTS[3], Severity::Info),
        };
        let mut data = json!({
            "container": one.seen.name, "container_id": one.seen.id.get(..12), "image": one.seen.image,
            "resource": resource, "percent": percent.round(), "message": words,
        });
        if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
            data.extend(more);
        }
        told.push(Told {
            event_type,
            severity,
            data,
        });
    };
    let memory = memory_percent(one);
    let (next_memory, turn) = step(
        before.memory,
        memory.map(|known| known.0),
        now,
        &limits.rule(limits.memory),
    );
    if let (Some(turn), Some((percent, used, limit))) = (turn, memory) {
        let now = format!("{} of {}", megabytes(used), megabytes(limit));
        let words = match turn {
            Turn::Raised => format!(
                "It has used at least {} % of the memory it may have{lasting}: {now} now. At its limit the \
                 kernel ends it; give it more, or find out what takes it.",
                limits.memory
            ),
            Turn::Ended => format!("It uses {now} of memory."),
        };
        let more = json!({ "memory_bytes": used, "memory_limit_bytes": limit });
        tell("memory", turn, percent, more, words);
    }
    let cpu = cpu_percent(one);
    let (next_cpu, turn) = step(
        before.cpu,
        cpu.map(|known| known.0),
        now,
        &limits.rule(limits.cpu),
    );
    if let (Some(turn), Some((percent, cores))) = (turn, cpu) {
        let shown = percent.round();
        let words = match turn {
            Turn::Raised => format!(
                "It has used at least {} % of its processor time ({cores} cores){lasting}; {shown} % now.",
                limits.cpu
            ),
            Turn::Ended => format!("It uses {shown} % of its processor time."),
        };
        tell("cpu", turn, percent, json!({ "cores": cores }), words);
    }
    let next = Pressure {
        memory: next_memory,
        cpu: next_cpu,
    };
    (next, told)
}

impl ContainerService {
    /// Measures once a minute until `stop`, as long as `is_wanted` says that somebody wants to be told.
    pub async fn watch_pressure<F: Future<Output = bool> + Send>(
        &self,
        is_wanted: impl Fn() -> F + Send,
        stop: CancellationToken,
    ) {
        let mut before = Metered::default();
        let mut period = tokio::time::interval(PERIOD);
        period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = period.tick() => {}
                () = stop.cancelled() => return,
            }
            if !is_wanted().await {
                before = Metered::default();
                continue;
            }
            let looked = tokio::select! {
                looked = self.look_at_pressure(&mut before) => looked,
                () = stop.cancelled() => return,
            };
            // The watcher says that the engine is away.
            if let Err(error) = looked {
                tracing::debug!(%error, "containers are not measured");
            }
        }
    }

    /// Measures every container that runs, and tells what follows.
    pub async fn look_at_pressure(&self, before: &mut Metered) -> Result<(), ContainerError> {
        let measured = self.measured(&mut before.0).await?;
        self.note_pressure(&measured, self.parts.clock.now()).await
    }

    /// Keeps how containers stand by a measurement, and tells what follows.
    async fn note_pressure(
        &self,
        measured: &[Measured],
        now: DateTime<Utc>,
    ) -> Result<(), ContainerError> {
        let settings = &self.parts.settings;
        let percent = |key| settings.integer(key) as f64;
        let limits = Limits {
            memory: percent(Key::ContainerMemoryPercent),
            cpu: percent(Key::ContainerCpuPercent),
            raise_after: TimeDelta::minutes(settings.integer(Key::HostRaiseMinutes)),
            clear_after: TimeDelta::minutes(settings.integer(Key::HostClearMinutes)),
        };
        let known = store::pressures(self.parts.db.orm()).await?;
        let mut happened = Vec::new();
        let tx = self.parts.db.begin().await?;
        for one in measured {
            let before = known.get(&store::key(&one.seen.name));
            let before = before.cloned().unwrap_or_default();
            let (next, told) = judge(&before, one, &limits, now);
            if next != before {
                store::put_pressure(&tx, &one.seen, &next).await?;
            }
            for told in told {
                let (ids, clock) = (&self.parts.ids, &self.parts.clock);
                let event = Event::now(ids, clock, told.event_type, told.severity, told.data);
                events::record(&tx, &event).await?;
                happened.push(event);
            }
        }
        tx.commit().await?;
        for event in happened {
            self.parts.events.publish(event);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::docker::models::{ContainerInspectResponse, HostConfig};

    const MB: u64 = 1_000_000;

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn measured(memory_limit: Option<i64>, memory_bytes: u64, cpu_percent: f64) -> Measured {
        let host = HostConfig {
            memory: memory_limit,
            nano_cpus: Some(1_500_000_000),
            ..HostConfig::default()
        };
        let seen = Seen::read(ContainerInspectResponse {
            id: Some("a".repeat(64)),
            name: Some("/n8n".to_owned()),
            host_config: Some(host),
            ..ContainerInspectResponse::default()
        });
        let usage = Usage {
            name: "n8n".to_owned(),
            id: "a".repeat(64),
            cpu_percent: Some(cpu_percent),
            cpus: 4,
            memory_bytes: Some(memory_bytes),
            memory_limit_bytes: Some(8_000 * MB),
            network_rx_bytes: None,
            network_tx_bytes: None,
            block_read_bytes: 0,
            block_write_bytes: 0,
            pids: None,
        };
        Measured { seen, usage }
    }

    fn told(all: &[(i64, Measured)]) -> Vec<(i64, &'static str)> {
        let limits = Limits {
            memory: 90.0,
            cpu: 90.0,
            raise_after: TimeDelta::minutes(5),
            clear_after: TimeDelta::minutes(2),
        };
        let mut pressure = Pressure::default();
        let mut told = Vec::new();
        for (minute, one) in all {
            let (next, happened) = judge(&pressure, one, &limits, at(*minute));
            // As it comes back out of the table.
            let kept = serde_json::to_value(&next).unwrap();
            pressure = serde_json::from_value(kept).unwrap();
            told.extend(happened.iter().map(|one| (*minute, one.event_type)));
        }
        told
    }

    #[test]
    fn memory_near_its_limit_is_told_once_it_lasts_and_once_it_is_over() {
        let of = |percent: u64| measured(Some(1_000_000_000), percent * 10 * MB, 0.0);
        let mut all: Vec<_> = (0..10).map(|minute| (minute, of(95))).collect();
        assert_eq!(told(&all), [(5, "container.high_memory")]);
        all.extend((10..20).map(|minute| (minute, of(88))));
        assert_eq!(told(&all).len(), 1, "not yet three points below");
        all.extend((20..30).map(|minute| (minute, of(40))));
        assert_eq!(
            told(&all),
            [
                (5, "container.high_memory"),
                (22, "container.memory_normal")
            ]
        );
        let broken: Vec<_> = (0..30)
            .map(|n| (n, of(if n % 4 == 0 { 50 } else { 99 })))
            .collect();
        assert!(
            told(&broken).is_empty(),
            "never five minutes without a break"
        );
    }

    #[test]
    fn without_a_limit_of_its_own_its_memory_is_the_machines_affair() {
        for limit in [None, Some(0), Some(-1)] {
            let all: Vec<_> = (0..20)
                .map(|minute| (minute, measured(limit, 7_990 * MB, 0.0)))
                .collect();
            assert!(told(&all).is_empty(), "{limit:?}");
        }
    }

    #[test]
    fn processor_time_is_counted_by_what_it_may_use() {
        // One and a half cores are all that it has of four.
        let busy: Vec<_> = (0..8)
            .map(|minute| (minute, measured(None, MB, 149.0)))
            .collect();
        assert_eq!(told(&busy), [(5, "container.high_cpu")]);
        let half: Vec<_> = (0..8)
            .map(|minute| (minute, measured(None, MB, 100.0)))
            .collect();
        assert!(told(&half).is_empty());
    }
}
