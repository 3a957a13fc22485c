//! A media leg built anew beside the old one, which then goes.

use super::telephony::AriTelephony;
use crate::application::ports::{MediaLeg, TelephonyError};
use std::sync::Arc;

impl AriTelephony {
    /// Opens another leg and another media channel in the same bridge; where that fails the old ones stay. Once in a call.
    pub(super) async fn rebuild(&mut self) -> Result<MediaLeg, TelephonyError> {
        const ACT: &str = "rebuild media leg";
        let core = Arc::clone(&self.core);
        let Some(built) = self.built.clone().filter(|_| self.replaced.is_none()) else {
            return Err(TelephonyError::Unsupported { act: ACT });
        };
        let media_channel = core.calls.next_media(&self.call).ok_or(TelephonyError::Gone)?;
        // From here on it may exist, even if no answer comes.
        self.replaced = Some(media_channel.clone());
        let (media, wire) = self.open_leg()?;
        let connected = async {
            let remote = self.create_media_channel(&media_channel, wire.local_addr()).await?;
            wire.set_remote(remote).map_err(|_| TelephonyError::Unsupported { act: ACT })?;
            core.rest.post(ACT, &["bridges", &built.bridge, "addChannel"], &[("channel", &media_channel)]).await
        };
        if let Err(error) = connected.await {
            let _ = core.rest.delete(ACT, &["channels", &media_channel], &[]).await;
            return Err(error);
        }
        core.calls.change_media(&self.call, &media_channel);
        self.replaced = Some(built.media.clone());
        if let Some(current) = &mut self.built {
            current.media = media_channel;
        }
        core.calls.set_flow(&self.channel, wire.flow());
        self.wire = Some(wire);
        if core.rest.delete("remove old media channel", &["channels", &built.media], &[]).await.is_err() {
            tracing::warn!("an old media channel is left until its call is released");
        }
        Ok(media)
    }
}
