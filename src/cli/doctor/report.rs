//! What the doctor found, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works; something could be better.
    Warn,
    /// It does not work.
    Fail,
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it counts.
    pub level: Level,
    /// What is so.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// All lines, in the order they were found.
#[derive(Debug, Default)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// It is as it should be.
    pub fn ok(&mut self, check: &'static str, found: impl Into<String>) {
        self.add(check, Level::Ok, found.into(), None);
    }

    /// It works, and this would make it better.
    pub fn warn(&mut self, check: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Level::Warn, found.into(), Some(fix.into()));
    }

    /// It does not work until this is done.
    pub fn fail(&mut self, check: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.add(check, Level::Fail, found.into(), Some(fix.into()));
    }

    fn add(&mut self, check: &'static str, level: Level, found: String, fix: Option<String>) {
        self.findings.push(Finding {
            check,
            level,
            found,
            fix,
        });
    }

    /// The worst of all lines.
    pub fn level(&self) -> Level {
        self.findings
            .iter()
            .map(|finding| finding.level)
            .max()
            .unwrap_or(Level::Ok)
    }

    /// One line each, and below it what to do.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let mark = match finding.level {
                Level::Ok => "ok  ",
                Level::Warn => "WARN",
                Level::Fail => "FAIL",
            };
            let _ = writeln!(text, "{mark}  {}: {}", finding.check, finding.found);
            if let Some(fix) = &finding.fix {
                let _ = writeln!(text, "      fix: {fix}");
            }
        }
        let count = |level| {
            self.findings
                .iter()
                .filter(|one| one.level == level)
                .count()
        };
        let (fail, warn) = (count(Level::Fail), count(Level::Warn));
        let _ = match (fail, warn) {
            (0, 0) => writeln!(text, "All is well."),
            _ => writeln!(text, "{fail} to fix, {warn} could be better."),
        };
        text
    }

    /// The same for programs.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "status": self.level(),
            "version": env!("CARGO_PKG_VERSION"),
            "findings": self.findings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_line_counts_and_each_bad_one_says_what_to_do() {
        let mut report = Report::default();
        assert_eq!(report.level(), Level::Ok);
        report.ok("a", "fine");
        report.warn("b", "so so", "do this");
        assert_eq!(report.level(), Level::Warn);
        report.fail("c", "broken", "do that");
        assert_eq!(report.level(), Level::Fail);
        let text = report.to_text();
        assert!(
            text.contains("FAIL  c: broken\n      fix: do that\n"),
            "{text}"
        );
        assert!(text.ends_with("1 to fix, 1 could be better.\n"), "{text}");
        let json = report.to_json();
        assert_eq!(
            (&json["status"], &json["findings"][1]["fix"]),
            (&"fail".into(), &"do this".into())
        );
    }
}
