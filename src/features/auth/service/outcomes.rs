//! How password checks ended, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::platform::metrics::Metrics;

/// Counts checks of a password and second factor by how they ended.
#[derive(Clone, Debug)]
pub struct Outcomes(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    outcome: &'static str,
}

impl Outcomes {
    /// Registers the counter.
    pub fn new(metrics: &Metrics) -> Self {
        let family = Family::default();
        metrics.register(|registry| {
            registry.register(
                "flowkeep_password_checks",
                "Checks of a password and second factor",
                family.clone(),
            );
        });
        Self(family)
    }

    /// Counts one.
    pub fn count(&self, outcome: &'static str) {
        self.0.get_or_create(&Labels { outcome }).inc();
    }
}
