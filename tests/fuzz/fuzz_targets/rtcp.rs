#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    vg_media::fuzz::rtcp(bytes);
});
