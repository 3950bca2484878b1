//! Names of users and groups, for messages and commands that can be copied.

/// The name of a user id, or the number.
pub fn user(uid: u32) -> String {
    name_of("/etc/passwd", uid)
}

/// The name of a group id, or the number.
pub fn group(gid: u32) -> String {
    name_of("/etc/group", gid)
}

fn name_of(file: &str, id: u32) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    find(&text, id).unwrap_or_else(|| id.to_string())
}

/// passwd(5) and group(5): `name:password:id:…`.
fn find(text: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == id).then(|| name.to_owned())
    })
}

/// Who we are.
pub fn me() -> String {
    user(rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_whole_number() {
        let text = "root:x:0:\nflowkeep:x:99:\nother:x:9:\n";
        assert_eq!(find(text, 9).as_deref(), Some("other"));
        assert_eq!(find(text, 7), None);
    }
}
