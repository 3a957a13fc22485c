//! Owners of a speaker who do not simply listen: one who breaks off, one who is slow.

use super::Rig;
use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::time::Duration;
use tokio::time::timeout;
use vg_plugin_host::api::{AudioFormat, TtsInput};
use vg_plugin_host::session::{SessionEnd, TtsEvent, TtsSession};

/// For one event of a speaker whose vendor is this machine.
const EVENT: Duration = Duration::from_secs(10);
/// `Cancelled` is to come at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// What an owner got of a speaker, until its good end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uttered {
    /// In the session's format.
    pub sound: Vec<u8>,
    /// What was answered by `Flushed`.
    pub marks: Vec<u32>,
}

impl Rig {
    /// The first reply is broken off after `events` events (or when it is spoken, if that is sooner), then the second is spoken: what came
    /// after the break. The second's mark is 2.
    ///
    /// # Errors
    /// Where the break is not answered at once, or the session does not end well.
    pub async fn broken_off(
        &self,
        options: Value,
        format: AudioFormat,
        replies: [&str; 2],
        events: usize,
    ) -> anyhow::Result<Uttered> {
        let mut session = self.open_tts(options, format, "en-US")?;
        tell(&session, reply(replies[0], 1)).await?;
        for _ in 0..events {
            if matches!(next(&mut session).await?, TtsEvent::Flushed(_)) {
                break;
            }
        }
        tell(&session, [TtsInput::Cancel]).await?;
        let cancelled = async {
            while !matches!(next(&mut session).await?, TtsEvent::Cancelled) {}
            anyhow::Ok(())
        };
        timeout(AT_ONCE, cancelled).await.context("no answer to cancel")??;
        tell(&session, reply(replies[1], 2).into_iter().chain([TtsInput::End])).await?;
        rest(&mut session).await
    }

    /// The owner says what is first, takes nothing for `idle`, says what is last, and then takes all.
    ///
    /// # Errors
    /// Where the session does not end well.
    pub async fn taken_late(
        &self,
        options: Value,
        format: AudioFormat,
        first: impl IntoIterator<Item = TtsInput>,
        idle: Duration,
        last: impl IntoIterator<Item = TtsInput>,
    ) -> anyhow::Result<Uttered> {
        let mut session = self.open_tts(options, format, "en-US")?;
        tell(&session, first).await?;
        tokio::time::sleep(idle).await;
        tell(&session, last).await?;
        rest(&mut session).await
    }
}

/// A reply and its mark.
pub fn reply(text: &str, mark: u32) -> [TtsInput; 2] {
    [TtsInput::Text(text.to_owned()), TtsInput::Flush(mark)]
}

async fn tell(session: &TtsSession, inputs: impl IntoIterator<Item = TtsInput>) -> anyhow::Result<()> {
    for input in inputs {
        session.input.send(input).await.ok().context("the session takes no more")?;
    }
    Ok(())
}

async fn next(session: &mut TtsSession) -> anyhow::Result<TtsEvent> {
    timeout(EVENT, session.events.recv()).await.context("nothing comes")?.context("the session said no end")
}

async fn rest(session: &mut TtsSession) -> anyhow::Result<Uttered> {
    let mut uttered = Uttered::default();
    loop {
        match next(session).await? {
            TtsEvent::Audio(samples) => uttered.sound.extend_from_slice(&samples),
            TtsEvent::Flushed(mark) => uttered.marks.push(mark),
            TtsEvent::Ended(end) => {
                ensure!(*end == SessionEnd::Done, "the session ended with {end:?}");
                return Ok(uttered);
            }
            TtsEvent::Cancelled => bail!("nobody cancelled"),
            TtsEvent::Word(_) | TtsEvent::Usage(_) => {}
        }
    }
}
