//! One request to Google, from its head to the status that says how it ended.

use crate::options::Form;
use crate::protocol::{self, Sound};
use vg_plugin_sdk::{
    Encoding, Fault, FaultKind,
    link::{self, LinkId, LinkInput, Opened},
    tts::spoke_nothing,
};
use vg_wire::grpc::Status;

/// One request.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) link: LinkId,
    form: Form,
    /// All that was given for it, to be given again where nothing was heard of it.
    pub(super) text: String,
    /// Google has all of the text that belongs to it.
    pub(super) asked_all: bool,
    /// It is the second try, or one that must be the last.
    again: bool,
    /// Sound of it was given to the call.
    pub(super) spoke: bool,
    sound: Sound,
    opened: bool,
    /// REST: a refusal that its body explains, and what came of it.
    refusal: Option<(Fault, Vec<u8>)>,
}

/// What news of a request mean.
#[derive(Debug)]
pub(super) enum Heard {
    Nothing,
    /// Never empty.
    Sound(Vec<u8>),
    /// Google says that this was all; the last of it.
    All(Vec<u8>),
    Broken(Fault),
}

impl Turn {
    pub(super) fn new(link: LinkId, form: Form) -> Self {
        let sound = if form == Form::Rest { Sound::rest() } else { Sound::grpc() };
        Self {
            link,
            form,
            text: String::new(),
            asked_all: false,
            again: false,
            spoke: false,
            sound,
            opened: false,
            refusal: None,
        }
    }

    /// The same request on another link, for the last time.
    pub(super) fn once_more(&self, link: LinkId) -> Self {
        Self { text: self.text.clone(), asked_all: self.asked_all, again: true, ..Self::new(link, self.form) }
    }

    /// Whether more text may be added.
    pub(super) fn takes_text(&self) -> bool {
        self.form == Form::Stream && !self.asked_all
    }

    pub(super) fn may_try_again(&self) -> bool {
        !self.spoke && !self.again
    }

    pub(super) fn heard(&mut self, news: LinkInput, encoding: Encoding) -> Heard {
        match news {
            LinkInput::Opened(head) if head.id == self.link => self.opened(&head, encoding),
            LinkInput::Bytes(piece) if piece.id == self.link => self.bytes(&piece.data, encoding),
            LinkInput::Trailers(trailers) if trailers.id == self.link => match Status::of(&trailers.fields) {
                Some(status) => self.ended(&status, encoding),
                None => Heard::Nothing,
            },
            LinkInput::Finished(end) if end.id == self.link => self.finished(encoding),
            LinkInput::Failed(failed) if failed.id == self.link => {
                let fault = Fault::of_link(&failed);
                // The host has tried as long as is sensible; a connection that was lost may have been an old one.
                self.again |= failed.kind != link::LinkErrorKind::Reset;
                Heard::Broken(fault)
            }
            // Of a request that was given up.
            _ => Heard::Nothing,
        }
    }

    fn opened(&mut self, head: &Opened, encoding: Encoding) -> Heard {
        self.opened = true;
        let kind = link::field(&head.headers, "content-type").unwrap_or_default();
        let expected = if self.form == Form::Rest { "application/json" } else { "application/grpc" };
        match protocol::of_head(head.status, &head.headers) {
            // Key, voice and quota are told apart by the body.
            Some(fault) if self.form == Form::Rest && [400, 403, 429].contains(&head.status) && kind.starts_with(expected) => {
                self.refusal = Some((fault, Vec::new()));
                Heard::Nothing
            }
            Some(fault) => Heard::Broken(fault),
            None if head.status != 200 => Heard::Broken(protocol_fault(&format!("Google answers with status {}", head.status))),
            // A page for a person, of a proxy perhaps, is not to be spoken.
            None if !kind.starts_with(expected) => Heard::Broken(protocol_fault("the answer is none of Google's")),
            None => match Status::of(&head.headers) {
                // Refused at once: there is only a head.
                Some(status) => self.ended(&status, encoding),
                None => Heard::Nothing,
            },
        }
    }

    fn bytes(&mut self, bytes: &[u8], encoding: Encoding) -> Heard {
        if let Some((_, body)) = &mut self.refusal {
            link::keep_refusal(body, bytes);
            return Heard::Nothing;
        }
        match self.sound.hear(encoding, bytes) {
            Err(error) => Heard::Broken(protocol_fault(error.what())),
            Ok(samples) if samples.is_empty() => Heard::Nothing,
            Ok(samples) => {
                self.spoke = true;
                Heard::Sound(samples)
            }
        }
    }

    fn ended(&mut self, status: &Status, encoding: Encoding) -> Heard {
        match protocol::of_status(status) {
            Some(fault) => Heard::Broken(fault),
            None => self.all(encoding),
        }
    }

    /// Without trailers: REST ends like that, everything else was cut off.
    fn finished(&mut self, encoding: Encoding) -> Heard {
        if let Some((fault, body)) = self.refusal.take() {
            return Heard::Broken(protocol::of_rest_body(&body).map_or(fault.clone(), |told| explained(fault, told)));
        }
        if self.form == Form::Rest && self.opened {
            return self.all(encoding);
        }
        Heard::Broken(Fault::new(FaultKind::Unavailable, "Google hung up before it had said that all was spoken"))
    }

    /// Google owes sound and gives none: what it refused with, should only the refusal's text be missing.
    pub(super) fn silent(&mut self) -> Fault {
        let refused = self.refusal.take().map(|(fault, _)| fault);
        refused.unwrap_or_else(|| Fault::new(FaultKind::Unavailable, "Google fell silent"))
    }

    fn all(&mut self, encoding: Encoding) -> Heard {
        let samples = self.sound.rest_of(encoding);
        self.spoke |= !samples.is_empty();
        if self.sound.is_cut() {
            return Heard::Broken(Fault::new(FaultKind::Unavailable, "Google's answer stops within a message or a sample"));
        }
        if !self.asked_all {
            return Heard::Broken(Fault::new(FaultKind::Unavailable, "Google ended before it had all of the text"));
        }
        if !self.spoke && self.text.chars().any(char::is_alphanumeric) {
            return Heard::Broken(spoke_nothing("Google spoke nothing"));
        }
        Heard::All(samples)
    }
}

/// `Retry-After` of the head is kept where the body names no delay.
fn explained(head: Fault, told: Fault) -> Fault {
    match (&told.kind, &head.kind) {
        (FaultKind::Quota(None), FaultKind::Quota(Some(_))) => head,
        _ => told,
    }
}

fn protocol_fault(why: &str) -> Fault {
    Fault::new(FaultKind::Protocol, why)
}
