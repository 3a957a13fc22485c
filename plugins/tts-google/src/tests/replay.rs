//! What Google's own Python client (google-cloud-texttospeech 2.38.0) sent and was told.

use super::*;
use vg_plugin_sdk::json::{self, Value};

const CLIP: &[u8] = include_bytes!("../../fixtures/en.ulaw");
const FILE: &[u8] = include_bytes!("../../fixtures/en.wav");

pub(super) fn exchange(name: &str) -> Value {
    let all: Value = json::from_str(include_str!("../../fixtures/exchanges.json")).unwrap();
    all[name].clone()
}

fn base64(text: &Value) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text.as_str().unwrap()).unwrap()
}

/// Message by message.
fn captured(name: &str) -> Vec<Vec<u8>> {
    exchange(name)["sent"].as_array().unwrap().iter().map(base64).collect()
}

fn chunks(name: &str) -> Vec<usize> {
    exchange(name)["chunks"].as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
}

fn path(effects: &[Effect]) -> String {
    open(effects).unwrap().url.strip_prefix("https://texttospeech.googleapis.com").unwrap().to_owned()
}

fn message(samples: &[u8]) -> Vec<u8> {
    let mut message = vec![0x0a];
    let mut length = samples.len();
    while length > 0x7f {
        message.push(length as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend(samples);
    grpc::frame(&message)
}

#[test]
fn a_stream_is_asked_for_as_googles_client_does() {
    let cases = [
        ("stream", "{}", Encoding::Mulaw, 8000, "en-US", vec!["Hello, ", "this is ", "a short ", "test call."]),
        (
            "stream_pt_pcm16",
            r#"{"voice":"pt-BR-Chirp3-HD-Aoede"}"#,
            Encoding::PcmS16le,
            16_000,
            "pt-BR",
            vec!["Olá, ", "esta é uma ligação ", "de teste."],
        ),
        (
            "stream_markup",
            r#"{"input":"markup"}"#,
            Encoding::Mulaw,
            8000,
            "en-US",
            vec!["Hello, [pause]", "this is [pause]", "a short [pause]", "test call.[pause]"],
        ),
    ];
    for (name, options, encoding, rate_hz, language, texts) in cases {
        let mut session = started(options, encoding, rate_hz, language);
        let mut effects: Vec<Effect> = texts.iter().flat_map(|text| told(&mut session, text)).collect();
        assert_eq!(path(&effects), exchange(name)["path"].as_str().unwrap());
        effects.extend(session.tell(Input::End));
        assert_eq!(messages(&sent(&effects, 1)), captured(name), "{name}");
        assert!(effects.contains(&LinkEffect::Finish(1).into()));
    }
}

#[test]
fn a_whole_text_is_asked_for_as_googles_client_does() {
    let ssml = r#"<speak>Hello, <break time="200ms"/>this is a short test call.</speak>"#;
    let english = "Hello, this is a short test call.";
    let all = r#""voice":"en-US-Neural2-F","input":"ssml","speaking_rate":1.1,"pitch":-2.0,"volume_gain_db":3.0,"effects_profile":["telephony-class-application"]"#;
    let plain = r#""voice":"en-US-Neural2-F""#;
    let cases = [
        ("unary", plain, Encoding::Mulaw, english),
        ("unary_pcm8k", plain, Encoding::PcmS16le, english),
        ("unary_ssml_all", all, Encoding::Mulaw, ssml),
        ("unary_gender", r#""gender":"female""#, Encoding::Mulaw, english),
        ("rest_unary", plain, Encoding::Mulaw, english),
        ("rest_unary_pcm8k", plain, Encoding::PcmS16le, english),
        ("rest_unary_ssml_all", all, Encoding::Mulaw, ssml),
    ];
    for (name, options, encoding, text) in cases {
        let rest = name.starts_with("rest");
        let options = format!(r#"{{"form":"{}",{options}}}"#, if rest { "rest" } else { "unary" });
        let mut session = started(&options, encoding, 8000, "en-US");
        told(&mut session, text);
        let effects = session.tell(Input::Flush(1));
        assert_eq!(path(&effects), exchange(name)["path"].as_str().unwrap());
        let asked = sent(&effects, 1);
        if rest {
            let (own, clients): (Value, Value) =
                (json::from_slice(&asked).unwrap(), json::from_str(exchange(name)["sent"][0].as_str().unwrap()).unwrap());
            assert_eq!(own, clients, "{name}");
        } else {
            assert_eq!(messages(&asked), captured(name), "{name}");
        }
    }
}

#[test]
fn the_headers_that_matter_are_the_same() {
    for (name, options) in [
        ("tls_api_key", UNARY),
        ("tls_token", r#"{"form":"unary","auth":"bearer"}"#),
        ("tls_sa_jwt", r#"{"form":"unary","auth":"service_account"}"#),
        ("tls_stream_token", r#"{"auth":"bearer"}"#),
        ("rest_unary", r#"{"form":"rest","auth":"bearer"}"#),
    ] {
        let mut session = call(options);
        let mut effects = told(&mut session, "x");
        effects.extend(session.tell(Input::Flush(1)));
        let mut own: Vec<&str> = open(&effects).unwrap().headers.iter().map(|(name, _)| name.as_str()).collect();
        own.retain(|name| *name != "user-agent");
        own.sort_unstable();
        let exchange = exchange(name);
        let clients: Vec<&str> = exchange["headers"].as_array().unwrap().iter().map(|field| field[0].as_str().unwrap()).collect();
        assert_eq!(own, clients, "{name}");
    }
}

#[test]
fn a_captured_stream_is_spoken_to_the_last_sample() {
    let mut session = answered("{}");
    let mut rest = CLIP;
    let mut heard = Vec::new();
    for size in chunks("stream") {
        let (samples, after) = rest.split_at(size.min(rest.len()));
        // The link cuts where it likes.
        for piece in message(samples).chunks(333) {
            heard.extend(sound(&session.bytes(1, piece)));
        }
        rest = after;
    }
    assert_eq!(heard, CLIP[..CLIP.len() - rest.len()]);
    assert!(heard.len() >= 20_000);
    assert_eq!(session.trailers(1, OK), [Effect::Flushed(7)]);
}

#[test]
fn a_captured_answer_is_spoken_without_its_header() {
    use base64::Engine;
    assert_eq!(chunks("unary"), [FILE.len()]);
    let mut session = answered(UNARY);
    let heard: Vec<u8> = message(FILE).chunks(1000).flat_map(|piece| sound(&session.bytes(1, piece))).collect();
    assert_eq!(heard, CLIP);
    assert_eq!(session.trailers(1, OK), [Effect::Flushed(7)]);
    let mut session = answered(REST);
    let body = format!(r#"{{"audioContent": "{}"}}"#, base64::engine::general_purpose::STANDARD.encode(FILE));
    let heard: Vec<u8> = body.as_bytes().chunks(1000).flat_map(|piece| sound(&session.bytes(1, piece))).collect();
    assert_eq!(heard, CLIP);
    assert_eq!(session.finished(1, None), [Effect::Flushed(7)]);
}
