//! `GET /api/audit`.

use axum::extract::State;
use chrono::{DateTime, Utc};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Action;
use super::store::{self, Filter, Row};
use crate::app::AppState;
use crate::features::auth::CurrentUser;
use crate::platform::db::Db;
use crate::platform::db::page::{Page, PageQuery, PageRequest};
use crate::platform::http::{ApiError, Json, Query};

/// The routes of the audit log.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_audit_entries))
        .routes(routes!(list_audit_actions))
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
struct AuditEntry {
    id: i32,
    created_at: DateTime<Utc>,
    user_id: Option<i32>,
    username: Option<String>,
    action: String,
    resource_type: Option<String>,
    resource_id: Option<String>,
    details: Option<Value>,
    ip_address: Option<String>,
    user_agent: Option<String>,
}

/// Which lines are wanted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// An action, or a group as in `auth.*`.
    action: Option<String>,
    /// A user's name.
    username: Option<String>,
    /// The kind of thing, as in `backup`.
    resource_type: Option<String>,
    /// Which one.
    resource_id: Option<String>,
    /// An address or a network, as in `192.168.1.0/24`.
    ip: Option<String>,
    /// From this moment on.
    from: Option<DateTime<Utc>>,
    /// Before this moment.
    to: Option<DateTime<Utc>>,
    /// Text anywhere in the line.
    q: Option<String>,
    /// Most items to return, 1 to 200; 50 if absent.
    limit: Option<u64>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct AuditActions {
    items: Vec<&'static str>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            created_at: row.created_at,
            user_id: row.user_id,
            username: row.username,
            action: row.action,
            resource_type: row.resource_type,
            resource_id: row.resource_id,
            details: row.details,
            ip_address: row.ip_address,
            user_agent: row.user_agent,
        }
    }
}

/// List what was done, newest first.
#[utoipa::path(get, path = "/api/audit", tag = "audit", params(AuditQuery), responses((status = 200, body = Page<AuditEntry>)))]
async fn list_audit_entries(
    State(db): State<Db>,
    _: CurrentUser,
    Query(query): Query<AuditQuery>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let page = PageRequest::try_from(&page)?;
    let ip = query.ip.as_deref().map(parse_network).transpose()?;
    let filter = Filter {
        action: query.action,
        username: query.username,
        resource_type: query.resource_type,
        resource_id: query.resource_id,
        ip,
        from: query.from,
        to: query.to,
        text: query.q.filter(|text| !text.is_empty()),
    };
    let rows = store::list(db.orm(), filter, page.before_id, page.limit + 1).await?;
    Ok(Json(
        Page::from_rows(rows, page.limit, |row| i64::from(row.id)).map(AuditEntry::from),
    ))
}

/// List the names of everything that can be done.
#[utoipa::path(get, path = "/api/audit/actions", tag = "audit", responses((status = 200, body = AuditActions)))]
async fn list_audit_actions(_: CurrentUser) -> Json<AuditActions> {
    Json(AuditActions {
        items: Action::ALL.iter().map(|action| action.as_str()).collect(),
    })
}

fn parse_network(text: &str) -> Result<IpNet, ApiError> {
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| ApiError::invalid("ip", "give an address or a network, as in 192.168.1.0/24"))
}
