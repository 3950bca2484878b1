//! An S3-compatible bucket. Objects appear whole or not at all, so no partial names are needed; an upload in
//! parts that fails is aborted, lest its parts be paid for.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, Error, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload,
    RetryConfig,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use url::Url;

use super::error::Trouble;
use super::remote::{Boxed, PIECE_BYTES, Pieces, Remote, RemotePlace, Upload, advance};
use crate::platform::causes::root_cause;

/// What S3 takes at most.
const MOST_PARTS: u64 = 9_000;
/// A single request is tried again for as long as this before the copy counts as failed.
const RETRY_LIMIT: Duration = Duration::from_secs(45);
const MOST_RETRIES: usize = 4;

/// Where a bucket is, but for the secret key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Config {
    /// As in `https://s3.eu-central-1.amazonaws.com` or `http://nas:9000`.
    pub endpoint: String,
    /// As in `eu-central-1`; most other servers take `us-east-1`.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// A folder in it; empty for its root.
    pub prefix: String,
    /// Who asks.
    pub access_key_id: String,
    /// Whether the bucket is part of the host's name and not of the path.
    pub virtual_host: bool,
}

impl S3Config {
    /// Checks it. The error names the field and what would be right.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let url = Url::parse(&self.endpoint).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.host_str().is_some()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
        });
        if url.is_none() {
            let why = "write it as https://s3.example.com or http://nas:9000, without a user";
            return Err(("endpoint", why.to_owned()));
        }
        let is_bucket = (3..=63).contains(&self.bucket.len())
            && self
                .bucket
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c));
        if !is_bucket {
            let why = "a bucket's name has 3 to 63 small letters, digits, dots and hyphens";
            return Err(("bucket", why.to_owned()));
        }
        let is_prefix = self.prefix.len() <= 500
            && !self.prefix.starts_with('/')
            && Key::parse(&self.prefix).is_ok()
            && self
                .prefix
                .split('/')
                .all(|part| part != ".." && part != ".");
        if !is_prefix {
            let why = "write a folder of the bucket without a slash before it, as in backups/n8n";
            return Err(("prefix", why.to_owned()));
        }
        for (field, text, most) in [
            ("region", &self.region, 50),
            ("access_key_id", &self.access_key_id, 300),
        ] {
            let is_plain = !text.is_empty()
                && text.len() <= most
                && text.chars().all(|c| c.is_ascii_graphic());
            if !is_plain {
                return Err((field, "must be given, without spaces".to_owned()));
            }
        }
        Ok(())
    }

    /// How it is called among the destinations.
    pub fn address(&self) -> String {
        let host = self
            .endpoint
            .trim_end_matches('/')
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        let prefix = self.prefix.trim_matches('/');
        let address = format!("s3://{host}/{}/{prefix}", self.bucket);
        address.trim_end_matches('/').to_owned()
    }

    /// A client for it.
    pub fn connect(&self, secret: &SecretString) -> Result<RemotePlace, Trouble> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(200),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: MOST_RETRIES,
            retry_timeout: RETRY_LIMIT,
        };
        let options = ClientOptions::new()
            .with_connect_timeout(Duration::from_secs(15))
            .with_timeout(Duration::from_mins(10))
            .with_allow_http(self.endpoint.starts_with("http://"));
        let store = AmazonS3Builder::new()
            .with_endpoint(self.endpoint.trim_end_matches('/'))
            .with_region(&self.region)
            .with_bucket_name(&self.bucket)
            .with_access_key_id(&self.access_key_id)
            .with_secret_access_key(secret.expose_secret())
            .with_virtual_hosted_style_request(self.virtual_host)
            .with_client_options(options)
            .with_retry(retry)
            .build()
            .map_err(|error| Trouble::new("storage_failed", format!("{error}.")))?;
        Ok(Arc::new(Bucket {
            store,
            prefix: self.prefix.trim_matches('/').to_owned(),
            name: self.bucket.clone(),
        }))
    }
}

struct Bucket {
    store: AmazonS3,
    prefix: String,
    name: String,
}

impl Bucket {
    fn key(&self, name: &str) -> Key {
        Key::from(format!("{}/{name}", self.prefix))
    }

    fn trouble(&self, error: &Error) -> Trouble {
        let text = words(error);
        match error {
            Error::NotFound { .. } if text.contains("NoSuchBucket") => Trouble::new(
                "no_such_bucket",
                format!(
                    "There is no bucket {} any more, or not for this key.",
                    self.name
                ),
            ),
            Error::Unauthenticated { .. } | Error::PermissionDenied { .. } => Trouble::new(
                "credentials_refused",
                format!(
                    "The server refused the access key, or the key may not do this in {}: {text}. Check both \
                     keys, the region, and the key's rights to list, read, write and delete.",
                    self.name
                ),
            ),
            Error::NotFound { .. } => Trouble::new(
                "not_found",
                format!("It is not in the bucket {}.", self.name),
            ),
            _ if text.contains("SignatureDoesNotMatch") || text.contains("InvalidAccessKeyId") => {
                Trouble::new(
                    "credentials_refused",
                    format!("The server refused the access key: {text}."),
                )
            }
            _ => Trouble::new("storage_failed", format!("The server failed: {text}.")),
        }
    }

