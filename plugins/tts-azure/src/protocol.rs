//! The vendor's conversation: what is asked and sent, and what its messages mean.

mod told;

use crate::options::{Auth, Options, Transport};
use serde_json::{Map, Value, json};
use vg_plugin_sdk::link::{self, HttpOpen, LinkId, WebsocketOpen};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, FaultKind};
use vg_wire::usp::{self, Headers};

pub(crate) use told::{Told, read_binary, read_text};

/// Whose client this is: our own name, never a vendor's.
const USER_AGENT: &str = concat!("serphona-voice-gateway/", env!("CARGO_PKG_VERSION"));

/// A voice of each language; a language without one needs the option `voice`. Best for a call first.
pub(crate) const VOICES: [(&str, &str); 16] = [
    ("en-US", "en-US-AvaMultilingualNeural"),
    ("pt-BR", "pt-BR-FranciscaNeural"),
    ("es-ES", "es-ES-ElviraNeural"),
    ("es-US", "es-US-PalomaNeural"),
    ("es-MX", "es-MX-DaliaNeural"),
    ("es-AR", "es-AR-ElenaNeural"),
    ("es-CO", "es-CO-SalomeNeural"),
    ("es-CL", "es-CL-CatalinaNeural"),
    ("en-GB", "en-GB-SoniaNeural"),
    ("en-AU", "en-AU-NatashaNeural"),
    ("pt-PT", "pt-PT-RaquelNeural"),
    ("fr-FR", "fr-FR-DeniseNeural"),
    ("fr-CA", "fr-CA-SylvieNeural"),
    ("de-DE", "de-DE-KatjaNeural"),
    ("it-IT", "it-IT-ElsaNeural"),
    ("nl-NL", "nl-NL-ColetteNeural"),
];

/// What stays the same for a whole session.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) url: String,
    auth: Auth,
    config: String,
    context: String,
    output: &'static str,
    /// Around text that is no document of its own; none where it is one.
    around: Option<(String, &'static str)>,
}

impl Wire {
    pub(crate) fn new(options: &Options, raw_options: &str, language: &str, format: AudioFormat) -> Result<Self, Fault> {
        let (scheme, path) = match options.transport {
            Transport::Ssml => ("wss", "/cognitiveservices/websocket/v1"),
            Transport::TextStream => ("wss", "/cognitiveservices/websocket/v2"),
            Transport::Rest => ("https", "/cognitiveservices/v1"),
        };
        let default = format!("{scheme}://{}.tts.speech.microsoft.com{path}", options.region);
        let url = match options.endpoint.as_str() {
            "" => default,
            _ => vg_plugin_sdk::options::endpoint(raw_options, &default)?,
        };
        let own = VOICES.iter().find(|(of, _)| of.eq_ignore_ascii_case(language)).map(|(_, voice)| *voice);
        let voice = match (options.voice.as_str(), own) {
            ("", None) if !options.ssml => {
                return Err(Fault::option("/voice", format!("is needed: there is none for {language}")));
            }
            ("", own) => own.unwrap_or_default(),
            (voice, _) => voice,
        };
        let output =
            output(format).ok_or_else(|| Fault::new(FaultKind::Unsupported, "the vendor speaks 8, 16, 24 and 48 kHz"))?;
        let version = env!("CARGO_PKG_VERSION");
        let config = json!({ "context": {
            "system": { "name": "serphona-voice-gateway", "version": version, "build": "wasm32" },
            "os": { "platform": "WebAssembly", "name": "serphona-voice-gateway", "version": version },
        } });
        Ok(Self {
            url,
            auth: options.auth,
            config: config.to_string(),
            context: json!({ "synthesis": synthesis(options, voice, output) }).to_string(),
            output,
            around: (!options.ssml).then(|| around(options, voice, language)),
        })
    }

    pub(crate) fn websocket(&self, id: LinkId, url: String, connection_id: &str) -> WebsocketOpen {
        let (name, value) = self.credential();
        let open = link::websocket(id, url).header(name, value);
        open.header("User-Agent", USER_AGENT).header("X-ConnectionId", connection_id)
    }

    /// The REST form of a turn.
    pub(crate) fn request(&self, id: LinkId, text: &str) -> HttpOpen {
        let (name, value) = self.credential();
        link::http(id, "POST", self.url.clone())
            .header(name, value)
            .header("Content-Type", "application/ssml+xml")
            .header("X-Microsoft-OutputFormat", self.output)
            .header("User-Agent", USER_AGENT)
            .body(self.document(text))
    }

    fn credential(&self) -> (&'static str, &'static str) {
        match self.auth {
            Auth::Key => ("Ocp-Apim-Subscription-Key", "{secret:api_key}"),
            Auth::Token => ("Authorization", "Bearer {secret:api_key}"),
        }
    }

    /// The first message of a connection.
    pub(crate) fn config(&self, unix_ms: u64) -> String {
        usp::text(&head("speech.config", unix_ms), &self.config)
    }

