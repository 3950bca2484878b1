//! Tells people: rules choose events, channels carry them, nothing is lost and nothing is told twice unseen.

pub mod channels;