    async fn upload_parts(
        &self,
        parts: &mut Box<dyn MultipartUpload>,
        upload: &Upload<'_>,
    ) -> Result<(), Trouble> {
        let piece_bytes = PIECE_BYTES.max(upload.bytes / MOST_PARTS + 1);
        let mut pieces = Pieces::open(upload.source, piece_bytes).await?;
        loop {
            let piece = pieces.next().await?;
            let length = piece.len();
            if length > 0 {
                parts
                    .put_part(PutPayload::from(piece))
                    .await
                    .map_err(|error| self.trouble(&error))?;
                advance(upload.done, length);
            }
            if (length as u64) < piece_bytes {
                break;
            }
        }
        pieces.finish(upload.sha256)?;
        parts
            .complete()
            .await
            .map(|_| ())
            .map_err(|error| self.trouble(&error))
    }
}

/// The innermost words: those of the server or of the network. Requests and keys are not in them.
fn words(error: &Error) -> String {
    let text = root_cause(error);
    // The server's XML says both for programs and for people why.
    let part = |tag: &str| {
        let rest = text.split_once(&format!("<{tag}>"))?.1;
        Some(rest.split_once('<')?.0.to_owned())
    };
    match (part("Code"), part("Message")) {
        (Some(code), Some(message)) => format!("{code}, {message}"),
        (Some(code), None) => code,
        _ => text.chars().filter(|c| !c.is_control()).take(300).collect(),
    }
}

impl Remote for Bucket {
    fn get<'a>(&'a self, name: &'a str) -> Boxed<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let read = async { self.store.get(&self.key(name)).await?.bytes().await };
            match read.await {
                Ok(bytes) => Ok(Some(bytes.to_vec())),
                Err(error) => match self.trouble(&error) {
                    Trouble {
                        code: "not_found", ..
                    } => Ok(None),
                    other => Err(other),
                },
            }
        })
    }

    fn put<'a>(&'a self, name: &'a str, content: Vec<u8>) -> Boxed<'a, ()> {
        Box::pin(async move {
            let key = self.key(name);
            let put = self.store.put(&key, PutPayload::from(content)).await;
            put.map(|_| ()).map_err(|error| self.trouble(&error))
        })
    }

    fn upload<'a>(&'a self, name: &'a str, upload: Upload<'a>) -> Boxed<'a, ()> {
        Box::pin(async move {
            let key = self.key(name);
            if upload.bytes <= PIECE_BYTES {
                let mut pieces = Pieces::open(upload.source, PIECE_BYTES + 1).await?;
                let content = pieces.next().await?;
                pieces.finish(upload.sha256)?;
                let length = content.len();
                self.put(name, content).await?;
                advance(upload.done, length);
                return Ok(());
            }
            let begun = self.store.put_multipart(&key).await;
            let mut parts = begun.map_err(|error| self.trouble(&error))?;
            let uploaded = self.upload_parts(&mut parts, &upload).await;
            if uploaded.is_err()
                && let Err(error) = parts.abort().await
            {
                tracing::warn!(%error, "an upload in parts could not be aborted");
            }
            uploaded
        })
    }

    fn download<'a>(
        &'a self,
        name: &'a str,
        target: &'a Path,
        done: &'a AtomicU64,
    ) -> Boxed<'a, String> {
        Box::pin(async move {
            let got = self.store.get(&self.key(name)).await;
            let mut stream = got.map_err(|error| self.trouble(&error))?.into_stream();
            let unwritable = |error: std::io::Error| {
                Trouble::new("no_space", format!("It cannot be written here: {error}."))
            };
            let mut file = tokio::fs::File::create(target).await.map_err(unwritable)?;
            let mut hasher = Sha256::new();
            while let Some(piece) = stream.next().await {
                let piece = piece.map_err(|error| self.trouble(&error))?;
                hasher.update(&piece);
                file.write_all(&piece).await.map_err(unwritable)?;
                advance(done, piece.len());
            }
            file.sync_all().await.map_err(unwritable)?;
            Ok(hex::encode(hasher.finalize()))
        })
    }

    fn delete<'a>(&'a self, name: &'a str) -> Boxed<'a, ()> {
        Box::pin(async move {
            match self.store.delete(&self.key(name)).await {
                Ok(()) => Ok(()),
                Err(error) => match self.trouble(&error) {
                    Trouble {
                        code: "not_found", ..
                    } => Ok(()),
                    other => Err(other),
                },
            }
        })
    }

    fn list<'a>(&'a self, folder: &'a str) -> Boxed<'a, Vec<String>> {
        Box::pin(async move {
            let prefix = self.key(folder);
            let names: Vec<String> = self
                .store
                .list(Some(&prefix))
                .map_ok(|object| object.location.filename().unwrap_or_default().to_owned())
                .try_collect()
                .await
                .map_err(|error| self.trouble(&error))?;
            Ok(names)
        })
    }
}
