//! What a session opened: its cookie of the parent domain and the codes it gave. They end with a new password or a change of
//! the second factor, also where the session goes on.

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

use super::service::{SsoService, WeakSso};
use super::store;
use crate::features::auth::{Ending, Openings};

/// Tells of them. Holds the service no longer than others do.
pub struct ToolOpenings(pub WeakSso);

impl Openings for ToolOpenings {
    fn end<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        session: Uuid,
    ) -> Ending<'a, Result<(), DbErr>> {
        Box::pin(async move {
            store::end_openings(tx, session).await?;
            store::notify_changed(tx).await
        })
    }

    fn ended(&self, session: Uuid) -> Ending<'_, ()> {
        Box::pin(async move {
            if let Some(sso) = self.0.upgrade() {
                sso.forget_openings(session).await;
            }
        })
    }
}

impl SsoService {
    /// In turn: whatever was read before is in memory by then, and whatever is read later is without them.
    async fn forget_openings(&self, session: Uuid) {
        let _turn = self.turn().await;
        self.memory().end_openings(session);
    }
}
