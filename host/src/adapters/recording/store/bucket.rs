//! A bucket, and what is asked of it.

use super::wire::Wire;
use super::{StoreFault, withdrawn};
use crate::adapters::recording::note::Note;
use crate::adapters::trust;
use crate::config::{Faults, RecordingStore};
use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, RetryConfig};
use reqwest::redirect::Policy;
use rustls::ClientConfig;
use std::io::Write;
use std::time::Duration;
use vg_domain::ids::{CallId, TenantId};
use vg_domain::recording::DeletionReason;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A piece of 8 MiB in that time needs 28 kB a second; a store that says nothing for so long is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(300);
const IDLE_FOR: Duration = Duration::from_secs(60);
/// Objects that are asked for at once.
const LISTED_MAX: usize = 1_000;
/// A note is not larger.
const NOTE_BYTES_MAX: u64 = 256 << 10;

/// A bucket with its credentials. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    s3: AmazonS3,
    name: String,
    prefix: String,
}

impl Bucket {
    /// Nobody is called. Reads authorities from the disk.
    ///
    /// # Errors
    /// What of the configuration cannot be used, by its place.
    pub fn new(store: &RecordingStore) -> Result<Self, Faults> {
        let fault = |error: &dyn std::fmt::Display| Faults::one("recording.store", error);
        // No redirects and no proxies: recordings go where the operator wrote and nowhere else.
        let client = reqwest::Client::builder()
            .user_agent(concat!("voice-gateway/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls(store)?)
            .redirect(Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(ANSWER_WITHIN)
            .pool_idle_timeout(IDLE_FOR)
            .tcp_nodelay(true)
            .build();
        let client = client.map_err(|error| fault(&error))?;
        // Every request once: who asks knows when to ask again, and what of it is still wanted.
        let retry = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&store.bucket)
            .with_region(&store.region)
            .with_access_key_id(store.access_key.reveal())
            .with_secret_access_key(store.secret_key.reveal())
            .with_checksum_algorithm(Checksum::SHA256)
            .with_disable_bulk_delete(true)
            .with_retry(retry)
            .with_http_connector(Wire(client));
        if let Some(endpoint) = &store.endpoint {
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/')).with_allow_http(store.is_plain());
        }
        if let Some(token) = &store.session_token {
            builder = builder.with_token(token.reveal());
        }
        let s3 = builder.build().map_err(|error| fault(&error))?;
        Ok(Self { s3, name: store.bucket.clone(), prefix: store.prefix.clone() })
    }

    /// Where a file of a tenant's lies.
    pub(super) fn url(&self, tenant: &str, file: &str) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}/{}{slash}{tenant}/{file}", self.name, self.prefix)
    }

    /// The object of that URL, in this bucket.
    pub(super) fn key(&self, url: &str) -> Result<Key, StoreFault> {
        let rest =
            url.strip_prefix("s3://").and_then(|rest| rest.strip_prefix(&*self.name)).and_then(|rest| rest.strip_prefix('/'));
        rest.and_then(|key| Key::parse(key).ok()).ok_or(StoreFault::Elsewhere)
    }

    /// All of an object at once. Its tag, where the store gives one.
    pub(super) async fn put(&self, key: &Key, bytes: Bytes) -> Result<Option<String>, StoreFault> {
        Ok(self.s3.put(key, bytes.into()).await?.e_tag)
    }

    /// Begins an object that comes in pieces. By this name it is gone on with.
    pub(super) async fn begin(&self, key: &Key) -> Result<String, StoreFault> {
        Ok(self.s3.create_multipart(key).await?)
    }

    /// A piece, counted from 0. What is to be shown for it at the end.
    pub(super) async fn put_piece(&self, key: &Key, upload: &String, number: usize, bytes: Bytes) -> Result<String, StoreFault> {
        Ok(self.s3.put_part(key, upload, number, bytes.into()).await?.content_id)
    }

    /// Makes an object of its pieces.
    pub(super) async fn complete(&self, key: &Key, upload: &String, pieces: &[String]) -> Result<Option<String>, StoreFault> {
        let pieces = pieces.iter().map(|piece| PartId { content_id: piece.clone() }).collect();
        Ok(self.s3.complete_multipart(key, upload, pieces).await?.e_tag)
    }

    /// Throws an upload's pieces away. One that is not known is thrown away already.
    pub(super) async fn abort(&self, key: &Key, upload: &String) -> Result<(), StoreFault> {
        gone_is_well(self.s3.abort_multipart(key, upload).await.map_err(StoreFault::from))
    }

