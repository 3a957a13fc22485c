#![no_main]

// The file alone: with all of the gateway its coverage build would take a quarter of an hour.
#[path = "../../../host/src/adapters/ari/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    wire::fuzz(text);
});
