//! `/api/n8n/api`.

use axum::extract::State;
use http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_access::ApiReport;
use super::{N8nError, N8nService};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::http::{ApiError, Json};

/// The routes of the access to n8n's public API.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(get_n8n_api, set_n8n_api, delete_n8n_api))
        .routes(routes!(test_n8n_api))
}

/// The access to n8n's public API, without its key.
#[derive(Serialize, ToSchema)]
struct N8nApiAccess {
    url: Option<String>,
    has_key: bool,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SetN8nApiRequest {
    /// n8n's address, as in `http://n8n:5678`.
    url: String,
    /// Absent to keep the saved one.
    #[schema(value_type = Option<String>, format = Password)]
    key: Option<SecretString>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TestN8nApiRequest {
    /// In place of the saved one.
    url: Option<String>,
    /// In place of the saved one.
    #[schema(value_type = Option<String>, format = Password)]
    key: Option<SecretString>,
}

/// What a test found.
#[derive(Serialize, ToSchema)]
struct N8nApiReport {
    ok: bool,
    /// Why it cannot be used, with the remedy.
    message: Option<String>,
    /// Scopes that putting workflows back needs and the key lacks.
    missing_scopes: Vec<&'static str>,
    /// Whether this n8n keeps a change of an active workflow from going live.
    has_publish_if_active: bool,
}

impl From<ApiReport> for N8nApiReport {
    fn from(report: ApiReport) -> Self {
        Self {
            ok: report.trouble.is_none() && report.missing_scopes.is_empty(),
            message: report.trouble.map(|trouble| trouble.to_string()),
            missing_scopes: report.missing_scopes,
            has_publish_if_active: report.has_publish_if_active,
        }
    }
}

fn access(n8n: &N8nService) -> Result<N8nApiAccess, N8nError> {
    Ok(N8nApiAccess {
        url: n8n.api_url(),
        has_key: n8n.api()?.is_some(),
    })
}

/// Tell where n8n's public API is.
#[utoipa::path(get, path = "/api/n8n/api", tag = "n8n", responses((status = 200, body = N8nApiAccess)))]
async fn get_n8n_api(
    State(n8n): State<N8nService>,
    _: CurrentUser,
) -> Result<Json<N8nApiAccess>, ApiError> {
    Ok(Json(access(&n8n)?))
}

/// Set where n8n's public API is and the key for it.
#[utoipa::path(put, path = "/api/n8n/api", tag = "n8n", request_body = SetN8nApiRequest,
    responses((status = 200, body = N8nApiAccess)))]
async fn set_n8n_api(
    State(n8n): State<N8nService>,
    user: CurrentUser,
    Json(request): Json<SetN8nApiRequest>,
) -> Result<Json<N8nApiAccess>, ApiError> {
    n8n.set_api(&user.actor(), &request.url, request.key)
        .await?;
    Ok(Json(access(&n8n)?))
}

/// Forget n8n's public API.
#[utoipa::path(delete, path = "/api/n8n/api", tag = "n8n", responses((status = 204)))]
async fn delete_n8n_api(
    State(n8n): State<N8nService>,
    user: CurrentUser,
) -> Result<StatusCode, ApiError> {
    n8n.forget_api(&user.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Try n8n's public API: the given parts in place of the saved ones.
#[utoipa::path(post, path = "/api/n8n/api/test", tag = "n8n", request_body = TestN8nApiRequest,
    responses((status = 200, body = N8nApiReport)))]
async fn test_n8n_api(
    State(n8n): State<N8nService>,
    _: CurrentUser,
    Json(request): Json<TestN8nApiRequest>,
) -> Result<Json<N8nApiReport>, ApiError> {
    let report = n8n.test_api(request.url.as_deref(), request.key).await?;
    Ok(Json(report.into()))
}
