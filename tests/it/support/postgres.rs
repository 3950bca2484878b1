//! One throwaway PostgreSQL for the whole test process and a database of its own for every test.
//!
//! The server dies with the process, however that ends; its folder is swept by the next run.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{LazyLock, Mutex};

use flowkeep::platform::db::MIGRATOR;
use flowkeep::platform::ids::Ids;
use flowkeep::platform::postgres::{
    Cluster, ClusterSpec, ConnInfo, Durability, Host, Installations, unprivileged_identity,
};
use flowkeep::platform::process::{CommandSpec, Processes};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;

const TEMPLATE: &str = "migrated";
const SAMPLE: &str = "sample_n8n";
/// The key of [`sample_n8n`].
pub const SAMPLE_KEY: &str = include_str!("../../../assets/sample/n8n-sample.key");

static SERVERS: LazyLock<Mutex<BTreeMap<u32, ConnInfo>>> = LazyLock::new(Mutex::default);
static NEXT_DATABASE: AtomicU32 = AtomicU32::new(0);

/// Folders with more PostgreSQL programs, from `FLOWKEEP_TEST_POSTGRES_DIRS`.
pub fn extra_dirs() -> Vec<PathBuf> {
    let dirs = std::env::var_os("FLOWKEEP_TEST_POSTGRES_DIRS").unwrap_or_default();
    std::env::split_paths(&dirs)
        .filter(|dir| !dir.as_os_str().is_empty())
        .collect()
}

/// Every installation the tests may use.
pub async fn installations() -> Installations {
    Installations::discover(&Processes::new(), &extra_dirs()).await
}

/// The major versions whose servers are installed; CI must have 15, 16 and 18.
pub async fn server_majors() -> Vec<u32> {
    let all = installations().await;
    let majors: Vec<u32> = all
        .all()
        .iter()
        .filter(|found| found.has_server)
        .map(|found| found.major)
        .collect();
    if std::env::var_os("FLOWKEEP_TEST_POSTGRES_DIRS").is_some() {
        for wanted in [15, 16, 18] {
            assert!(
                majors.contains(&wanted),
                "PostgreSQL {wanted} is missing: {majors:?}"
            );
        }
    }
    majors
}

/// An empty, migrated database on the default server.
pub async fn migrated_database() -> ConnInfo {
    let server = default_server().await;
    let database = create_database(&server, Some(TEMPLATE)).await;
    // Each is a Flowkeep of its own; by that name it knows its containers from those of others.
    let mut connection = connect(&database).await;
    let renamed = "UPDATE installation SET id = gen_random_uuid()";
    sqlx::query(renamed).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    database
}

/// An empty database on the default server.
pub async fn empty_database() -> ConnInfo {
    create_database(&default_server().await, None).await
}

/// Connects.
pub async fn connect(info: &ConnInfo) -> PgConnection {
    info.to_sqlx()
        .connect()
        .await
        .expect("connect to the test server")
}

/// The database of a real n8n 2.41 with six workflows and a credential; its key is [`SAMPLE_KEY`].
pub async fn sample_n8n() -> ConnInfo {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    let server = default_server().await;
    MADE.get_or_init(|| async {
        let template = server.with_database(SAMPLE);
        let mut admin = connect(&server).await;
        let sql = format!("CREATE DATABASE {SAMPLE}");
        let created = sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut admin)
            .await;
        created.unwrap();
        admin.close().await.unwrap();
        let major = *server_majors().await.first().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sample/n8n-sample.dump");
        run(
            major,
            "pg_restore",
            &template,
            &[
                "--no-owner",
                "--no-acl",
                "--exit-on-error",
                path.to_str().unwrap(),
            ],
        )
        .await;
    })
    .await;
    create_database(&server, Some(SAMPLE)).await
}

/// Runs one of PostgreSQL's programs on a database to its end. Returns what it says.
pub async fn run(major: u32, program: &str, database: &ConnInfo, args: &[&str]) -> Vec<u8> {
    let installations = installations().await;
    let installation = installations.client_for(major).unwrap();
    let spec = CommandSpec::new(installation.program(program))
        .env(
            "PGPASSWORD",
            database.password.as_ref().unwrap().expose_secret(),
        )
        .arg(format!("--dbname={}", database.to_libpq()))
        .args(args);
    let output = Processes::new().output(spec).await.unwrap();
    assert!(output.status.success(), "{program}: {}", output.stderr);
    output.stdout
}

async fn default_server() -> ConnInfo {
    let majors = server_majors().await;
    server(*majors.first().expect("a PostgreSQL server is installed")).await
}

/// The shared server of this major version, started when first asked for.
pub async fn server(major: u32) -> ConnInfo {
    tokio::task::spawn_blocking(move || {
        let mut servers = SERVERS.lock().unwrap();
        servers
            .entry(major)
            .or_insert_with(|| start_server(major))
            .clone()
    })
    .await
    .unwrap()
}

