//! Looks at the machine once a minute, on the daemon that leads.

use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::sample::N8nNow;
use super::service::{HostService, Meter};

const PERIOD: Duration = Duration::from_mins(1);
/// The size of n8n's database is asked for less often: its server adds up every file for it.
const SIZE_EVERY: Duration = Duration::from_mins(10);

impl HostService {
    /// Samples until `stop`.
    pub async fn work(&self, stop: CancellationToken) {
        let mut meter = Meter::default();
        let mut sized: Option<Instant> = None;
        let mut tick = tokio::time::interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = stop.cancelled() => return,
            }
            let sampled = tokio::select! {
                sampled = self.sample_once(&mut meter, &mut sized) => sampled,
                () = stop.cancelled() => return,
            };
            if let Err(error) = sampled {
                tracing::warn!(%error, "cannot store how the machine stands");
            }
        }
    }

    async fn sample_once(
        &self,
        meter: &mut Meter,
        sized: &mut Option<Instant>,
    ) -> Result<(), super::HostError> {
        let (sample, mounted) = self.look(meter).await;
        let mut n8n = self.n8n_now().await;
        if sized.is_none_or(|at| at.elapsed() >= SIZE_EVERY) {
            *sized = Some(Instant::now());
            match self.parts.n8n.database_bytes().await {
                Ok(Some(bytes)) => {
                    n8n.get_or_insert_with(N8nNow::default).database_bytes = Some(bytes);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "n8n's database does not tell its size"),
            }
        }
        self.observe(&sample, n8n.as_ref(), &mounted).await
    }
}
