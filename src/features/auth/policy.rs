//! The numbers an administrator can change.

use chrono::TimeDelta;

use crate::features::settings::{Key, SettingsService};

/// How sessions and passwords are treated at this moment.
#[derive(Clone, Copy, Debug)]
pub struct AuthPolicy {
    /// How long a session lives, however much it is used.
    pub session_lifetime: TimeDelta,
    /// bcrypt's cost: each step doubles the work.
    pub bcrypt_cost: u32,
    /// Failures in a row that lock.
    pub lockout_threshold: i32,
}

impl AuthPolicy {
    /// The settings as they are now.
    pub fn of(settings: &SettingsService) -> Self {
        let number = |key| settings.integer(key);
        Self {
            session_lifetime: TimeDelta::hours(number(Key::SessionHours)),
            bcrypt_cost: u32::try_from(number(Key::BcryptCost)).unwrap_or(12),
            lockout_threshold: i32::try_from(number(Key::LockoutThreshold)).unwrap_or(5),
        }
    }
}

/// How long a session may lie unused, if that ends it.
pub fn idle_timeout(settings: &SettingsService) -> Option<TimeDelta> {
    let minutes = settings.integer(Key::SessionIdleMinutes);
    (minutes > 0).then(|| TimeDelta::minutes(minutes))
}

/// How long a re-authentication opens the dangerous acts.
pub const REAUTHENTICATION_LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// How long a browser that signed in keeps a failure counter of its own.
pub const DEVICE_LIFETIME: TimeDelta = TimeDelta::days(365);
/// How long a setup link works.
pub const SETUP_LINK_LIFETIME: TimeDelta = TimeDelta::hours(1);
/// How long a set-up of the second factor may take.
pub const TOTP_SETUP_LIFETIME: TimeDelta = TimeDelta::minutes(15);
