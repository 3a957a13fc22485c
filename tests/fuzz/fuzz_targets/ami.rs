#![no_main]

// The file alone: with all of the gateway its coverage build would take a quarter of an hour.
#[path = "../../../host/src/adapters/ami/codec.rs"]
mod codec;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    codec::fuzz(bytes);
});
