use super::*;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value as Json;

#[test]
fn messages_come_whole_however_they_are_cut() {
    let sent = [Message::event("AudioEvent", "application/octet-stream", [1, 2, 3]), Message::default()];
    let stream: Vec<u8> = sent.iter().flat_map(Message::encode).collect();
    for size in [1, 3, 11, 12, 13, stream.len()] {
        let mut messages = Messages::new(1000);
        let mut read = Vec::new();
        for piece in stream.chunks(size) {
            messages.push(piece);
            while let Some(message) = messages.poll().unwrap() {
                read.push(message);
            }
        }
        assert_eq!(read, sent, "in pieces of {size}");
        assert!(!messages.is_cut());
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let good = Message::event("AudioEvent", "application/octet-stream", [1, 2, 3]).encode();
    for place in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[place / 8] ^= 1 << (place % 8);
        assert!(Message::decode(&bad).is_err(), "bit {place}");
    }
    assert_eq!(Message::decode(&good[..good.len() - 1]), Err(EventStreamError::Malformed));
    let mut long = Messages::new(10);
    long.push(&good);
    assert_eq!(long.poll(), Err(EventStreamError::TooLong(good.len() as u32)));
}

#[test]
fn dates_are_those_of_the_calendar() {
    let expected = [(0, "19700101T000000Z"), (951_782_400_000, "20000229T000000Z"), (1_795_881_599_999, "20261128T155959Z")];
    for (ms, date) in expected {
        assert_eq!(amz_date(ms), date);
    }
}

#[test]
fn a_signed_message_carries_date_and_signature() {
    let bytes = signed(b"inner", 1_795_881_599_000, |date, header, payload| {
        assert_eq!((date, header.len(), payload.len()), ("20261128T155959Z", 64, 64));
        Some("ab".repeat(32))
    });
    let message = Message::decode(&bytes.unwrap()).unwrap();
    assert_eq!(message.headers[0], (":date".to_owned(), Value::Timestamp(1_795_881_599_000)));
    assert_eq!(message.headers[1], (":chunk-signature".to_owned(), Value::Bytes(vec![0xab; 32])));
    assert_eq!(signed(b"", 0, |_, _, _| None), None);
}

/// What the vendor's own SDK sent, with the (fake) key it signed with.
fn sdk() -> Json {
    serde_json::from_str(include_str!("../../fixtures/event_stream/sdk.json")).unwrap()
}

fn bytes(text: &Json) -> Vec<u8> {
    BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    assert!(key.len() <= 64, "longer keys would be hashed first");
    let pad = |with: u8| (0..64).map(|at| key.get(at).unwrap_or(&0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

/// The signature as the service computes it.
fn signature(sdk: &Json, prior: &str, date: &str, header_hash: &str, payload_hash: &str) -> String {
    let text = |name: &str| sdk[name].as_str().unwrap();
    let parts = [&date[..8], text("region"), text("service"), "aws4_request"];
    let first = format!("AWS4{}", text("secret_key")).into_bytes();
    let key = parts.iter().fold(first, |key, part| hmac(&key, part.as_bytes()));
    let scope = parts.join("/");
    let text = ["AWS4-HMAC-SHA256-PAYLOAD", date, &scope, prior, header_hash, payload_hash].join("\n");
    hex(&hmac(&key, text.as_bytes()))
}

#[test]
fn messages_of_the_sdk_are_signed_and_written_byte_for_byte_alike() {
    let sdk = sdk();
    for signed in sdk["signed"].as_array().unwrap() {
        let theirs = bytes(&signed["message_b64"]);
        let message = Message::decode(&theirs).unwrap();
        assert_eq!(message.headers[0].0, ":date");
        assert_eq!(message.headers[0].1, Value::Timestamp(signed["date_ms"].as_i64().unwrap()));
        let mut chain = Chain::new(signed["prior_signature"].as_str().unwrap());
        let ours = chain.message(&message.payload, signed["date_ms"].as_u64().unwrap(), |prior, date, header, payload| {
            Some(signature(&sdk, prior, date, header, payload))
        });
        assert_eq!(ours.unwrap(), theirs);
        assert_eq!(chain.prior, signed["signature"].as_str().unwrap());
    }
}

#[test]
fn the_chain_goes_from_message_to_message_as_in_the_sdk() {
    let sdk = sdk();
    let signed = sdk["signed"].as_array().unwrap();
    let mut chain = Chain::new(signed[0]["prior_signature"].as_str().unwrap());
    for one in &signed[..2] {
        let theirs = bytes(&one["message_b64"]);
        let payload = Message::decode(&theirs).unwrap().payload;
        let ours = chain.message(&payload, one["date_ms"].as_u64().unwrap(), |prior, date, header, payload| {
            Some(signature(&sdk, prior, date, header, payload))
        });
        assert_eq!(ours.unwrap(), theirs);
    }
    assert_eq!(chain.message(b"", 0, |_, _, _, _| None), None);
}

#[test]
fn what_lies_inside_a_signed_message_is_an_event() {
    let sdk = sdk();
    let first = Message::decode(&bytes(&sdk["signed"][0]["message_b64"])).unwrap();
    let inner = Message::decode(&first.payload).unwrap();
    assert_eq!(inner, Message::event("AudioEvent", "application/octet-stream", inner.payload.clone()));
    assert_eq!((inner.payload.len(), first.payload.len(), inner.encode()), (3200, 3304, first.payload));
    let last = Message::decode(&bytes(&sdk["signed"][2]["message_b64"])).unwrap();
    assert_eq!((last.payload.len(), last.encode().len()), (0, 83));
    let bare = Message::decode(&bytes(&sdk["bare_b64"])).unwrap();
    assert_eq!((bare.text(":event-type"), bare.payload.len()), (Some("AudioEvent"), 3200));
}

#[test]
fn what_the_sdk_accepted_of_a_service_is_read() {
    let sdk = sdk();
    let message = Message::decode(&bytes(&sdk["server_b64"])).unwrap();
    assert_eq!((message.text(":message-type"), message.text(":event-type")), (Some("event"), Some("TranscriptEvent")));
    assert!(serde_json::from_slice::<Json>(&message.payload).unwrap()["Transcript"]["Results"][0]["ResultId"].is_string());
}
