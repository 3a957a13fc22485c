//! One session: it speaks by requests or by streams, whichever the options say.

mod requests;
mod streams;
mod sound;

use crate::options::{Mode, Options};
use crate::voice::Voice;
use requests::Requests;
use streams::Streams;
use vg_plugin_sdk::{
    Fault, Instant, SessionStart,
    link::{self, HttpVersion, LinkInput},
    tts::{Effect, Input},
};

/// Name of the secret.
pub(crate) const SECRET: &str = "aws";

/// One session; nothing is there before `start`.
#[derive(Debug, Default)]
pub(crate) struct Session {
    mouth: Option<Mouth>,
}

#[derive(Debug)]
enum Mouth {
    Requests(Requests),
    Streams(Streams),
}

/// What does not change from reply to reply.
#[derive(Clone, Debug)]
struct Manner {
    options: Options,
    voice: Voice,
}

impl Session {
    /// See [`vg_plugin_sdk::tts::TtsPlugin::handle`].
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let done = match (&mut self.mouth, input) {
            (mouth @ None, Input::Start(start)) => begin(&start, &mut effects).map(|begun| *mouth = Some(begun)),
            (Some(Mouth::Requests(requests)), input) => requests.react(input, &mut effects),
            (Some(Mouth::Streams(streams)), input) => streams.react(now, input, &mut effects),
            (None, _) => Ok(()),
        };
        if let Err(fault) = done {
            effects.push(Effect::Fail(fault));
        }
        effects
    }
}

fn begin(start: &SessionStart, effects: &mut Vec<Effect>) -> Result<Mouth, Fault> {
    let options = Options::parse(&start.options)?;
    let voice = Voice::new(&options, &start.language, start.format)?;
    let (path, version) = match options.mode {
        Mode::Request => ("/v1/speech", HttpVersion::Http1),
        Mode::Stream => ("/v1/synthesisStream", HttpVersion::Http2),
    };
    // The first sound does not wait for TLS.
    effects.push(link::preconnect(options.url(path)?, version).into());
    let mode = options.mode;
    let manner = Manner { options, voice };
    Ok(match mode {
        Mode::Request => Mouth::Requests(Requests::new(manner)),
        Mode::Stream => Mouth::Streams(Streams::new(manner)),
    })
}

/// Whose news it is.
fn link_of(news: &LinkInput) -> link::LinkId {
    match news {
        LinkInput::Signed(signed) => signed.id,
        LinkInput::Opened(head) => head.id,
        LinkInput::Bytes(piece) => piece.id,
        LinkInput::Text(text) => text.id,
        LinkInput::Trailers(trailers) => trailers.id,
        LinkInput::Finished(end) => end.id,
        LinkInput::Failed(failed) => failed.id,
        LinkInput::Full(id) | LinkInput::Writable(id) => *id,
    }
}

#[cfg(test)]
mod tests;
