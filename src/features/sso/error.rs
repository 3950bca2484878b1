//! What can go wrong here, without HTTP.

use crate::features::auth::AuthError;
use crate::features::settings::SettingsError;

/// Why a use case of single sign-on was refused.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// No tool of that name.
    #[error("tool")]
    NoService,
    /// A tool of that name is there.
    #[error("There is a tool of that name already. Choose another name, or change that one.")]
    SlugTaken,
    /// An input that cannot be used.
    #[error("{field}: {why}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is wrong and what to do about it.
        why: String,
    },
    /// It is not known where people open Flowkeep.
    #[error(
        "Flowkeep does not know its own address. Start it with FLOWKEEP_PUBLIC_URL=https://flowkeep.example.com."
    )]
    NoPublicUrl,
    /// The way back is over, used, or another browser's.
    #[error(
        "This way back is over: it is good once, for ten minutes, in the browser that began it. Open the tool again."
    )]
    ReturnGone,
    /// The tool is off or gone.
    #[error(
        "{0} is switched off or was removed. An administrator can switch it on under Single sign-on."
    )]
    NotAllowed(String),
    /// The tool wants a code.
    #[error("{0} asks for a code of your authenticator app.")]
    StepUpRequired(String),
    /// The tool wants a code, and the account has none.
    #[error(
        "{0} asks for a code of your authenticator app, and two-step sign-in is off. Turn it on under Security, then open the tool again."
    )]
    TotpMissing(String),
    /// No cookie reaches the tool.
    #[error("{name} cannot be reached by this login: {why}")]
    OutOfReach {
        /// The tool.
        name: String,
        /// Why.
        why: String,
    },
    /// There are two cookies where one belongs.
    #[error(
        "Your browser holds two cookies named __Secure-flowkeep_sso. Something else under the same domain set one of them. Delete the cookies of that domain and open the tool again."
    )]
    TwoCookies,
    /// The tool sends people back over and over.
    #[error(
        "{0} sends you back here again and again. Its nginx does not pass Flowkeep's cookie on, or names another tool. Compare its configuration with the one shown under Single sign-on."
    )]
    Loop(String),
    /// Signing in refused.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The settings refused.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] sea_orm::DbErr),
    /// The database cannot be listened to.
    #[error(transparent)]
    Listen(#[from] sqlx::Error),
}

impl SsoError {
    /// An input that cannot be used.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Invalid { field, why }
    }
}
