//! Seals secrets under the active data key and opens what any data key sealed.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::RwLock;
use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::{self, KeyRow};
use super::master::MasterKey;
use crate::platform::clock::Clock;
use crate::platform::crypto::cipher::{self, KEY_BYTES, Key, Location, OpenError};
use crate::platform::db::Db;
use crate::platform::ids::Ids;

/// Every column that holds sealed values; rotation seals each of them anew.
const SEALED_COLUMNS: &[SealedColumn] = &[
    SealedColumn {
        table: "settings",
        key_column: "key",
        column: "value",
        condition: "is_secret",
    },
    SealedColumn {
        table: "admin_user",
        key_column: "id",
        column: "totp_secret_encrypted",
        condition: "TRUE",
    },
    SealedColumn {
        table: "admin_user",
        key_column: "id",
        column: "totp_pending_encrypted",
        condition: "TRUE",
    },
    SealedColumn {
        table: "backup_destinations",
        key_column: "id",
        column: "secret",
        condition: "TRUE",
    },
    SealedColumn {
        table: "notification_services",
        key_column: "id",
        column: "secret",
        condition: "TRUE",
    },
    // A subscript reads and writes a field of a JSON column alike.
    SealedColumn {
        table: "system_config",
        key_column: "config_type",
        column: "config['password']",
        condition: "'password' = ANY(encrypted_fields)",
    },
];

/// A column that holds sealed values.
#[derive(Clone, Copy, Debug)]
pub struct SealedColumn {
    /// Its table.
    pub table: &'static str,
    /// The column that names the row.
    pub key_column: &'static str,
    /// The column itself.
    pub column: &'static str,
    /// Which rows are sealed, as SQL.
    pub condition: &'static str,
}

/// A sealed value as it stands in the database.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    v: u8,
    key_id: String,
    /// Base64 of nonce and ciphertext.
    data: String,
}

/// Why a secret cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No data key yet: the database has not been there since the start.
    #[error("the vault is not open yet")]
    Closed,
    /// A data key does not open under this master key.
    #[error(
        "the master key does not open the data keys: it is not the one this database was \
             encrypted with; put the right one back (see FLOWKEEP_MASTER_KEY_FILE)"
    )]
    WrongMasterKey,
    /// The value names a data key that is not there.
    #[error("an encrypted value names the unknown data key {0}")]
    UnknownKey(String),
    /// The value is no sealed value.
    #[error("an encrypted value is malformed")]
    Malformed,
    /// It was changed, or moved here from elsewhere.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database failed.
    #[error("database")]
    Database(#[from] DbErr),
}

type Ring = BTreeMap<String, Key>;

/// The format of sealed values.
const FORMAT: u8 = 1;

