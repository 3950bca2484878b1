//! In which container this process runs, if in any. It is never stopped from within.

use std::collections::BTreeSet;
use std::fs;

use super::{Docker, DockerError};

/// What the kernel says of where this process runs.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The container whose files it was given. With `network_mode: service:…` that is the one whose network it shares.
    pub files_of: Option<String>,
    /// The topmost layer of its root, as the engine knows it too.
    pub root: Option<String>,
}

impl Place {
    /// Of this process.
    pub fn read() -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::of(&mounts, &groups)
    }

    /// Of a process, by what its `mountinfo` and `cgroup` hold.
    pub fn of(mounts: &str, groups: &str) -> Self {
        Self {
            files_of: from_mounts(mounts).or_else(|| from_groups(groups)),
            root: root_of(mounts),
        }
    }
}

impl Docker {
    /// Says where this process runs: until the engine was asked, in the container whose files it has.
    pub fn set_place(&self, place: Place) {
        self.set_own(place.files_of.clone());
        self.own.lock().place = place;
    }

    /// Says in which containers this process runs, by their ids.
    pub fn set_own(&self, ids: impl IntoIterator<Item = String>) {
        self.own.lock().ids = ids.into_iter().collect();
    }

    /// Whether this process ends with that container, by its id: it runs in it or by its network. Whoever ended it would not come to the end.
    pub fn is_own(&self, id: &str) -> bool {
        self.own.lock().ids.contains(id)
    }

    /// Asks the engine whether the files that this process was given are its own container's, or those of one whose network it
    /// shares. Where that cannot be told apart, all that share the network are taken for its own.
    pub async fn learn_own(&self) -> Result<(), DockerError> {
        let place = self.own.lock().place.clone();
        let Some(files_of) = place.files_of else {
            return Ok(());
        };
        let layer = self.layer(&files_of).await?;
        let mut ids = BTreeSet::from([files_of.clone()]);
        if layer.is_none() || layer != place.root {
            let network = format!("container:{files_of}");
            for one in self.list().await? {
                let mode = one.host_config.and_then(|host| host.network_mode);
                let Some(id) = one.id.filter(|_| mode.as_deref() == Some(&network)) else {
                    continue;
                };
                let layer = self.layer(&id).await?;
                if layer.is_none() || place.root.is_none() || layer == place.root {
                    ids.insert(id);
                }
            }
        }
        self.own.lock().ids = ids;
        Ok(())
    }

    /// The topmost layer of a container's root; `None` where the engine's storage has none.
    async fn layer(&self, id: &str) -> Result<Option<String>, DockerError> {
        let driver = self.inspect(id).await?.and_then(|found| found.graph_driver);
        Ok(driver.and_then(|mut driver| driver.data.remove("UpperDir")))
    }
}

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Own {
    place: Place,
    ids: BTreeSet<String>,
}

/// The layer that is written to of an overlay that is the root.
fn root_of(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        if line.split(' ').nth(4)? != "/" {
            return None;
        }
        let mut options = line.rsplit(' ').next()?.split(',');
        let upper = options.find_map(|option| option.strip_prefix("upperdir="));
        upper.map(str::to_owned)
    })
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
    fn the_root_is_known_by_the_layer_that_is_written_to() {
        let mounts = "28 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/var/lib/docker/overlay2/f0/diff,workdir=/w\n\
                      29 28 0:51 / /proc rw - proc proc rw\n";
        assert_eq!(
            root_of(mounts).as_deref(),
            Some("/var/lib/docker/overlay2/f0/diff")
        );
        assert_eq!(root_of("28 1 254:0 / / rw - ext4 /dev/vda rw\n"), None);
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
