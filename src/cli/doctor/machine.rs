//! The machine: the unit, the port, memory, the clock.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Patient;
use super::place::Place;
use super::report::Report;
use crate::cli::health;
use crate::platform::postgres::is_program;
use crate::platform::process::CommandSpec;

const UNIT: &str = "service";
const DAEMON: &str = "daemon";
const MEMORY: &str = "memory";
const CLOCK: &str = "clock";
const MB: u64 = 1_024;

pub async fn check(patient: &Patient, report: &mut Report) {
    if Path::new("/run/systemd/system").is_dir() && patient.place == Place::Machine {
        unit(patient, report).await;
        synchronised(patient, report).await;
    }
    daemon(patient, report).await;
    memory(
        &std::fs::read_to_string("/proc/meminfo").unwrap_or_default(),
        report,
    );
}

/// What a program of systemd says, as `Name=value` lines.
async fn ask(patient: &Patient, program: &str, args: &[&str]) -> Option<String> {
    let path = ["/usr/bin", "/bin"].map(|dir| PathBuf::from(dir).join(program));
    let path = path.into_iter().find(|path| is_program(path))?;
    let spec = CommandSpec::new(path)
        .args(args)
        .env("LC_ALL", "C")
        .timeout(Duration::from_secs(5));
    let output = patient.processes.output(spec).await.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn property<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_default()
}

async fn unit(patient: &Patient, report: &mut Report) {
    let properties =
        "--property=LoadState,ActiveState,SubState,UnitFileState,Result,NRestarts,NeedDaemonReload";
    let Some(text) = ask(
        patient,
        "systemctl",
        &["show", "flowkeep.service", properties],
    )
    .await
    else {
        return;
    };
    judge_unit(&text, report);
}

fn judge_unit(text: &str, report: &mut Report) {
    if property(text, "LoadState") != "loaded" {
        // Started by hand or by another supervisor.
        return;
    }
    if property(text, "NeedDaemonReload") == "yes" {
        report.warn(
            UNIT,
            "the unit's files changed since systemd read them",
            "systemctl daemon-reload && systemctl restart flowkeep",
        );
    }
    let state = property(text, "ActiveState");
    match (state, property(text, "UnitFileState")) {
        // It ended at once, and systemd waits before it tries again.
        ("activating", _) if property(text, "SubState") == "auto-restart" => report.fail(
            UNIT,
            format!(
                "flowkeep.service ends at its start again and again ({})",
                property(text, "Result")
            ),
            "journalctl -u flowkeep says why",
        ),
        ("activating" | "reloading", _) => report.warn(
            UNIT,
            "flowkeep.service is starting",
            "look again in a minute; journalctl -u flowkeep says what it is at",
        ),
        ("active", "enabled") => {
            report.ok(UNIT, "flowkeep.service runs, and starts with the machine");
        }
        ("active", _) => report.warn(
            UNIT,
            "flowkeep.service runs, and does not start with the machine",
            "systemctl enable flowkeep",
        ),
        ("failed", _) => report.fail(
            UNIT,
            format!("flowkeep.service failed ({})", property(text, "Result")),
            "journalctl -u flowkeep says why; then: systemctl restart flowkeep",
        ),
        _ => report.fail(
            UNIT,
            format!("flowkeep.service is {state}"),
            "systemctl enable --now flowkeep",
        ),
    }
    let restarts = property(text, "NRestarts");
    if !matches!(restarts, "" | "0") {
        report.warn(
            UNIT,
            format!("systemd had to restart it {restarts} times"),
            "journalctl -u flowkeep says why",
        );
    }
}

async fn synchronised(patient: &Patient, report: &mut Report) {
    let properties = "--property=NTPSynchronized,CanNTP";
    let Some(text) = ask(patient, "timedatectl", &["show", properties]).await else {
        return;
    };
    if property(&text, "NTPSynchronized") == "yes" {
        report.ok(CLOCK, "set by the network");
    } else {
        report.warn(
            CLOCK,
            "not set by the network: schedules and one-time passwords drift",
            "apt-get install systemd-timesyncd && timedatectl set-ntp true",
        );
    }
}

