//! How a program ended, in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// As in `pg_dump was killed by signal 9`.
pub fn describe_exit(program: &str, status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => format!("{program} ended well"),
        (Some(code), _) => format!("{program} ended with exit code {code}"),
        (None, Some(signal)) => format!("{program} was killed by signal {signal}"),
        (None, None) => format!("{program} ended in an unknown way"),
    }
}
