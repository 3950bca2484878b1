//! Which containers may be seen and touched. Pure.

use std::collections::HashMap;

use crate::features::settings::{Key, SettingsService};
use crate::platform::docker::is_aside;

/// What every throwaway container of a Flowkeep carries; these are nobody's business.
const CAGED: &str = "flowkeep.owner";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";
const MOST_NAME_BYTES: usize = 255;

/// Which containers are the project's. One reason is enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What names begin with.
    pub prefixes: Vec<String>,
    /// Whole names: those of n8n that the settings name.
    pub names: Vec<String>,
    /// Projects of docker compose.
    pub projects: Vec<String>,
    /// Labels, as `name` or `name=value`.
    pub labels: Vec<String>,
}

/// Docker's own grammar of names. What is no name is no container, and is asked of nobody.
pub fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= MOST_NAME_BYTES
        && bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && text.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn listed(text: &str) -> Vec<String> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

impl Policy {
    /// As the settings say.
    pub fn of(settings: &SettingsService) -> Self {
        let read = |key| listed(&settings.choice(key));
        Self {
            prefixes: read(Key::ContainerPrefixes),
            names: read(Key::N8nContainers),
            projects: read(Key::ContainerProjects),
            labels: read(Key::ContainerLabels),
        }
    }

    /// Whether a container with that name and those labels is the project's. One that an upgrade of n8n keeps is the
    /// upgrade's: started beside the new one it would be an old n8n on a database that was migrated.
    pub fn allows(&self, name: &str, labels: &HashMap<String, String>) -> bool {
        if !is_name(name) || labels.contains_key(CAGED) || is_aside(name) {
            return false;
        }
        let project = labels.get(COMPOSE_PROJECT);
        self.names.iter().any(|one| one == name)
            || self
                .prefixes
                .iter()
                .any(|one| name.starts_with(one.as_str()))
            || project.is_some_and(|project| self.projects.contains(project))
            || self
                .labels
                .iter()
                .any(|wanted| match wanted.split_once('=') {
                    Some((label, value)) => labels.get(label).is_some_and(|has| has == value),
                    None => labels.contains_key(wanted),
                })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_prefix_a_project_a_label_or_a_whole_name_is_enough_and_nothing_else_is() {
        let policy = Policy {
            prefixes: vec!["n8n_".to_owned()],
            names: vec!["n8n".to_owned()],
            projects: vec!["flows".to_owned()],
            labels: vec!["watch".to_owned(), "team=box".to_owned()],
        };
        let none = labels(&[]);
        assert!(policy.allows("n8n_main", &none));
        assert!(policy.allows("n8n", &none));
        assert!(!policy.allows("n8n-main", &none));
        assert!(!policy.allows("xn8n_main", &none));
        assert!(!policy.allows("N8N_main", &none));
        assert!(policy.allows("other", &labels(&[(COMPOSE_PROJECT, "flows")])));
        assert!(!policy.allows("other", &labels(&[(COMPOSE_PROJECT, "flows2")])));
        assert!(policy.allows("other", &labels(&[("watch", "")])));
        assert!(policy.allows("other", &labels(&[("team", "box")])));
        assert!(!policy.allows("other", &labels(&[("team", "boxer")])));
    }

    #[test]
    fn flowkeeps_own_throwaway_containers_are_never_the_projects() {
        let policy = Policy {
            prefixes: vec!["f".to_owned()],
            ..Policy::default()
        };
        assert!(policy.allows("flowkeep-x", &labels(&[])));
        assert!(!policy.allows("flowkeep-x", &labels(&[("flowkeep.owner", "flowkeep")])));
    }

    #[test]
    fn what_an_upgrade_keeps_is_not_the_projects_however_it_is_named() {
        let kept = "n8n_main-before-upgrade-3";
        let policy = Policy {
            prefixes: vec!["n8n_".to_owned()],
            names: vec![kept.to_owned()],
            projects: vec!["flows".to_owned()],
            ..Policy::default()
        };
        assert!(!policy.allows(kept, &labels(&[(COMPOSE_PROJECT, "flows")])));
        assert!(policy.allows("n8n_main-before-upgrade", &labels(&[])));
    }

    #[test]
    fn an_empty_policy_allows_nothing() {
        assert!(!Policy::default().allows("n8n_main", &labels(&[])));
    }

    #[test]
    fn what_docker_calls_no_name_is_none() {
        for name in ["n8n_main", "a1", "A.b-c_d"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "a",
            "..",
            "../etc",
            "n8n_/../x",
            "%2e%2e",
            "n8n main",
            "n8n_\n",
            "_n8n",
            "-n8n",
            "n8n_\0",
            "n8n_é",
            "n8n_?force=1",
            "n8n_#",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"n".repeat(256)));
    }
}
