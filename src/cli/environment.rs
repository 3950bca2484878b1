//! The daemon's variables as the unit reads them (`/etc/flowkeep/environment`), for the other commands: whoever types
//! `runuser -u flowkeep -- flowkeep backup` means the database that the daemon has.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use clap::Command;
use secrecy::SecretString;

use crate::platform::config::SecretsConfig;

/// Where the Debian package puts it.
const USUAL: &str = "/etc/flowkeep/environment";
/// Names another file; empty for none.
pub const FILE_VARIABLE: &str = "FLOWKEEP_ENVIRONMENT_FILE";
const MASTER_KEY: &str = "FLOWKEEP_MASTER_KEY";

/// What a file of variables holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// By name.
    pub values: BTreeMap<String, String>,
    /// Numbers of lines that systemd would not take.
    pub bad_lines: Vec<usize>,
}

/// Which file the unit reads, if any.
pub fn path() -> Option<PathBuf> {
    let chosen = std::env::var_os(FILE_VARIABLE).map_or_else(|| USUAL.into(), PathBuf::from);
    (!chosen.as_os_str().is_empty()).then_some(chosen)
}

/// Reads that file. One that is not there holds nothing.
pub fn read() -> io::Result<Variables> {
    let Some(path) = path() else {
        return Ok(Variables::default());
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Variables::default()),
        Err(error) => Err(error),
    }
}

/// systemd.exec(5): `NAME=value`, quoted or not, `#` and `;` begin comments, a backslash at the end joins lines.
fn parse(text: &str) -> Variables {
    let mut variables = Variables::default();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut line = line.trim().to_owned();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        while line.ends_with('\\') {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim());
        }
        match line.split_once('=') {
            Some((name, value)) if is_name(name.trim_end()) => {
                let value = unquoted(value.trim());
                variables
                    .values
                    .insert(name.trim_end().to_owned(), value.to_owned());
            }
            _ => variables.bad_lines.push(number + 1),
        }
    }
    variables
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

/// Makes the file's values the defaults of every command but `serve`, which has them from systemd. A variable that is
/// set and a flag that is given still win.
pub fn as_defaults(command: Command, variables: &Variables) -> Command {
    if let Some(key) = variables.values.get(MASTER_KEY) {
        SecretsConfig::offer_master_key(SecretString::from(key.clone()));
    }
    apply(command, variables)
}

fn apply(command: Command, variables: &Variables) -> Command {
    let command = command.mut_args(|arg| {
        let name = arg.get_env().and_then(|name| name.to_str());
        match name.and_then(|name| variables.values.get(name)) {
            Some(value) if !value.is_empty() => {
                // Defaults live as long as the program, and a password is not shown by --help.
                let value: &'static str = value.clone().leak();
                arg.default_value(value).hide_default_value(true)
            }
            _ => arg,
        }
    });
    command.mut_subcommands(|sub| {
        if sub.get_name() == "serve" {
            sub
        } else {
            apply(sub, variables)
        }
    })
}

/// Every variable that means something.
pub fn known(command: &Command) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [MASTER_KEY, FILE_VARIABLE].map(str::to_owned).into();
    collect(command, &mut names);
    names
}

fn collect(command: &Command, names: &mut BTreeSet<String>) {
    let of_args = command.get_arguments().filter_map(|arg| arg.get_env());
    names.extend(of_args.map(|name| name.to_string_lossy().into_owned()));
    for sub in command.get_subcommands() {
        collect(sub, names);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_systemd_reads_it() {
        let text = "# a comment\n; another\n\nFLOWKEEP_LISTEN=127.0.0.1:1\nA = \"b c\"\nB='#d'\nC=e\\\n  f\nnonsense\n1X=2\n";
        let found = parse(text);
        let values: Vec<_> = found
            .values
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(
            values,
            ["A=b c", "B=#d", "C=ef", "FLOWKEEP_LISTEN=127.0.0.1:1"]
        );
        assert_eq!(found.bad_lines, [9, 10]);
    }

    #[test]
    fn the_package_file_names_every_variable_and_sets_none() {
        let file = include_str!("../../packaging/debian/environment");
        assert_eq!(parse(file), Variables::default());
        let commented: BTreeSet<String> = file
            .lines()
            .filter_map(|line| line.strip_prefix('#')?.split_once('='))
            .filter(|(name, _)| is_name(name))
            .map(|(name, _)| name.to_owned())
            .collect();
        let command = crate::cli::command();
        // Not the one that only `restore` takes.
        let mut wanted = known(command.find_subcommand("serve").unwrap());
        wanted.remove(FILE_VARIABLE);
        assert_eq!(commented, wanted);
    }
}
