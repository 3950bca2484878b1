//! As whom to run PostgreSQL's programs: the server refuses to run as root.

use crate::platform::process::Identity;

/// Users that may own a private cluster, best first.
const CANDIDATES: [&str; 2] = ["flowkeep", "postgres"];

/// Whom to become when running as root: the user `flowkeep`, else `postgres`. `None` when not
/// running as root: children stay who we are. An error names the remedy.
pub fn unprivileged_identity() -> Result<Option<Identity>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")
        .map_err(|error| format!("cannot read /etc/passwd: {error}"))?;
    CANDIDATES
        .iter()
        .find_map(|name| find(&users, name))
        .map(Some)
        .ok_or_else(|| {
            "PostgreSQL does not run as root, and there is no user `flowkeep` or `postgres` to \
             run it as; create one with: useradd --system flowkeep"
                .to_owned()
        })
}

/// passwd(5): `name:password:uid:gid:…`.
fn find(users: &str, wanted: &str) -> Option<Identity> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| *name == wanted)?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then(|| Identity {
            uid,
            gid,
            name: name.to_owned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name_and_root_never() {
        let users = "root:x:0:0::/:/bin/sh\npostgres2:x:7:7::/:\npostgres:x:101:104:a:/b:/bin/sh\n";
        let found = find(users, "postgres").unwrap();
        assert_eq!((found.uid, found.gid), (101, 104));
        assert!(find(users, "root").is_none() && find(users, "nobody").is_none());
    }
}
