//! What can go wrong here, without HTTP.

use std::net::IpAddr;

use crate::features::settings::VaultError;

/// Why a use case of signing in was refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Unknown name or wrong password; nobody is told which.
    #[error("The user name or the password is wrong.")]
    InvalidCredentials,
    /// The password is right and the second factor is not, or was used before.
    #[error("The code is wrong or was used before. Wait for the next one and try again.")]
    WrongSecondFactor,
    /// The password is right and the second factor is missing.
    #[error("Enter the code of your authenticator app.")]
    TotpRequired,
    /// Too many failures; it opens by itself.
    #[error("Too many failed attempts. Try again in {retry_after_seconds} s.")]
    Locked {
        /// Seconds until the next attempt counts.
        retry_after_seconds: u64,
    },
    /// Too many passwords are being checked at once.
    #[error("Too many people are signing in at this moment. Try again in a few seconds.")]
    Busy,
    /// An input that cannot be used.
    #[error("{field}: {why}")]
    Invalid {
        /// The input.
        field: &'static str,
        /// What is wrong and what to do about it.
        why: String,
    },
    /// There is an administrator already.
    #[error("Flowkeep is set up already. Sign in.")]
    SetupComplete,
    /// Not the link that was printed last.
    #[error("This setup link is not valid. Use the newest one in Flowkeep's log.")]
    SetupLinkInvalid,
    /// The link was right once.
    #[error("This setup link has expired. Restart Flowkeep to get a new one in its log.")]
    SetupLinkExpired,
    /// No such thing of the caller's.
    #[error("There is no such {0}.")]
    NotFound(&'static str),
    /// The change would shut its maker out.
    #[error(
        "Your own address {ip} is in none of the enabled subnets, so this would lock you out. \
         Add a subnet with it first, or confirm."
    )]
    WouldLockYouOut {
        /// Where the caller is.
        ip: IpAddr,
    },
    /// The subnet is in the list already.
    #[error("{0} is in the list already.")]
    SubnetExists(String),
    /// The second factor is on already.
    #[error("Two-step sign-in is on already. Turn it off first to set up another device.")]
    TotpAlreadyEnabled,
    /// The second factor is off.
    #[error("Two-step sign-in is off.")]
    TotpNotEnabled,
    /// There is nothing to enable.
    #[error("Start the set-up of two-step sign-in again: it was not begun or took too long.")]
    TotpNotPending,
    /// A stored hash cannot be used.
    #[error("a stored password hash cannot be used")]
    Hash(#[from] bcrypt::BcryptError),
    /// A secret cannot be sealed or opened.
    #[error("a secret cannot be sealed or opened")]
    Vault(#[from] VaultError),
    /// A code cannot be computed.
    #[error("a code of the authenticator app cannot be computed")]
    Totp(#[from] totp_rs::TotpError),
    /// A background thread ended early.
    #[error("a password check was cut off")]
    Interrupted(#[from] tokio::task::JoinError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] sea_orm::DbErr),
    /// The database cannot be listened to.
    #[error(transparent)]
    Listen(#[from] sqlx::Error),
}

impl AuthError {
    /// An input that cannot be used.
    pub fn invalid(field: &'static str, why: impl Into<String>) -> Self {
        let why = why.into();
        Self::Invalid { field, why }
    }
}
