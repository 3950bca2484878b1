//! What is there.

use std::collections::BTreeMap;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::features::auth::CurrentUser;
use crate::features::containers::ContainerService;
use crate::features::containers::model::{Health, Seen, Status, output};
use crate::features::containers::service::Engine;
use crate::features::containers::stats::Usage;
use crate::features::containers::store::Cached;
use crate::features::containers::updates::Update;
use crate::platform::docker::models::{ContainerInspectResponse, HealthcheckResult};
use crate::platform::http::{ApiError, Json, Path, sentence};

const MOST_CHECKS: usize = 5;

/// A container of the project.
#[derive(Serialize, ToSchema)]
pub struct Container {
    id: String,
    name: String,
    /// As it was asked for.
    image: String,
    status: Status,
    health: Health,
    created_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    /// How it ended last; null while it runs.
    exit_code: Option<i64>,
    /// Whether the kernel ended it for its memory.
    is_out_of_memory: bool,
    /// How often the engine started it again by itself.
    restart_count: i64,
    compose_project: Option<String>,
    compose_service: Option<String>,
    /// Whether Flowkeep runs in it: it cannot be stopped from here.
    is_own: bool,
    /// What it uses, if somebody has it measured at the moment.
    usage: Option<Usage>,
    /// What its registry said, if it was asked lately.
    update: Option<Update>,
    /// When all this was known, if the engine does not answer now.
    known_at: Option<DateTime<Utc>>,
}

/// How the Docker engine is.
#[derive(Serialize, ToSchema)]
#[schema(as = ContainerEngine)]
pub struct EngineState {
    is_reachable: bool,
    /// Why not: `docker_not_there`, `docker_denied`, `docker_unreachable` and the like.
    code: Option<&'static str>,
    /// Why not, for people.
    message: Option<String>,
    /// What helps.
    remedy: Option<&'static str>,
}

/// Which containers are shown: one reason is enough. Changed in the settings.
#[derive(Serialize, ToSchema)]
pub struct ContainerPolicy {
    /// What names begin with.
    prefixes: Vec<String>,
    /// Names of n8n's own containers.
    names: Vec<String>,
    /// Projects of docker compose.
    projects: Vec<String>,
    /// Labels, as `name` or `name=value`.
    labels: Vec<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Containers {
    items: Vec<Container>,
    engine: EngineState,
    policy: ContainerPolicy,
    /// Whether the items are what was known last, because the engine does not answer.
    is_stale: bool,
}

/// A port.
#[derive(Serialize, ToSchema)]
pub struct ContainerPort {
    /// Inside, as in `5678/tcp`.
    inside: String,
    /// Outside, as in `127.0.0.1:5678`; empty when it is not published.
    outside: Vec<String>,
}

/// Something that is mounted.
#[derive(Serialize, ToSchema)]
pub struct ContainerMount {
    /// `bind`, `volume`, `tmpfs` and the like.
    kind: String,
    /// The volume's name, or where it is on the machine.
    source: String,
    target: String,
    is_writable: bool,
}

/// A network that a container is in.
#[derive(Serialize, ToSchema)]
pub struct ContainerNetwork {
    name: String,
    ip_address: Option<String>,
}

/// A run of a container's own check.
#[derive(Serialize, ToSchema)]
pub struct ContainerCheck {
    at: Option<DateTime<Utc>>,
    exit_code: Option<i64>,
    output: String,
}

/// Everything about a container. Values of its environment and labels are left out: secrets are among them.
#[derive(Serialize, ToSchema)]
pub struct ContainerDetails {
    container: Container,
    image_id: String,
    restart_policy: Option<String>,
    /// Null for all that the machine has.
    memory_limit_bytes: Option<i64>,
    /// Null for all that the machine has.
    cpu_limit: Option<f64>,
    user: Option<String>,
    working_dir: Option<String>,
    has_terminal: bool,
    log_driver: Option<String>,
    /// Seconds that it may take to end before it is killed.
    stop_seconds: i64,
    ports: Vec<ContainerPort>,
    mounts: Vec<ContainerMount>,
    networks: Vec<ContainerNetwork>,
    /// Names only.
    environment: Vec<String>,
    /// The last runs of its own check, the newest first.
    checks: Vec<ContainerCheck>,
    /// Why the engine could not start it.
    error: Option<String>,
}

impl Container {
    pub fn of(containers: &ContainerService, seen: &Seen) -> Self {
        Self {
            id: seen.id.clone(),
            name: seen.name.clone(),
            image: seen.image.clone(),
            status: seen.status,
            health: seen.health,
            created_at: seen.created_at,
            started_at: seen.started_at,
            finished_at: seen.finished_at,
            exit_code: seen.exit_code,
            is_out_of_memory: seen.is_out_of_memory,
            restart_count: seen.restart_count,
            compose_project: seen.compose_project().map(str::to_owned),
            compose_service: seen.compose_service().map(str::to_owned),
            is_own: containers.is_own(&seen.id),
            usage: None,
            update: containers.known_update(seen),
            known_at: None,
        }
    }

