//! The list of tools.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::features::auth::{CurrentUser, Reauthenticated};
use crate::features::sso::error::SsoError;
use crate::features::sso::memory::LiveService;
use crate::features::sso::service::SsoService;
use crate::features::sso::services::Wish;
use crate::features::sso::snippets;
use crate::platform::http::{ApiError, ErrorBody, Json, Path};

/// Everything about single sign-on.
#[derive(Serialize, ToSchema)]
pub struct SsoOverview {
    /// Where people open Flowkeep, if it was told.
    public_url: Option<String>,
    /// The host name in it, with its port if that is not the usual one.
    host: Option<String>,
    /// The domain that Flowkeep and the tools share.
    parent_domain: Option<String>,
    /// The tools, by name.
    items: Vec<SsoTool>,
}

/// A tool that nginx guards.
#[derive(Serialize, ToSchema)]
pub struct SsoTool {
    /// What it is called in nginx' configuration.
    slug: String,
    /// What people call it.
    name: String,
    /// Host name, with its port if that is not the usual one.
    host: String,
    /// The path under which it lives.
    path_prefix: String,
    /// Its front page.
    url: Option<String>,
    /// Where nginx finds it; only for the configuration that is shown.
    upstream: String,
    /// Whether it shares Flowkeep's host name.
    is_at_home: bool,
    /// Why no login reaches it, if so.
    trouble: Option<String>,
    /// Whether anybody is let through.
    is_enabled: bool,
    /// Whether it wants a code of the authenticator app.
    requires_step_up: bool,
    /// Minutes for which a code is good.
    step_up_minutes: i32,
    /// Until when the caller's code is good.
    stepped_up_until: Option<DateTime<Utc>>,
    /// Dozzle's rights.
    remote_roles: Vec<String>,
    /// Dozzle's filter of containers.
    remote_filter: Option<String>,
    /// Requests let through since the start.
    allowed: u64,
    /// Requests turned away since the start.
    refused: u64,
    /// When it was added.
    created_at: DateTime<Utc>,
    /// When it was changed.
    updated_at: DateTime<Utc>,
}

/// A tool as it is wanted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SsoToolRequest {
    /// What people call it.
    name: String,
    /// Host name, with its port if that is not the usual one.
    host: String,
    /// The path under which it lives; `/` if absent.
    #[serde(default)]
    path_prefix: String,
    /// Where nginx finds it, as in `http://127.0.0.1:8080`.
    upstream: String,
    /// Whether anybody is let through.
    is_enabled: bool,
    /// Whether it wants a code of the authenticator app.
    requires_step_up: bool,
    /// Minutes for which a code is good, 1 to 1440.
    step_up_minutes: i32,
    /// Dozzle's rights: some of `shell`, `actions`, `download`, or `none` or `all` alone.
    #[serde(default)]
    remote_roles: Vec<String>,
    /// Dozzle's filter of containers; empty for all.
    #[serde(default)]
    remote_filter: String,
}

/// A new tool.
#[derive(Deserialize, ToSchema)]
pub struct AddSsoToolRequest {
    /// What it is called in nginx' configuration: small letters, digits and hyphens.
    slug: String,
    /// The rest.
    #[serde(flatten)]
    tool: SsoToolRequest,
}

/// The domain that Flowkeep and the tools share.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParentDomainRequest {
    /// The domain, as in `example.com`; null for none.
    parent_domain: Option<String>,
}

/// nginx' configuration for a tool.
#[derive(Serialize, ToSchema)]
pub struct NginxFiles {
    /// The tool's own file first, then those that are there once for all tools.
    items: Vec<NginxFile>,
}

/// A file for nginx.
#[derive(Serialize, ToSchema)]
pub struct NginxFile {
    /// Where it goes, under `/etc/nginx`.
    path: String,
    /// What it is for.
    about: String,
    /// Whether one of it serves every tool.
    is_shared: bool,
    /// What stands in it.
    text: String,
}

/// What nginx would be told.
#[derive(Serialize, ToSchema)]
pub struct SsoTrial {
    /// 200, 401 or 403.
    status: u16,
    /// `allowed`, `step_up_required`, `switched_off` or `out_of_reach`.
    why: String,
    /// What the tool would be told about the caller.
    headers: Vec<SsoHeader>,
}

