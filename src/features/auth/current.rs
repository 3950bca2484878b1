//! Who is signed in, as handlers ask for it.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;
use uuid::Uuid;

use super::live::{LiveSession, LiveUser};
use crate::features::audit::Actor;
use crate::platform::http::ApiError;

/// The signed-in administrator. In a handler's signature it demands a session.
#[derive(Clone, Debug)]
pub struct CurrentUser {
    pub(super) session: Arc<LiveSession>,
    pub(super) ip: IpAddr,
    pub(super) user_agent: Option<String>,
    pub(super) is_reauthenticated: bool,
}

/// The same, who typed the password again in the last ten minutes. For dangerous acts.
#[derive(Clone, Debug)]
pub struct Reauthenticated(pub CurrentUser);

impl CurrentUser {
    /// The account.
    pub fn user_id(&self) -> i32 {
        self.session.user.id
    }

    /// Its name.
    pub fn username(&self) -> &str {
        &self.session.user.username
    }

    /// The account with the headers that tools are told.
    pub fn live_user(&self) -> &LiveUser {
        &self.session.user
    }

    /// The session's public name.
    pub fn session_id(&self) -> Uuid {
        self.session.id
    }

    /// The client's address.
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// Who did it, for the audit log.
    pub fn actor(&self) -> Actor {
        Actor {
            user_id: Some(self.user_id()),
            username: Some(self.username().to_owned()),
            ip: Some(self.ip),
            user_agent: self.user_agent.clone(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(ApiError::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for Reauthenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let user = CurrentUser::from_request_parts(parts, state).await?;
        if user.is_reauthenticated {
            return Ok(Self(user));
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "reauthentication_required",
            "This needs your password again: POST /api/auth/reauthenticate opens it for 10 minutes.",
        ))
    }
}