    fn remembered(containers: &ContainerService, row: Cached) -> Self {
        let id = row.container_id.unwrap_or_default();
        Self {
            is_own: containers.is_own(&id),
            id,
            name: row.container_name,
            image: row.image.unwrap_or_default(),
            status: row
                .status
                .as_deref()
                .map_or(Status::Stopped, Status::from_name),
            health: row
                .health
                .as_deref()
                .map_or(Health::None, Health::from_name),
            created_at: None,
            started_at: row.started_at,
            finished_at: None,
            exit_code: row.exit_code,
            is_out_of_memory: false,
            restart_count: 0,
            compose_project: None,
            compose_service: None,
            usage: None,
            update: None,
            known_at: row.last_updated,
        }
    }
}

/// List the containers of the project. When the engine does not answer, what was known last is told with the reason.
#[utoipa::path(get, path = "/api/containers", tag = "containers", responses((status = 200, body = Containers)))]
pub async fn list_containers(
    State(containers): State<ContainerService>,
    _: CurrentUser,
) -> Result<Json<Containers>, ApiError> {
    let overview = containers.overview().await?;
    let (is_stale, engine) = match overview.engine {
        Engine::Answers => {
            let engine = EngineState {
                is_reachable: true,
                code: None,
                message: None,
                remedy: None,
            };
            (false, engine)
        }
        Engine::Fails(error) => {
            let engine = EngineState {
                is_reachable: false,
                code: Some(error.code()),
                message: Some(sentence(&error)),
                remedy: Some(error.remedy()),
            };
            (true, engine)
        }
    };
    let mut items: Vec<_> = overview
        .seen
        .iter()
        .map(|seen| Container::of(&containers, seen))
        .collect();
    items.extend(
        overview
            .cached
            .into_iter()
            .map(|row| Container::remembered(&containers, row)),
    );
    for usage in containers.latest_usages().unwrap_or_default() {
        let same = items.iter_mut().find(|item| item.id == usage.id);
        if let Some(item) = same {
            item.usage = Some(usage);
        }
    }
    let policy = containers.policy();
    Ok(Json(Containers {
        items,
        engine,
        policy: ContainerPolicy {
            prefixes: policy.prefixes,
            names: policy.names,
            projects: policy.projects,
            labels: policy.labels,
        },
        is_stale,
    }))
}

/// Show a container.
#[utoipa::path(get, path = "/api/containers/{name}", tag = "containers", params(("name" = String, Path,)),
    responses((status = 200, body = ContainerDetails)))]
pub async fn get_container(
    State(containers): State<ContainerService>,
    _: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<ContainerDetails>, ApiError> {
    let seen = containers.resolve(&name).await?;
    Ok(Json(details(&containers, &seen)))
}

fn details(containers: &ContainerService, seen: &Seen) -> ContainerDetails {
    let raw = &seen.raw;
    let config = raw.config.clone().unwrap_or_default();
    let host = raw.host_config.clone().unwrap_or_default();
    let state = raw.state.clone().unwrap_or_default();
    let text = |text: Option<String>| text.filter(|text| !text.is_empty());
    let policy = host.restart_policy.and_then(|policy| policy.name);
    let checks = state
        .health
        .and_then(|health| health.log)
        .unwrap_or_default();
    let environment = config.env.unwrap_or_default();
    let names = environment
        .iter()
        .map(|one| one.split('=').next().unwrap_or_default().to_owned());
    let mut environment: Vec<_> = names.collect();
    environment.sort_unstable();
    ContainerDetails {
        container: Container::of(containers, seen),
        image_id: seen.image_id.clone(),
        restart_policy: text(policy.map(|policy| policy.to_string())),
        memory_limit_bytes: Some(seen.memory_limit).filter(|limit| *limit > 0),
        cpu_limit: seen.cpu_limit(),
        user: text(config.user),
        working_dir: text(config.working_dir),
        has_terminal: seen.is_tty,
        log_driver: host.log_config.and_then(|log| log.typ),
        stop_seconds: seen.stop_seconds.unwrap_or(30),
        ports: ports(raw),
        mounts: mounts(raw),
        networks: networks(raw),
        environment,
        checks: checks
            .into_iter()
            .rev()
            .take(MOST_CHECKS)
            .map(check)
            .collect(),
        error: text(state.error.map(|error| output(&error))),
    }
}

fn check(result: HealthcheckResult) -> ContainerCheck {
    let at = result
        .end
        .and_then(|at| DateTime::parse_from_rfc3339(&at).ok());
    ContainerCheck {
        at: at.map(|at| at.to_utc()),
        exit_code: result.exit_code,
        output: output(result.output.as_deref().unwrap_or_default()),
    }
}

fn ports(raw: &ContainerInspectResponse) -> Vec<ContainerPort> {
    let settings = raw.network_settings.clone().unwrap_or_default();
    let ports: BTreeMap<_, _> = settings.ports.unwrap_or_default().into_iter().collect();
    let outside = |binding: crate::platform::docker::models::PortBinding| {
        let (host, port) = (
            binding.host_ip.unwrap_or_default(),
            binding.host_port.unwrap_or_default(),
        );
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    };
    let ports = ports.into_iter().map(|(inside, bindings)| ContainerPort {
        inside,
        outside: bindings
            .unwrap_or_default()
            .into_iter()
            .map(outside)
            .collect(),
    });
    ports.collect()
}

fn mounts(raw: &ContainerInspectResponse) -> Vec<ContainerMount> {
    let mounts = raw.mounts.clone().unwrap_or_default();
    let mut mounts: Vec<_> = mounts
        .into_iter()
        .map(|mount| ContainerMount {
            kind: mount.typ.unwrap_or_default(),
            source: mount.name.or(mount.source).unwrap_or_default(),
            target: mount.destination.unwrap_or_default(),
            is_writable: mount.rw.unwrap_or(false),
        })
        .collect();
    mounts.sort_by(|a, b| a.target.cmp(&b.target));
    mounts
}

fn networks(raw: &ContainerInspectResponse) -> Vec<ContainerNetwork> {
    let settings = raw.network_settings.clone().unwrap_or_default();
    let networks: BTreeMap<_, _> = settings.networks.unwrap_or_default().into_iter().collect();
    let networks = networks
        .into_iter()
        .map(|(name, endpoint)| ContainerNetwork {
            name,
            ip_address: endpoint.ip_address.filter(|address| !address.is_empty()),
        });
    networks.collect()
}
