//! What a session is told of an answer: booked, and without what it echoes of a secret.

use super::end::End;
use super::watch::Watch;
use crate::counters::add;
use crate::door::Link;
use crate::secrets::{CredentialId, EchoSearch};
use crate::wire::{Fields, LinkInput};
use bytes::Bytes;
use http::HeaderMap;
use http::StatusCode;

/// What 401 says in HTTP gRPC says in its status, in the head where nothing else comes, else in the trailers (UNAUTHENTICATED, 16).
fn is_unauthenticated(fields: &HeaderMap) -> bool {
    fields.get("grpc-status").is_some_and(|status| status == "16")
}

/// One answer on its way to the session.
pub(super) struct Answer<'a> {
    link: &'a Link,
    watch: &'a Watch,
    credential: CredentialId,
    search: EchoSearch,
}

impl<'a> Answer<'a> {
    pub(super) fn new(link: &'a Link, watch: &'a Watch, credential: CredentialId) -> Self {
        Self { link, watch, credential, search: EchoSearch::default() }
    }

    /// Tells the head.
    pub(super) async fn head(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<(), End> {
        self.watch.answered();
        if status == StatusCode::UNAUTHORIZED || is_unauthenticated(headers) {
            self.link.grant.secrets.invalidate(self.credential);
        }
        let headers = self.fields(headers)?;
        self.watch.held(self.link.opened(status.as_u16(), headers)).await?;
        Ok(())
    }

    /// Tells a piece of the body. Comes back when the session has taken it or has room for it.
    pub(super) async fn body(&mut self, data: Bytes) -> Result<(), End> {
        if !self.link.book_in(data.len()) {
            return Err(End::OVER_BUDGET);
        }
        let (data, found) = self.search.piece(&self.link.grant.secrets, &data);
        add(&self.link.links.counters.echoes_masked, found as u64);
        self.watch.held(self.link.bytes(&data)).await?;
        Ok(())
    }

    /// Tells what of the body was held back; to be called at its end.
    pub(super) async fn end(&mut self) -> Result<(), End> {
        let held = self.search.end();
        self.watch.held(self.link.bytes(&held)).await?;
        Ok(())
    }

    /// Tells what followed the body.
    pub(super) async fn trailers(&mut self, trailers: &HeaderMap) -> Result<(), End> {
        self.end().await?;
        if is_unauthenticated(trailers) {
            self.link.grant.secrets.invalidate(self.credential);
        }
        let fields = self.fields(trailers)?;
        self.watch.held(self.link.tell(LinkInput::Trailers(self.link.id, fields))).await?;
        Ok(())
    }

    fn fields(&self, map: &HeaderMap) -> Result<Fields, End> {
        let mut fields: Fields = map
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        if !self.link.book_in(fields.iter().map(|(name, value)| name.len() + value.len()).sum()) {
            return Err(End::OVER_BUDGET);
        }
        add(&self.link.links.counters.echoes_masked, self.link.grant.secrets.mask_fields(&mut fields) as u64);
        Ok(fields)
    }
}
