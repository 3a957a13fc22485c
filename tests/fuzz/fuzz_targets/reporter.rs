#![no_main]

libfuzzer_sys::fuzz_target!(|script: &[u8]| {
    vg_media::fuzz::reporter(std::time::Instant::now(), script);
});
