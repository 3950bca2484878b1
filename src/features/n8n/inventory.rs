//! What an n8n holds beside its workflows, and what of that belongs to each of them. Filled from the rows
//! of a live database or of an archive alike.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Flow, Project, Tag};

/// A credential, without what it hides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its type, as in `httpHeaderAuth`.
    pub kind: String,
}

/// A variable, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name in expressions.
    pub key: String,
    /// The project it is of; none for all.
    pub project_id: Option<String>,
}

/// A folder of workflows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name.
    pub name: String,
    /// The folder it lies in.
    pub parent_id: Option<String>,
    /// Whose it is.
    pub project_id: String,
}

/// What an n8n holds beside its workflows.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Names of tags by id.
    pub tags: BTreeMap<String, String>,
    /// Folders by id.
    pub folders: BTreeMap<String, Folder>,
    /// Projects by id.
    pub projects: BTreeMap<String, Project>,
    /// Credentials, by name.
    pub credentials: Vec<Credential>,
    /// Variables, by name.
    pub variables: Vec<Variable>,
    /// The migrations that made its tables.
    pub migrations: BTreeSet<String>,
    /// n8n's version where it writes it down (2.x).
    pub n8n_version: Option<String>,
    /// Types of nodes that were installed from the community.
    pub installed_nodes: BTreeSet<String>,
    flow_tags: BTreeMap<String, Vec<String>>,
    owners: BTreeMap<String, String>,
    version_at: String,
}

/// The tables that an inventory is made of, and the columns that count.
pub const INVENTORY_TABLES: &[(&str, &[&str])] = &[
    ("tag_entity", &["id", "name"]),
    ("workflows_tags", &["workflowId", "tagId"]),
    ("folder", &["id", "name", "parentFolderId", "projectId"]),
    ("project", &["id", "name", "type"]),
    ("shared_workflow", &["workflowId", "projectId", "role"]),
    ("credentials_entity", &["id", "name", "type"]),
    ("variables", &["key", "projectId"]),
    ("migrations", &["name"]),
    ("installed_nodes", &["type"]),
    (
        "instance_version_history",
        &["major", "minor", "patch", "createdAt"],
    ),
];

/// Deeper than anybody nests folders; a ring of them ends there.
const MOST_FOLDERS_DEEP: usize = 50;

impl Inventory {
    /// Takes a row of one of [`INVENTORY_TABLES`]; `column` gives its fields.
    pub fn take(&mut self, table: &str, column: impl Fn(&str) -> Option<String>) {
        let text = |name: &str| column(name).unwrap_or_default();
        match table {
            "tag_entity" => {
                self.tags.insert(text("id"), text("name"));
            }
            "workflows_tags" => self
                .flow_tags
                .entry(text("workflowId"))
                .or_default()
                .push(text("tagId")),
            "folder" => {
                let folder = Folder {
                    name: text("name"),
                    parent_id: column("parentFolderId"),
                    project_id: text("projectId"),
                };
                self.folders.insert(text("id"), folder);
            }
            "project" => {
                let project = Project {
                    id: text("id"),
                    name: text("name"),
                    kind: text("type"),
                };
                self.projects.insert(text("id"), project);
            }
            "shared_workflow" if text("role").ends_with("owner") => {
                self.owners.insert(text("workflowId"), text("projectId"));
            }
            "credentials_entity" => self.credentials.push(Credential {
                id: text("id"),
                name: text("name"),
                kind: text("type"),
            }),
            "variables" => self.variables.push(Variable {
                key: text("key"),
                project_id: column("projectId"),
            }),
            "migrations" => {
                self.migrations.insert(text("name"));
            }
            "installed_nodes" => {
                self.installed_nodes.insert(text("type"));
            }
            "instance_version_history" if text("createdAt") >= self.version_at => {
                self.version_at = text("createdAt");
                let version = ["major", "minor", "patch"].map(text);
                self.n8n_version = Some(version.join("."));
            }
            _ => {}
        }
    }

    /// Puts what was taken in order.
    pub fn finish(&mut self) {
        self.credentials
            .sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        self.variables.sort_by(|a, b| a.key.cmp(&b.key));
    }

