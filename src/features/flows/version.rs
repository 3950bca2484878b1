//! Which version of a workflow is meant, in words: `live`, `backup:12`, `archive:3`, `history:<id>` of
//! n8n's own history, `safety:7` of what a restore overwrote.

use std::fmt;
use std::str::FromStr;

/// A backup or an uploaded archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A backup by its number.
    Backup(i32),
    /// An uploaded archive by its number.
    Archive(i32),
}

/// Which version of a workflow is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VersionRef {
    /// What n8n has now.
    Live,
    /// What a backup or an archive has.
    In(Place),
    /// What n8n's own history has.
    History(String),
    /// What a restore overwrote.
    Safety(i32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(id) => write!(f, "backup:{id}"),
            Self::Archive(id) => write!(f, "archive:{id}"),
        }
    }
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Live => f.write_str("live"),
            Self::In(place) => place.fmt(f),
            Self::History(id) => write!(f, "history:{id}"),
            Self::Safety(id) => write!(f, "safety:{id}"),
        }
    }
}

impl FromStr for VersionRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            "must be live, backup:<number>, archive:<number>, history:<version> or safety:<number>";
        let number = |text: &str| text.parse().ok().filter(|id| *id > 0).ok_or(wrong);
        match text.split_once(':') {
            None if text == "live" => Ok(Self::Live),
            Some(("backup", id)) => Ok(Self::In(Place::Backup(number(id)?))),
            Some(("archive", id)) => Ok(Self::In(Place::Archive(number(id)?))),
            Some(("history", id)) if (1..=64).contains(&id.len()) => {
                Ok(Self::History(id.to_owned()))
            }
            Some(("safety", id)) => Ok(Self::Safety(number(id)?)),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_named_as_they_are_read() {
        for text in ["live", "backup:12", "archive:3", "history:0f3a", "safety:7"] {
            assert_eq!(text.parse::<VersionRef>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "backup",
            "backup:",
            "backup:-1",
            "backup:x",
            "live:1",
            "history:",
        ] {
            assert!(text.parse::<VersionRef>().is_err(), "{text}");
        }
    }
}
