//! What a session opened in another feature: told here, so that signing in need not know that feature.

use std::pin::Pin;

use sea_orm::{DatabaseTransaction, DbErr};
use uuid::Uuid;

/// An answer that has to be waited for.
pub type Ending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What sessions opened beyond themselves. It ends with a new password or a change of the second factor, though the session in
/// which that was done goes on.
pub trait Openings: Send + Sync {
    /// Ends what a session opened, in the transaction of the change.
    fn end<'a>(
        &'a self,
        tx: &'a DatabaseTransaction,
        session: Uuid,
    ) -> Ending<'a, Result<(), DbErr>>;

    /// Does the same in memory once that is committed.
    fn ended(&self, session: Uuid) -> Ending<'_, ()>;
}
