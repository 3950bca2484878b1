//! `/api/n8n`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::service::{Facts, TestReport};
use super::{N8nError, N8nService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json};

/// The routes of the n8n connection.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(
            get_n8n_connection,
            set_n8n_connection,
            delete_n8n_connection
        ))
        .routes(routes!(test_n8n_connection))
        .routes(routes!(create_n8n_sample))
        .merge(super::api_routes::router())
}

/// The connection to n8n, without its secrets.
#[derive(Serialize, ToSchema)]
struct N8nConnection {
    is_configured: bool,
    is_sample: bool,
    sample_available: bool,
    database: Option<N8nDatabase>,
    has_encryption_key: bool,
    last_test: Option<N8nTestReport>,
    last_test_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
struct N8nDatabase {
    host: String,
    port: u16,
    database: String,
    user: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetN8nConnectionRequest {
    /// As in `postgres://user:password@host:5432/n8n`; absent to keep the saved one.
    #[schema(value_type = Option<String>, format = Password)]
    database_url: Option<SecretString>,
    /// n8n's encryption key; absent to keep the saved one, null to forget it.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = Password)]
    encryption_key: Option<Option<SecretString>>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestN8nConnectionRequest {
    /// In place of the saved one.
    #[schema(value_type = Option<String>, format = Password)]
    database_url: Option<SecretString>,
    /// In place of the saved one.
    #[schema(value_type = Option<String>, format = Password)]
    encryption_key: Option<SecretString>,
}

/// What a test found.
#[derive(Clone, Serialize, ToSchema)]
struct N8nTestReport {
    ok: bool,
    n8n_version: Option<String>,
    server_version: Option<String>,
    server_major: Option<u32>,
    database_size_bytes: Option<i64>,
    workflow_count: Option<i64>,
    active_workflow_count: Option<i64>,
    credential_count: Option<i64>,
    execution_count: Option<i64>,
    client: Option<N8nClient>,
    key_check: Option<N8nKeyCheck>,
    problems: Vec<N8nProblem>,
    duration_ms: u64,
}

/// The program that will dump it.
#[derive(Clone, Serialize, ToSchema)]
struct N8nClient {
    path: String,
    version: String,
    major: u32,
}

#[derive(Clone, Serialize, ToSchema)]
struct N8nKeyCheck {
    /// `proven`, `wrong`, `cannot_prove` or `no_key`.
    outcome: &'static str,
    detail: String,
}

#[derive(Clone, Serialize, ToSchema)]
struct N8nProblem {
    code: &'static str,
    /// `error` or `warning`.
    severity: &'static str,
    message: String,
    remedy: String,
}

/// Tells an absent field from one that is null.
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<SecretString>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl From<TestReport> for N8nTestReport {
    fn from(report: TestReport) -> Self {
        let ok = report.is_ok();
        let facts = report.facts.as_ref();
        let number = |pick: fn(&Facts) -> i64| facts.map(pick);
        Self {
            ok,
            n8n_version: facts.map(|facts| facts.n8n_version.clone()),
            server_version: facts.map(|facts| facts.server_version.clone()),
            server_major: facts.map(|facts| facts.server_major),
            database_size_bytes: number(|facts| facts.database_size_bytes),
            workflow_count: number(|facts| facts.workflow_count),
            active_workflow_count: number(|facts| facts.active_workflow_count),
            credential_count: number(|facts| facts.credential_count),
            execution_count: number(|facts| facts.execution_count),
            client: report.client.map(|(path, version, major)| N8nClient {
                path,
                version,
                major,
            }),
            key_check: report
                .key_check
                .map(|(outcome, detail)| N8nKeyCheck { outcome, detail }),
            problems: report
                .problems
                .into_iter()
                .map(|problem| N8nProblem {
                    code: problem.code,
                    severity: if problem.is_error { "error" } else { "warning" },
                    message: problem.message,
                    remedy: problem.remedy,
                })
                .collect(),
            duration_ms: report.duration_ms,
        }
    }
}

impl From<N8nError> for ApiError {
    fn from(error: N8nError) -> Self {
        match error {
            N8nError::Url(error) => Self::invalid("database_url", error.to_string()),
            N8nError::NothingToChange => Self::invalid("database_url", error.to_string()),
            N8nError::NotConfigured => Self::conflict("n8n_not_configured", error.to_string()),
            N8nError::SampleUnavailable => Self::conflict("sample_unavailable", error.to_string()),
            N8nError::Container { .. } => Self::conflict("container_unusable", error.to_string()),
            N8nError::DatabaseAway(..) => Self::conflict("n8n_database_away", error.to_string()),
            N8nError::NotN8n(_) => Self::conflict("not_n8n", error.to_string()),
            N8nError::Query(_) => Self::conflict("n8n_database_refused", error.to_string()),
            N8nError::NoApi => Self::conflict("n8n_api_not_configured", error.to_string()),
            N8nError::ApiUrl(why) => Self::invalid("url", why),
            N8nError::Api(error) => Self::conflict("n8n_api", error.to_string()),
            N8nError::Sample(_) => Self::internal(&error),
            N8nError::Settings(error) => error.into(),
        }
    }
}

fn connection(n8n: &N8nService) -> Result<N8nConnection, N8nError> {
    let source = n8n.source()?;
    let (last_test_at, last_test) = n8n.last_test().unzip();
    Ok(N8nConnection {
        is_configured: source.is_some(),
        is_sample: source.as_ref().is_some_and(|source| source.is_sample),
        sample_available: n8n.is_sample_available(),
        has_encryption_key: source
            .as_ref()
            .is_some_and(|source| source.encryption_key.is_some()),
        database: source.map(|source| N8nDatabase {
            host: match &source.conninfo.host {
                crate::platform::postgres::Host::Tcp(host) => host.clone(),
                crate::platform::postgres::Host::Socket(dir) => dir.display().to_string(),
            },
            port: source.conninfo.port,
            database: source.conninfo.database,
            user: source.conninfo.user,
        }),
        last_test: last_test.map(N8nTestReport::from),
        last_test_at,
    })
}

/// Tell where n8n's database is.
#[utoipa::path(get, path = "/api/n8n/connection", tag = "n8n", responses((status = 200, body = N8nConnection)))]
async fn get_n8n_connection(
    State(n8n): State<N8nService>,
    _: CurrentUser,
) -> Result<Json<N8nConnection>, ApiError> {
    Ok(Json(connection(&n8n)?))
}

/// Set where n8n's database is.
#[utoipa::path(put, path = "/api/n8n/connection", tag = "n8n", request_body = SetN8nConnectionRequest,
    responses((status = 200, body = N8nConnection)))]
async fn set_n8n_connection(
    State(n8n): State<N8nService>,
    user: CurrentUser,
    Json(request): Json<SetN8nConnectionRequest>,
) -> Result<Json<N8nConnection>, ApiError> {
    n8n.connect(&user.actor(), request.database_url, request.encryption_key)
        .await?;
    Ok(Json(connection(&n8n)?))
}

/// Forget n8n's database. Backups stay.
#[utoipa::path(delete, path = "/api/n8n/connection", tag = "n8n", responses((status = 204)))]
async fn delete_n8n_connection(
    State(n8n): State<N8nService>,
    user: CurrentUser,
) -> Result<StatusCode, ApiError> {
    n8n.disconnect(&user.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try a connection and tell what is there.
#[utoipa::path(post, path = "/api/n8n/connection/test", tag = "n8n", request_body = TestN8nConnectionRequest,
    responses((status = 200, body = N8nTestReport)))]
async fn test_n8n_connection(
    State(n8n): State<N8nService>,
    _: CurrentUser,
    Json(request): Json<TestN8nConnectionRequest>,
) -> Result<Json<N8nTestReport>, ApiError> {
    let report = n8n
        .test(request.database_url, request.encryption_key)
        .await?;
    Ok(Json(report.into()))
}

/// Make the sample n8n in the private PostgreSQL and connect to it.
#[utoipa::path(post, path = "/api/n8n/sample", tag = "n8n", responses((status = 201, body = N8nConnection)))]
async fn create_n8n_sample(
    State(n8n): State<N8nService>,
    user: CurrentUser,
) -> Result<(StatusCode, Json<N8nConnection>), ApiError> {
    n8n.create_sample(&user.actor()).await?;
    Ok((StatusCode::CREATED, Json(connection(&n8n)?)))
}
