//! The recorded conversations of the vendor's own library, and every fault of its fact sheet.

mod live;
mod utterances;

use super::Listener;
use vg_plugin_sdk::json::{self, Value, json};
use vg_plugin_sdk::link::{HttpOpen, LinkEffect};
use vg_plugin_sdk::stt::{Edge, Effect, Input};
use vg_plugin_sdk::{AudioFormat, Encoding, Fault, SessionStart, Transcript, testing};

type Session = testing::Session<Input, Effect>;

const MULAW: AudioFormat = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };

fn begun(options: &Value, format: AudioFormat, language: &str) -> (Session, Vec<Effect>) {
    let mut session = testing::stt::<Listener>();
    let start = SessionStart { format, language: language.to_owned(), ..testing::start(&options.to_string()) };
    let effects = session.start(start);
    (session, effects)
}

/// Somebody speaks for so long, from here on, and then pauses.
fn speak(session: &mut Session, from_ms: u64, for_ms: u64) -> Vec<Effect> {
    let mut effects = session.tell(Input::Edge(Edge::SpeechStarted(from_ms)));
    for _ in 0..for_ms / 100 {
        effects.extend(session.tell(Input::Audio(vec![0x23; 800])));
    }
    effects.extend(session.tell(Input::Edge(Edge::SpeechEnded(from_ms + for_ms))));
    effects
}

fn requests(effects: &[Effect]) -> Vec<&HttpOpen> {
    let request = |effect| if let &Effect::Link(LinkEffect::Http(ref open)) = effect { Some(open) } else { None };
    effects.iter().filter_map(request).collect()
}

/// Text messages sent, as JSON.
fn sent(effects: &[Effect]) -> Vec<Value> {
    let text = |effect: &Effect| match effect {
        Effect::Link(LinkEffect::SendText(message)) => Some(json::from_str(&message.data).unwrap()),
        _ => None,
    };
    effects.iter().filter_map(text).collect()
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

fn fault(effects: &[Effect]) -> &Fault {
    match effects.last() {
        Some(Effect::Fail(fault)) => fault,
        _ => panic!("no fault but {effects:?}"),
    }
}

/// Finals, and `finalized` as a dot.
fn said(effects: &[Effect]) -> Vec<String> {
    let said = |effect: &Effect| match effect {
        Effect::Final(heard) => Some(heard.text.clone()),
        Effect::Finalized => Some(".".to_owned()),
        _ => None,
    };
    effects.iter().filter_map(said).collect()
}

fn partials(effects: &[Effect]) -> Vec<Transcript> {
    let partial = |effect: &Effect| if let Effect::Partial(heard) = effect { Some(heard.clone()) } else { None };
    effects.iter().filter_map(partial).collect()
}

fn case(all: &str, name: &str) -> Value {
    let all: Vec<Value> = json::from_str(all).unwrap();
    all.into_iter().find(|case| case["case"] == name).unwrap_or_else(|| panic!("{name} was not recorded"))
}

#[test]
fn the_schema_documents_every_option() {
    let schema: Value = json::from_str(crate::options::SCHEMA).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    for (name, property) in properties {
        let description = property["description"].as_str().unwrap_or_else(|| panic!("{name}"));
        assert!(property["default"] != Value::Null || description.contains("default:"), "{name}");
    }
    let defaults: json::Map<String, Value> = properties
        .iter()
        .filter(|(_, property)| property["default"] != Value::Null)
        .map(|(name, property)| (name.clone(), property["default"].clone()))
        .collect();
    crate::options::Options::read(&Value::Object(defaults).to_string()).unwrap();
    let (_, effects) = begun(&json!({ "voice": "x" }), MULAW, "en-US");
    assert!(matches!(fault(&effects).kind, vg_plugin_sdk::FaultKind::InvalidOptions(_)));
}