async fn daemon(patient: &Patient, report: &mut Report) {
    let listen = patient.config.http.listen;
    if let Some(process) = &patient.daemon {
        if listen.port() == 0 {
            report.ok(
                DAEMON,
                format!("process {process} runs, on a port of its choice"),
            );
            return;
        }
        match health::ask(listen).await {
            Ok((200, answer)) => report.ok(DAEMON, format!("process {process} answers on {listen}: {}", health::describe(&answer))),
            Ok((_, answer)) => report.fail(
                DAEMON,
                format!("process {process} answers on {listen} and is not ready: {}", health::describe(&answer)),
                format!("the parts say what to do; the log says more: {}", patient.place.log()),
            ),
            Err(error) => report.fail(
                DAEMON,
                format!("process {process} holds the data folder, and nothing answers on {listen}: {error}"),
                format!("if FLOWKEEP_LISTEN was changed: {}", patient.place.restart()),
            ),
        }
        return;
    }
    // Given back at once.
    match TcpListener::bind(listen) {
        Ok(_) => report.warn(DAEMON, format!("it does not run; {listen} is free for it"), match patient.place {
            Place::Machine => format!("{}, or: flowkeep serve", patient.place.start()),
            Place::Container => patient.place.start(),
        }),
        Err(error) if error.kind() == ErrorKind::AddrInUse && health::ask(listen).await.is_ok() => report.warn(
            DAEMON,
            format!("a Flowkeep answers on {listen}, and it does not use {}", patient.config.data.data_dir.display()),
            format!("run this as its user and with its FLOWKEEP_DATA_DIR: {}", patient.place.command_as("flowkeep", "doctor")),
        ),
        Err(error) if error.kind() == ErrorKind::AddrInUse => report.fail(
            DAEMON,
            format!("it does not run, and another program listens on {listen}"),
            format!("stop that one (ss -ltnp 'sport = :{}' names it), or choose another port with FLOWKEEP_LISTEN", listen.port()),
        ),
        Err(error) => report.fail(
            DAEMON,
            format!("nobody can listen on {listen}: {error}"),
            "set FLOWKEEP_LISTEN to an address of this machine and a port above 1023",
        ),
    }
}

/// proc_meminfo(5), in KiB.
fn memory(text: &str, report: &mut Report) {
    let field = |name: &str| -> Option<u64> {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (Some(all), Some(free)) = (field("MemTotal"), field("MemAvailable")) else {
        return;
    };
    let swap = field("SwapTotal").unwrap_or_default();
    let found = format!(
        "{} MiB, {} MiB available, {} MiB swap",
        all / MB,
        free / MB,
        swap / MB
    );
    if free < 150 * MB {
        report.warn(
            MEMORY,
            found,
            "stop something, or give the machine more: a proof needs about 300 MiB",
        );
    } else if swap == 0 && all < 2_048 * MB {
        report.warn(MEMORY, found, "add swap: with little memory and none, the kernel ends programs instead of slowing them down");
    } else {
        report.ok(MEMORY, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::report::Level;

    fn of(judge: impl FnOnce(&mut Report)) -> (Level, String) {
        let mut report = Report::default();
        judge(&mut report);
        (report.level(), report.to_text())
    }

    #[test]
    fn little_memory_wants_swap() {
        let text = |all, free, swap| {
            format!("MemTotal: {all} kB\nMemAvailable: {free} kB\nSwapTotal: {swap} kB\n")
        };
        assert_eq!(
            of(|r| memory(&text(8_000_000, 4_000_000, 0), r)).0,
            Level::Ok
        );
        assert_eq!(
            of(|r| memory(&text(1_000_000, 500_000, 0), r)).0,
            Level::Warn
        );
        assert_eq!(
            of(|r| memory(&text(1_000_000, 500_000, 1_000_000), r)).0,
            Level::Ok
        );
        assert_eq!(
            of(|r| memory(&text(8_000_000, 100_000, 0), r)).0,
            Level::Warn
        );
    }

    #[test]
    fn a_unit_that_failed_or_is_not_enabled_is_told_with_the_command() {
        let unit = |active, file| {
            format!(
                "LoadState=loaded\nActiveState={active}\nUnitFileState={file}\nResult=exit-code\nNRestarts=0\nNeedDaemonReload=no\n"
            )
        };
        assert_eq!(
            of(|r| judge_unit(&unit("active", "enabled"), r)).0,
            Level::Ok
        );
        let (level, text) = of(|r| judge_unit(&unit("failed", "enabled"), r));
        assert!(
            level == Level::Fail && text.contains("journalctl -u flowkeep"),
            "{text}"
        );
        let (level, text) = of(|r| judge_unit(&unit("active", "disabled"), r));
        assert!(
            level == Level::Warn && text.contains("systemctl enable flowkeep"),
            "{text}"
        );
        assert_eq!(
            of(|r| judge_unit(&unit("inactive", "enabled"), r)).0,
            Level::Fail
        );
        let (level, text) = of(|r| judge_unit(&unit("activating", "enabled"), r));
        assert!(level == Level::Warn && text.contains("starting"), "{text}");
        let looping = unit("activating", "enabled") + "SubState=auto-restart\n";
        assert_eq!(of(|r| judge_unit(&looping, r)).0, Level::Fail);
        assert_eq!(
            of(|r| judge_unit("LoadState=not-found\n", r)).1,
            "All is well.\n"
        );
    }
}
