//! In which container this process runs, if in any. It is never stopped from within.

use std::fs;

/// The id of the container that this process runs in.
pub fn own_container() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    from_mounts(&mounts).or_else(|| from_groups(&groups))
}

/// The engine gives every container files of its own for these, from a folder with its id. The machine itself sees
/// the folders of all its containers, but not there.
fn from_mounts(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (source, target) = (fields.next()?, fields.next()?);
        let is_given = matches!(target, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf");
        is_given
            .then(|| source.split('/').find(|part| is_id(part)))?
            .map(str::to_owned)
    })
}

/// Control groups 1, and 2 without a namespace of its own.
fn from_groups(groups: &str) -> Option<String> {
    groups.lines().find_map(|line| {
        let last = line.rsplit(['/', ':']).next()?;
        let id = last
            .trim_start_matches("docker-")
            .trim_end_matches(".scope");
        is_id(id).then(|| id.to_owned())
    })
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "152ee925e8b6372bbd52adebc90a6880e0ee0f55836b416c8fce40fb4e5c8e05";

    #[test]
    fn a_container_is_known_by_the_files_it_is_given() {
        let mounts = format!(
            "731 717 254:0 /var/lib/docker/volumes/x/_data /data rw - ext4 /dev/vda rw\n\
             732 717 254:0 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
        );
        assert_eq!(from_mounts(&mounts).as_deref(), Some(ID));
    }

    #[test]
    fn the_machine_is_none_of_the_containers_that_it_sees() {
        let mounts = format!(
            "100 29 0:50 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             101 29 0:51 / /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(from_mounts(&mounts), None);
        assert_eq!(
            from_groups("0::/system.slice/flowkeep.service\n12:cpu:/user.slice\n"),
            None
        );
    }

    #[test]
    fn control_groups_tell_it_too() {
        assert_eq!(
            from_groups(&format!("5:memory:/docker/{ID}\n")).as_deref(),
            Some(ID)
        );
        assert_eq!(
            from_groups(&format!("0::/system.slice/docker-{ID}.scope\n")).as_deref(),
            Some(ID)
        );
    }
}
