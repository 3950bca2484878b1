//! A real sshd on loopback, with keys and a folder of its own.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub struct Sshd {
    pub dir: TempDir,
    pub port: u16,
    child: Child,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(program: &str, args: &[&str]) {
    #[expect(clippy::disallowed_methods, reason = "sets a server of the tests up")]
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

impl Sshd {
    /// Starts one that lets whoever runs the tests in, by the key in `client`.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "client"] {
            run(
                "/usr/bin/ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &path(key)],
            );
        }
        std::fs::copy(path("client.pub"), path("authorized_keys")).unwrap();
        std::fs::create_dir(dir.path().join("store")).unwrap();
        // sshd takes no port 0; between asking for a free one and taking it nobody else does here.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nAuthorizedKeysFile {}\nPermitRootLogin yes\n\
             Subsystem sftp internal-sftp\nLogLevel QUIET\n",
            path("host"),
            path("authorized_keys")
        );
        std::fs::write(path("config"), config).unwrap();
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Self::spawn(&path("config"));
        let this = Self { dir, port, child };
        this.until_ready().await;
        this
    }

    fn spawn(config: &str) -> Child {
        #[expect(clippy::disallowed_methods, reason = "a server of the tests")]
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", config]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    async fn until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends it, as a machine that is switched off.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again, perhaps with another host key.
    pub async fn start_again(&mut self, is_new_machine: bool) {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        if is_new_machine {
            std::fs::remove_file(path("host")).unwrap();
            run(
                "/usr/bin/ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &path("host")],
            );
        }
        self.child = Self::spawn(&path("config"));
        self.until_ready().await;
    }

    pub fn private_key(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("client")).unwrap()
    }

    pub fn host_key(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("host.pub")).unwrap();
        let mut words = text.split_whitespace();
        format!("{} {}", words.next().unwrap(), words.next().unwrap())
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }
}
