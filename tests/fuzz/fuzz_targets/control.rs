#![no_main]

// The file alone: with all of the gateway its coverage build would take a quarter of an hour.
#[path = "../../../host/src/adapters/media_ws/control.rs"]
mod control;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    control::fuzz(text);
});