    /// The first message of a turn.
    pub(crate) fn context(&self, request_id: &str, unix_ms: u64) -> String {
        usp::text(&head("synthesis.context", unix_ms).with("X-RequestId", request_id), &self.context)
    }

    /// The text of a turn as a whole.
    pub(crate) fn ssml(&self, request_id: &str, text: &str, unix_ms: u64) -> String {
        let headers = head("ssml", unix_ms).with("Content-Type", "application/ssml+xml").with("X-RequestId", request_id);
        usp::text(&headers, &self.document(text))
    }

    fn document(&self, text: &str) -> String {
        match &self.around {
            Some((before, behind)) => format!("{before}{}{behind}", escaped(text)),
            None => text.to_owned(),
        }
    }
}

/// A piece of a turn's text.
pub(crate) fn piece(request_id: &str, text: &str, unix_ms: u64) -> String {
    let headers = head("text.piece", unix_ms).with("Content-Type", "text/plain").with("X-RequestId", request_id);
    usp::text(&headers, text)
}

/// No more text in this turn.
pub(crate) fn text_end(request_id: &str, unix_ms: u64) -> String {
    let headers = head("text.end", unix_ms).with("Content-Type", "text/plain").with("X-RequestId", request_id);
    usp::text(&headers, "")
}

fn head(path: &str, unix_ms: u64) -> Headers {
    Headers::new().with("X-Timestamp", usp::timestamp(unix_ms)).with("Path", path)
}

/// Without a header: what comes is samples.
fn output(format: AudioFormat) -> Option<&'static str> {
    match (format.encoding, format.rate_hz) {
        (Encoding::Mulaw, 8_000) => Some("raw-8khz-8bit-mono-mulaw"),
        (Encoding::Alaw, 8_000) => Some("raw-8khz-8bit-mono-alaw"),
        (Encoding::PcmS16le, 8_000) => Some("raw-8khz-16bit-mono-pcm"),
        (Encoding::PcmS16le, 16_000) => Some("raw-16khz-16bit-mono-pcm"),
        (Encoding::PcmS16le, 24_000) => Some("raw-24khz-16bit-mono-pcm"),
        (Encoding::PcmS16le, 48_000) => Some("raw-48khz-16bit-mono-pcm"),
        _ => None,
    }
}

fn synthesis(options: &Options, voice: &str, output: &str) -> Value {
    let mut synthesis = json!({
        "audio": { "outputFormat": output, "metadataOptions": {
            "visemeEnabled": false, "bookmarkEnabled": false, "wordBoundaryEnabled": options.words,
            "punctuationBoundaryEnabled": false, "sentenceBoundaryEnabled": false, "sessionEndEnabled": true } },
        "language": { "autoDetection": false },
    });
    if options.transport == Transport::TextStream {
        let mut input = Map::new();
        input.insert("bidirectionalStreamingMode".to_owned(), true.into());
        input.insert("voiceName".to_owned(), voice.into());
        input.insert("language".to_owned(), "".into());
        let chosen = [
            ("pitch", options.pitch.clone()),
            ("rate", options.rate.clone()),
            ("volume", options.volume.clone()),
            ("style", options.style.clone()),
            ("temperature", if options.temperature > 0.0 { options.temperature.to_string() } else { String::new() }),
        ];
        let chosen = chosen.into_iter().filter(|(_, value)| !value.is_empty());
        input.extend(chosen.map(|(name, value)| (name.to_owned(), value.into())));
        synthesis["input"] = input.into();
    }
    synthesis
}

/// What stands before and behind the text of a document.
fn around(options: &Options, voice: &str, language: &str) -> (String, &'static str) {
    let mut before = format!(
        "<speak version='1.0' xmlns='http://www.w3.org/2001/10/synthesis' xmlns:mstts='http://www.w3.org/2001/mstts' \
         xml:lang='{}'><voice name='{}'>",
        escaped(language),
        escaped(voice)
    );
    let styled = !options.style.is_empty();
    if styled {
        let Options { style, style_degree, .. } = options;
        before.push_str(&format!("<mstts:express-as style='{}' styledegree='{style_degree}'>", escaped(style)));
    }
    let prosody = [("rate", &options.rate), ("pitch", &options.pitch), ("volume", &options.volume)];
    let prosody = prosody.into_iter().filter(|(_, value)| !value.is_empty());
    let prosody: String = prosody.map(|(name, value)| format!(" {name}='{}'", escaped(value))).collect();
    if !prosody.is_empty() {
        before.push_str(&format!("<prosody{prosody}>"));
    }
    let behind = match (styled, !prosody.is_empty()) {
        (false, false) => "</voice></speak>",
        (true, false) => "</mstts:express-as></voice></speak>",
        (false, true) => "</prosody></voice></speak>",
        (true, true) => "</prosody></mstts:express-as></voice></speak>",
    };
    (before, behind)
}

/// Text as XML holds it. What XML 1.0 cannot hold is left out: one such character would refuse the whole text.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\t' | '\n' | '\r' => escaped.push(char),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(char),
        }
    }
    escaped
}