    /// Adds what of it belongs to a workflow.
    pub fn complete(&self, flow: &mut Flow) {
        let tags = self.flow_tags.get(flow.id()).into_iter().flatten();
        flow.tags = tags
            .filter_map(|id| {
                let name = self.tags.get(id)?.clone();
                Some(Tag {
                    id: id.clone(),
                    name,
                })
            })
            .collect();
        flow.tags.sort_by(|a, b| a.name.cmp(&b.name));
        let owner = self.owners.get(flow.id());
        flow.project = owner.and_then(|id| self.projects.get(id).cloned());
        flow.folder = self.folder_path(flow.text("parentFolderId"));
    }

    /// The names of the folders down to this one; empty for none.
    pub fn folder_path(&self, id: &str) -> Vec<String> {
        let (mut path, mut at) = (Vec::new(), id);
        while let Some(folder) = self.folders.get(at) {
            path.push(folder.name.clone());
            if path.len() == MOST_FOLDERS_DEEP {
                break;
            }
            at = folder.parent_id.as_deref().unwrap_or_default();
        }
        path.reverse();
        path
    }

    /// Whether a credential of that id is there.
    pub fn has_credential(&self, id: &str) -> bool {
        self.credentials.iter().any(|one| one.id == id)
    }

    /// The only credential of that name and type, if there is exactly one.
    pub fn only_credential(&self, name: &str, kind: &str) -> Option<&Credential> {
        let mut same = self
            .credentials
            .iter()
            .filter(|one| one.name == name && one.kind == kind);
        let first = same.next();
        first.filter(|_| same.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(inventory: &mut Inventory, table: &str, fields: &[(&str, &str)]) {
        inventory.take(table, |wanted| {
            let found = fields.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| (*value).to_owned())
        });
    }

    #[test]
    fn a_workflow_gets_its_tags_folders_and_owner() {
        let mut all = Inventory::default();
        take(&mut all, "tag_entity", &[("id", "1"), ("name", "prod")]);
        take(&mut all, "tag_entity", &[("id", "2"), ("name", "api")]);
        for tag in ["1", "2", "gone"] {
            let fields = [("workflowId", "w"), ("tagId", tag)];
            take(&mut all, "workflows_tags", &fields);
        }
        let outer = [("id", "f"), ("name", "Team"), ("projectId", "p")];
        take(&mut all, "folder", &outer);
        let inner = [("id", "g"), ("name", "Mail"), ("parentFolderId", "f")];
        take(&mut all, "folder", &inner);
        take(
            &mut all,
            "project",
            &[("id", "p"), ("name", "Ada"), ("type", "personal")],
        );
        let shared = [
            ("workflowId", "w"),
            ("projectId", "p"),
            ("role", "workflow:owner"),
        ];
        take(&mut all, "shared_workflow", &shared);
        let guest = [
            ("workflowId", "w"),
            ("projectId", "q"),
            ("role", "workflow:editor"),
        ];
        take(&mut all, "shared_workflow", &guest);
        let mut flow =
            Flow::from_text([("id", Some("w")), ("parentFolderId", Some("g"))].into_iter())
                .unwrap();
        all.complete(&mut flow);
        let tags: Vec<_> = flow.tags.iter().map(|tag| tag.name.as_str()).collect();
        assert_eq!(tags, ["api", "prod"]);
        assert_eq!(flow.folder, ["Team", "Mail"]);
        assert_eq!(flow.project.unwrap().name, "Ada");
        // A ring of folders ends.
        let ring = [("id", "f"), ("name", "Team"), ("parentFolderId", "g")];
        take(&mut all, "folder", &ring);
        assert_eq!(all.folder_path("g").len(), MOST_FOLDERS_DEEP);
    }

    #[test]
    fn the_newest_version_counts_and_names_that_are_not_unique_find_nothing() {
        let mut all = Inventory::default();
        for (minor, at) in [
            ("40", "2026-01-01"),
            ("41", "2026-02-01"),
            ("39", "2025-12-01"),
        ] {
            let fields = [
                ("major", "2"),
                ("minor", minor),
                ("patch", "1"),
                ("createdAt", at),
            ];
            take(&mut all, "instance_version_history", &fields);
        }
        assert_eq!(all.n8n_version.as_deref(), Some("2.41.1"));
        for id in ["a", "b", "c"] {
            let name = if id == "c" { "other" } else { "same" };
            take(
                &mut all,
                "credentials_entity",
                &[("id", id), ("name", name), ("type", "t")],
            );
        }
        assert!(all.only_credential("same", "t").is_none());
        assert_eq!(all.only_credential("other", "t").unwrap().id, "c");
        assert!(all.has_credential("a") && !all.has_credential("d"));
    }
}