/// Runs the server under a runtime of its own that no test's end can take along.
fn start_server(major: u32) -> ConnInfo {
    let (ready, started) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let processes = Processes::new();
            let all = Installations::discover(&processes, &extra_dirs()).await;
            let dir =
                std::env::temp_dir().join(format!("flowkeep-test-{}-{major}", std::process::id()));
            sweep(&std::env::temp_dir());
            let spec = ClusterSpec {
                installation: all.server_for(major).unwrap().clone(),
                socket_dir: dir.join("s"),
                dir,
                password: SecretString::from("test"),
                identity: unprivileged_identity().unwrap(),
                durability: Durability::Throwaway,
            };
            let cluster = spec
                .start(&processes, &Ids::system())
                .await
                .expect("start PostgreSQL");
            let info = cluster.conninfo().clone();
            let template = create_template(&info).await;
            ready.send(template.map(|()| info)).unwrap();
            std::future::pending::<()>().await;
        });
    });
    started
        .recv()
        .unwrap()
        .expect("migrate the template database")
}

async fn create_template(info: &ConnInfo) -> Result<(), sqlx::migrate::MigrateError> {
    let mut admin = info.to_sqlx().connect().await?;
    sqlx::query("CREATE DATABASE migrated")
        .execute(&mut admin)
        .await?;
    let mut connection = info.with_database(TEMPLATE).to_sqlx().connect().await?;
    MIGRATOR.run_direct(None, &mut connection, false).await?;
    connection.close().await?;
    Ok(())
}

async fn create_database(server: &ConnInfo, template: Option<&str>) -> ConnInfo {
    let name = format!("test_{}", NEXT_DATABASE.fetch_add(1, Ordering::SeqCst));
    let mut admin = connect(server).await;
    let template = template.unwrap_or("template0");
    let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
    // Two copies of one template at once wait for each other, which PostgreSQL calls an error.
    let lock = "SELECT pg_advisory_lock(7003)";
    sqlx::query(lock).execute(&mut admin).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(sql))
        .execute(&mut admin)
        .await
        .unwrap();
    admin.close().await.unwrap();
    server.with_database(name)
}

/// Removes what earlier runs left behind.
fn sweep(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix("flowkeep-test-"))
            .and_then(|rest| rest.split('-').next());
        if let Some(pid) = pid
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// An empty database on a server of this major version.
pub async fn empty_database_on(major: u32) -> ConnInfo {
    create_database(&server(major).await, None).await
}

/// A URL that reads back as this.
pub fn url_of(info: &ConnInfo) -> String {
    let dir = match &info.host {
        Host::Socket(dir) => dir.to_str().unwrap(),
        Host::Tcp(host) => host,
    };
    let password = info
        .password
        .as_ref()
        .map(|p| p.expose_secret().to_owned())
        .unwrap_or_default();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("host", dir);
    query.append_pair("user", &info.user);
    query.append_pair("password", &password);
    format!("postgres:///{}?{}", info.database, query.finish())
}

/// A server that belongs to one test alone, to be killed or looked at as a whole.
pub struct OwnCluster {
    spec: ClusterSpec,
    cluster: Option<Cluster>,
    processes: Processes,
    _dir: TempDir,
}

impl OwnCluster {
    /// Starts one of the newest version.
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let spec = ClusterSpec {
            installation: installations().await.newest_server().unwrap().clone(),
            dir: dir.path().join("cluster"),
            socket_dir: dir.path().join("cluster/s"),
            password: SecretString::from("test"),
            identity: unprivileged_identity().unwrap(),
            durability: Durability::Durable,
        };
        let mut own = Self {
            spec,
            cluster: None,
            processes: Processes::new(),
            _dir: dir,
        };
        own.start_again().await;
        own
    }

    /// Its database `postgres`.
    pub fn conninfo(&self) -> ConnInfo {
        self.spec.conninfo()
    }

    /// Makes a folder that its server may use.
    pub fn give_folder(&self, path: &Path) {
        std::fs::create_dir(path).unwrap();
        if let Some(parent) = path.parent() {
            std::fs::set_permissions(parent, Permissions::from_mode(0o755)).unwrap();
        }
        if let Some(identity) = &self.spec.identity {
            std::os::unix::fs::chown(path, Some(identity.uid), Some(identity.gid)).unwrap();
        }
    }

    /// Ends it as a crash would.
    pub async fn kill(&mut self) {
        self.cluster.take().unwrap().kill().await;
    }

    /// Starts it again where it was.
    pub async fn start_again(&mut self) {
        let started = self.spec.start(&self.processes, &Ids::system()).await;
        self.cluster = Some(started.unwrap());
    }

    /// Ends it.
    pub async fn stop(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// A dump of a database by pg_dump.
pub async fn dump(database: &ConnInfo, args: &[&str]) -> Vec<u8> {
    let major = *server_majors().await.first().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let to = format!("--file={}", file.path().display());
    let mut all = vec![to.as_str()];
    all.extend(args);
    run(major, "pg_dump", database, &all).await;
    std::fs::read(file.path()).unwrap()
}

/// Loads a dump into a database.
pub async fn load(database: &ConnInfo, dump: &[u8]) {
    let major = *server_majors().await.first().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), dump).unwrap();
    let path = file.path().to_str().unwrap();
    let args = ["--no-owner", "--no-acl", "--exit-on-error", path];
    run(major, "pg_restore", database, &args).await;
}
