//! How soon something that failed is tried again. Pure.

use std::time::Duration;

/// The first wait.
pub const FIRST: Duration = Duration::from_millis(500);
/// The longest.
pub const LONGEST: Duration = Duration::from_secs(15);

/// Waits that double.
#[derive(Clone, Copy, Debug)]
pub struct Pace(Duration);

impl Default for Pace {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Pace {
    /// How long to wait now. `random` is anything from 0 to 255: up to a quarter is added.
    pub fn wait(&mut self, random: u8) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST);
        wait + wait * u32::from(random) / 1_020
    }

    /// It went well: the next wait is short again.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f61_waits_double_to_a_quarter_of_a_minute_and_never_come_to_nothing() {
        let mut pace = Pace::default();
        let waits: Vec<_> = (0..8).map(|_| pace.wait(0).as_millis()).collect();
        assert_eq!(
            waits,
            [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]
        );
        assert_eq!(pace.wait(255).as_millis(), 18_750);
        pace.reset();
        assert_eq!(pace.wait(0), FIRST);
    }
}
