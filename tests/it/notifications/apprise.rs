//! Apprise.
