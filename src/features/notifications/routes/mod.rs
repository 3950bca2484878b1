//! `/api/notifications`: who is told what, and what became of it.

mod alerts;
mod feed;
mod history;
mod rules;
mod services;

use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::NotificationError;
use crate::app::AppState;
use crate::platform::http::ApiError;

/// The routes of notifications.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(services::list_service_types))
        .routes(routes!(services::list_services, services::create_service))
        .routes(routes!(
            services::get_service,
            services::update_service,
            services::delete_service
        ))
        .routes(routes!(services::test_service))
        .routes(routes!(services::test_draft_service))
        .routes(routes!(services::read_service_url))
        .routes(routes!(rules::list_rules, rules::create_rule))
        .routes(routes!(
            rules::get_rule,
            rules::update_rule,
            rules::delete_rule
        ))
        .routes(routes!(rules::try_rule))
        .routes(routes!(rules::list_event_types))
        .routes(routes!(history::list_history))
        .routes(routes!(history::get_message))
        .routes(routes!(history::retry_message))
        .routes(routes!(alerts::list_alerts))
        .routes(routes!(alerts::acknowledge_alert))
        .routes(routes!(feed::get_feed))
        .routes(routes!(feed::note_feed_seen))
        .routes(routes!(feed::follow_feed))
}

/// Routes whose signed token says who may call them.
pub fn open_router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(alerts::check_acknowledge_link))
        .routes(routes!(alerts::acknowledge_by_link))
}

impl From<NotificationError> for ApiError {
    fn from(error: NotificationError) -> Self {
        let message = error.to_string();
        match error {
            NotificationError::NoService(_)
            | NotificationError::NoRule(_)
            | NotificationError::NoMessage(_)
            | NotificationError::NoAlert(_) => Self::not_found(message),
            NotificationError::BadLink => Self::new(
                StatusCode::FORBIDDEN,
                "bad_link",
                "This link is not valid, or no longer. Sign in to Flowkeep and look at the alerts there.",
            ),
            NotificationError::Invalid { field, why } => Self::invalid(field, why),
            NotificationError::Conflict { code, message } => Self::conflict(code, message),
            NotificationError::Vault(error) => Self::internal(&error),
            NotificationError::Settings(error) => error.into(),
            NotificationError::Database(error) => error.into(),
        }
    }
}