    /// Bytes of an object, and its tag; none where there is none.
    pub(super) async fn look(&self, key: &Key) -> Result<Option<(u64, Option<String>)>, StoreFault> {
        match self.s3.head(key).await.map_err(StoreFault::from) {
            Ok(meta) => Ok(Some((meta.size, meta.e_tag))),
            Err(StoreFault::Missing) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Deletes an object. One that is not there is deleted already.
    pub(super) async fn delete(&self, key: &Key) -> Result<(), StoreFault> {
        gone_is_well(self.s3.delete(key).await.map_err(StoreFault::from))
    }

    /// Deletes what [`Bucket::objects_of`] found.
    ///
    /// # Errors
    /// Where the store does not.
    pub async fn delete_url(&self, url: &str) -> Result<(), StoreFault> {
        self.delete(&self.key(url)?).await
    }

    /// Copies an object to a file.
    ///
    /// # Errors
    /// Where the store has it not or does not give it, or the disk takes no more.
    pub async fn fetch(&self, url: &str, file: &mut (impl Write + Send)) -> Result<(), StoreFault> {
        let mut chunks = self.s3.get(&self.key(url)?).await?.into_stream();
        while let Some(chunk) = chunks.try_next().await? {
            file.write_all(&chunk)?;
        }
        Ok(())
    }

    /// Every part of a call that is there with its note, whichever gateway sent it: URLs, of each note before its sound.
    ///
    /// # Errors
    /// Where the store does not say.
    pub async fn objects_of(&self, tenant: &TenantId, call: &CallId) -> Result<Vec<String>, StoreFault> {
        let folder = self.key(&self.url(tenant.as_str(), ""))?;
        let prefix = format!("{folder}/{call}");
        let mut options = PaginatedListOptions { max_keys: Some(LISTED_MAX), ..PaginatedListOptions::default() };
        let mut found = Vec::new();
        loop {
            let page = self.s3.list_paginated(Some(&prefix), options.clone()).await?;
            for object in page.result.objects.iter().filter(|object| object.size <= NOTE_BYTES_MAX) {
                let Some(name) = object.location.filename().filter(|name| name.ends_with(".json")) else { continue };
                // Another call's name may begin so.
                let note = self.s3.get(&object.location).await?.bytes().await?;
                let Some(note) = serde_json::from_slice::<Note>(&note).ok().filter(|note| note.call == call.as_str()) else {
                    continue;
                };
                found.extend([name, &note.file].map(|name| self.url(tenant.as_str(), name)));
            }
            match page.page_token {
                Some(token) => options.page_token = Some(token),
                None => return Ok(found),
            }
        }
    }

    /// Says that nothing of a call is to lie here.
    pub(super) async fn withdraw(&self, tenant: &TenantId, call: &CallId, why: DeletionReason) -> Result<(), StoreFault> {
        let mark = self.mark(tenant.as_str(), call.as_str())?;
        self.put(&mark, Bytes::from_static(why.code().as_bytes())).await.map(drop)
    }

    /// Why nothing of a call is to lie here, where that was said.
    pub(super) async fn withdrawn(&self, tenant: &str, call: &str) -> Result<Option<DeletionReason>, StoreFault> {
        let mark = self.mark(tenant, call)?;
        if self.look(&mark).await?.is_none_or(|(bytes, _)| bytes > NOTE_BYTES_MAX) {
            return Ok(None);
        }
        let said = self.s3.get(&mark).await?.bytes().await?;
        let why = std::str::from_utf8(&said).ok().and_then(DeletionReason::parse);
        Ok(Some(why.unwrap_or(DeletionReason::Ordered)))
    }

    fn mark(&self, tenant: &str, call: &str) -> Result<Key, StoreFault> {
        self.key(&self.url(tenant, &format!("{call}{}", withdrawn::END)))
    }

    /// Whether the store is there and lets itself be written to: an upload is begun and thrown away, and leaves nothing.
    ///
    /// # Errors
    /// Where it is not, or does not.
    pub async fn probe(&self) -> Result<(), StoreFault> {
        let key = self.key(&self.url("voice-gateway-doctor", "probe"))?;
        let upload = self.begin(&key).await?;
        self.abort(&key, &upload).await
    }
}

fn gone_is_well(outcome: Result<(), StoreFault>) -> Result<(), StoreFault> {
    match outcome {
        Err(StoreFault::Missing | StoreFault::NoUpload) => Ok(()),
        other => other,
    }
}

fn tls(store: &RecordingStore) -> Result<ClientConfig, Faults> {
    let trusted = match (&store.ca, store.is_plain()) {
        (Some(file), _) => {
            let pem = std::fs::read(file).map_err(|error| Faults::one("recording.store.ca", error))?;
            trust::trusting(Some(&pem)).map_err(|_| Faults::one("recording.store.ca", "holds no certificate (PEM)"))
        }
        (None, true) => trust::trusting_nobody().map_err(|error| Faults::one("recording.store", error)),
        (None, false) => trust::trusting(None).map_err(|error| Faults::one("recording.store.ca", error)),
    };
    trusted.map(|tls| (*tls).clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use vg_domain::pii::Pii;

    fn bucket(prefix: &str) -> Bucket {
        let store = RecordingStore {
            bucket: "calls".into(),
            prefix: prefix.into(),
            endpoint: Some("http://127.0.0.1:9".parse().unwrap()),
            region: "us-east-1".into(),
            access_key: Pii::new("AKIDEXAMPLE".into()),
            secret_key: Pii::new("s3cret".into()),
            session_token: None,
            ca: None,
            keep_local: false,
        };
        let bucket = Bucket::new(&store).unwrap();
        assert!(!format!("{bucket:?}").contains("s3cret"));
        bucket
    }

    #[test]
    fn an_object_is_called_as_its_file_and_is_found_by_its_url_in_its_bucket_alone() {
        for (prefix, url) in [("", "s3://calls/acme/a.wav"), ("deep/er", "s3://calls/deep/er/acme/a.wav")] {
            let bucket = bucket(prefix);
            assert_eq!(bucket.url("acme", "a.wav"), url);
            assert_eq!(bucket.key(url).unwrap().as_ref(), &url["s3://calls/".len()..]);
            for elsewhere in ["s3://other/acme/a.wav", "s3://calls2/a", "https://calls/a", "s3://calls", "s3://calls/a/../b"] {
                assert!(matches!(bucket.key(elsewhere), Err(StoreFault::Elsewhere)), "{elsewhere}");
            }
        }
    }
}