/// One header.
#[derive(Serialize, ToSchema)]
pub struct SsoHeader {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

impl SsoToolRequest {
    fn wish(self) -> Wish {
        Wish {
            name: self.name,
            host: self.host,
            path_prefix: self.path_prefix,
            upstream: self.upstream,
            is_enabled: self.is_enabled,
            requires_step_up: self.requires_step_up,
            step_up_minutes: self.step_up_minutes,
            remote_roles: self.remote_roles,
            remote_filter: self.remote_filter,
        }
    }
}

fn tool(sso: &SsoService, live: &LiveService, user: &CurrentUser) -> SsoTool {
    let (row, counts) = (live.row.clone(), &live.traffic.counts);
    SsoTool {
        url: sso.home().map(|home| live.site.url(home)),
        is_at_home: live.is_at_home,
        trouble: live.trouble.clone(),
        stepped_up_until: live
            .stepped_up_until(user.session_id())
            .filter(|_| row.requires_step_up),
        remote_roles: row.remote_roles.split(',').map(str::to_owned).collect(),
        allowed: counts.allowed.get(),
        refused: counts.signed_out.get() + counts.step_up.get() + counts.not_allowed.get(),
        slug: row.slug,
        name: row.name,
        host: row.host,
        path_prefix: row.path_prefix,
        upstream: row.upstream,
        is_enabled: row.is_enabled,
        requires_step_up: row.requires_step_up,
        step_up_minutes: row.step_up_minutes,
        remote_filter: row.remote_filter,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

fn overview(sso: &SsoService, user: &CurrentUser) -> SsoOverview {
    let domain = sso.tools().parent_domain.as_deref().map(str::to_owned);
    SsoOverview {
        public_url: sso.public_url().map(ToString::to_string),
        host: sso.home().map(|home| home.authority.clone()),
        parent_domain: domain,
        items: sso
            .list()
            .iter()
            .map(|live| tool(sso, live, user))
            .collect(),
    }
}

/// List the tools behind single sign-on, and the domain they share with Flowkeep.
#[utoipa::path(
    get,
    path = "/api/auth/sso",
    tag = "single sign-on",
    responses(
        (status = 200, description = "The tools", body = SsoOverview),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
    )
)]
pub async fn get_sso(State(sso): State<SsoService>, user: CurrentUser) -> Json<SsoOverview> {
    Json(overview(&sso, &user))
}

/// Set the domain that Flowkeep and the tools share, or none. Whoever is in a tool by the old one signs in again.
#[utoipa::path(
    put,
    path = "/api/auth/sso/parent-domain",
    tag = "single sign-on",
    request_body = ParentDomainRequest,
    responses(
        (status = 200, description = "Everything as it is now", body = SsoOverview),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`no_public_url`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
    )
)]
pub async fn set_parent_domain(
    State(sso): State<SsoService>,
    user: Reauthenticated,
    Json(request): Json<ParentDomainRequest>,
) -> Result<Json<SsoOverview>, ApiError> {
    sso.set_parent_domain(&user, request.parent_domain.as_deref())
        .await?;
    Ok(Json(overview(&sso, &user.0)))
}

/// Put a tool behind single sign-on.
#[utoipa::path(
    post,
    path = "/api/auth/sso/services",
    tag = "single sign-on",
    request_body = AddSsoToolRequest,
    responses(
        (status = 201, description = "Added", body = SsoTool),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 409, description = "`slug_taken` or `no_public_url`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
    )
)]
pub async fn add_service(
    State(sso): State<SsoService>,
    user: Reauthenticated,
    Json(request): Json<AddSsoToolRequest>,
) -> Result<(StatusCode, Json<SsoTool>), ApiError> {
    let added = sso.add(&user, &request.slug, request.tool.wish()).await?;
    Ok((StatusCode::CREATED, Json(tool(&sso, &added, &user.0))))
}

/// Change a tool.
#[utoipa::path(
    put,
    path = "/api/auth/sso/services/{slug}",
    tag = "single sign-on",
    params(("slug" = String, Path, description = "The tool")),
    request_body = SsoToolRequest,
    responses(
        (status = 200, description = "The tool as it is now", body = SsoTool),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
        (status = 422, description = "`invalid_input`", body = ErrorBody),
    )
)]
pub async fn change_service(
    State(sso): State<SsoService>,
    user: Reauthenticated,
    Path(slug): Path<String>,
    Json(request): Json<SsoToolRequest>,
) -> Result<Json<SsoTool>, ApiError> {
    let changed = sso.change(&user, &slug, request.wish()).await?;
    Ok(Json(tool(&sso, &changed, &user.0)))
}

/// Remove a tool: from now on nobody is let through to it.
#[utoipa::path(
    delete,
    path = "/api/auth/sso/services/{slug}",
    tag = "single sign-on",
    params(("slug" = String, Path, description = "The tool")),
    responses(
        (status = 204, description = "Removed"),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 403, description = "`reauthentication_required`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
    )
)]
pub async fn remove_service(
    State(sso): State<SsoService>,
    user: Reauthenticated,
    Path(slug): Path<String>,
) -> Result<StatusCode, ApiError> {
    sso.remove(&user, &slug).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show nginx' configuration for a tool, made from the files that come with Flowkeep.
#[utoipa::path(
    get,
    path = "/api/auth/sso/services/{slug}/nginx",
    tag = "single sign-on",
    params(("slug" = String, Path, description = "The tool")),
    responses(
        (status = 200, description = "The files", body = NginxFiles),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
        (status = 409, description = "`no_public_url`", body = ErrorBody),
    )
)]
pub async fn get_nginx_files(
    State(sso): State<SsoService>,
    _user: CurrentUser,
    Path(slug): Path<String>,
) -> Result<Json<NginxFiles>, ApiError> {
    let live = sso.find(&slug)?;
    let home = sso.home().ok_or(SsoError::NoPublicUrl)?;
    let items = snippets::files(&live.row, home).into_iter();
    let items = items.map(|file| NginxFile {
        path: file.path,
        about: file.about.to_owned(),
        is_shared: file.is_shared,
        text: file.text,
    });
    Ok(Json(NginxFiles {
        items: items.collect(),
    }))
}

/// Tell what nginx would be told about the caller at this moment, without a visit.
#[utoipa::path(
    get,
    path = "/api/auth/sso/services/{slug}/check",
    tag = "single sign-on",
    params(("slug" = String, Path, description = "The tool")),
    responses(
        (status = 200, description = "What nginx would be told", body = SsoTrial),
        (status = 401, description = "`unauthenticated`", body = ErrorBody),
        (status = 404, description = "`not_found`", body = ErrorBody),
    )
)]
pub async fn try_service(
    State(sso): State<SsoService>,
    user: CurrentUser,
    Path(slug): Path<String>,
) -> Result<Json<SsoTrial>, ApiError> {
    let (status, why) = sso.try_out(&slug, &user)?;
    let headers = if status == 200 {
        sso.told(&slug, &user)?
    } else {
        Vec::new()
    };
    let headers = headers.into_iter().map(|(name, value)| SsoHeader {
        name: name.to_owned(),
        value,
    });
    Ok(Json(SsoTrial {
        status,
        why: why.to_owned(),
        headers: headers.collect(),
    }))
}
