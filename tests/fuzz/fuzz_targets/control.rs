#![no_main]

// The file alone: with all of the gateway its coverage build would take a quarter of an hour.
#[expect(dead_code, reason = "only its fuzz body is called here")]
#[path = "../../../host/src/adapters/media_ws/control.rs"]
mod control;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    control::fuzz(text);
});