/// Seals and opens secrets. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    master: MasterKey,
    ids: Ids,
    clock: Clock,
    ring: Arc<RwLock<Ring>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("master", &self.master)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault that is still closed.
    pub fn new(master: MasterKey, ids: Ids, clock: Clock) -> Self {
        Self {
            master,
            ids,
            clock,
            ring: Arc::default(),
        }
    }

    /// Makes the first data key in an empty database.
    pub async fn begin(&self, db: &Db) -> Result<(), VaultError> {
        if keys::active(db.orm()).await?.is_none() {
            let tx = db.begin().await?;
            keys::lock(&tx).await?;
            if keys::list(&tx).await?.is_empty() {
                self.make_key(&tx).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Loads the data keys that a transaction sees.
    pub async fn load(&self, tx: &impl ConnectionTrait) -> Result<(), VaultError> {
        let ring = self.unwrap_all(&keys::list(tx).await?)?;
        *self.ring.write() = ring;
        Ok(())
    }

    /// Where the master key came from.
    pub fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Keeps rotation out until the transaction ends. Call it before the transaction locks the row
    /// that the sealed value goes into: rotation locks in that order.
    pub async fn hold(&self, tx: &impl ConnectionTrait) -> Result<(), VaultError> {
        Ok(keys::share(tx).await?)
    }

    /// Seals a value for its place in the transaction that stores it, under the key that is active
    /// there: no rotation, by whatever process, passes between the two.
    pub async fn seal(
        &self,
        tx: &impl ConnectionTrait,
        at: Location<'_>,
        plain: &[u8],
    ) -> Result<serde_json::Value, VaultError> {
        self.hold(tx).await?;
        let row = keys::active(tx).await?.ok_or(VaultError::Closed)?;
        let key = self.unwrap(&row)?;
        seal_under(&key, &row.key_id, at, plain, &self.ids)
    }

    /// Opens a value at its place.
    pub fn open(
        &self,
        at: Location<'_>,
        sealed: &serde_json::Value,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let ring = self.ring.read();
        if ring.is_empty() {
            return Err(VaultError::Closed);
        }
        open_with(&ring, at, sealed)
    }

    /// Opens a value that was just read from the database: another process may have rotated the
    /// keys since they were loaded.
    pub async fn open_fresh(
        &self,
        tx: &impl ConnectionTrait,
        at: Location<'_>,
        sealed: &serde_json::Value,
    ) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        match self.open(at, sealed) {
            Err(VaultError::UnknownKey(_)) => {
                self.load(tx).await?;
                self.open(at, sealed)
            }
            other => other,
        }
    }

    /// Makes a new data key and seals every secret under it, in the caller's transaction. Call
    /// [`Vault::load`] once that is committed. Returns how many values were sealed anew.
    pub async fn rotate(&self, tx: &impl ConnectionTrait) -> Result<u64, VaultError> {
        keys::lock(tx).await?;
        let old = self.unwrap_all(&keys::list(tx).await?)?;
        let (key_id, key) = self.make_key(tx).await?;
        let mut count = 0;
        for place in SEALED_COLUMNS {
            for (row, sealed) in keys::sealed_values(tx, place).await? {
                let at = Location {
                    table: place.table,
                    column: place.column,
                    row: &row,
                };
                let plain = open_with(&old, at, &sealed)?;
                let sealed = seal_under(&key, &key_id, at, &plain, &self.ids)?;
                keys::replace_sealed(tx, place, &row, sealed).await?;
                count += 1;
            }
        }
        keys::retire_others(tx, &key_id, self.clock.now()).await?;
        Ok(count)
    }

    /// How many values are sealed.
    pub async fn count_sealed(&self, db: &Db) -> Result<u64, VaultError> {
        let mut count = 0;
        for place in SEALED_COLUMNS {
            count += keys::count_sealed(db.orm(), place).await?;
        }
        Ok(count)
    }

    async fn make_key(&self, tx: &impl ConnectionTrait) -> Result<(String, Key), VaultError> {
        let key: Key = Zeroizing::new(self.ids.bytes::<KEY_BYTES>());
        let key_id = self.ids.uuid().simple().to_string();
        let wrapped = cipher::seal(
            self.master.key(),
            "master",
            wrapping(&key_id),
            &key[..],
            &self.ids,
        )?;
        keys::insert(tx, &key_id, wrapped, self.clock.now()).await?;
        Ok((key_id, key))
    }

    fn unwrap(&self, row: &KeyRow) -> Result<Key, VaultError> {
        let at = wrapping(&row.key_id);
        cipher::open(self.master.key(), "master", at, &row.encrypted_key)
            .ok()
            .and_then(|key| <[u8; KEY_BYTES]>::try_from(key.as_slice()).ok())
            .map(Zeroizing::new)
            .ok_or(VaultError::WrongMasterKey)
    }

    fn unwrap_all(&self, rows: &[KeyRow]) -> Result<Ring, VaultError> {
        let unwrapped = rows
            .iter()
            .map(|row| Ok((row.key_id.clone(), self.unwrap(row)?)));
        unwrapped.collect()
    }
}

fn wrapping(key_id: &str) -> Location<'_> {
    Location {
        table: "encryption_keys",
        column: "encrypted_key",
        row: key_id,
    }
}

fn seal_under(
    key: &Key,
    key_id: &str,
    at: Location<'_>,
    plain: &[u8],
    ids: &Ids,
) -> Result<serde_json::Value, VaultError> {
    let data = STANDARD.encode(cipher::seal(key, key_id, at, plain, ids)?);
    let sealed = Sealed {
        v: FORMAT,
        key_id: key_id.to_owned(),
        data,
    };
    serde_json::to_value(sealed).map_err(|_| VaultError::Malformed)
}

fn open_with(
    ring: &Ring,
    at: Location<'_>,
    sealed: &serde_json::Value,
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let sealed = Sealed::deserialize(sealed)
        .ok()
        .filter(|sealed| sealed.v == FORMAT)
        .ok_or(VaultError::Malformed)?;
    let data = STANDARD
        .decode(&sealed.data)
        .map_err(|_| VaultError::Malformed)?;
    let unknown = || VaultError::UnknownKey(sealed.key_id.clone());
    let key = ring.get(&sealed.key_id).ok_or_else(unknown)?;
    Ok(cipher::open(key, &sealed.key_id, at, &data)?)
}
