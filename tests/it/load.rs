//! The load generator, small: what `cargo xtask bench calls` prints of a thousand calls is right for a few.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use vg_tests::program;

/// The last line that it prints, for a few calls whose vendor hears such sound.
fn run(sound: &str, more: &[&str]) -> Value {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/plugins");
    let ran = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .arg("--gateway")
        .arg(program::path())
        .arg("--plugins")
        .arg(plugins)
        .args(["--calls", "6", "--seconds", "8", "--sound", sound, "--json"])
        .args(more)
        .output()
        .unwrap();
    let (told, complaint) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{told}\n{complaint}");
    serde_json::from_str(told.lines().last().unwrap()).unwrap()
}

#[test]
fn a_vendor_that_hears_16_khz_knows_the_callers_words() {
    let last = run("pcm-16000", &[]);
    assert!(last["turns"].as_f64().unwrap() > 0.0, "nobody was answered: {last}");
    assert!(last["mouth_to_vendor_ms"].is_null(), "no mark survives resampling: {last}");
}

#[test]
fn a_few_turns_have_every_part_and_their_parts_are_the_turn() {
    let last = run("pcm-16000", &["--turns", "12", "--hears", "deepgram,openai", "--pause-ms", "3000"]);
    let all = last["turns"].as_array().unwrap();
    assert_eq!(all.iter().map(|turns| turns["hears"].as_str().unwrap()).collect::<Vec<_>>(), ["deepgram", "openai"]);
    for turns in all {
        let figure =
            |path: &str| turns.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no figure: {turns}"));
        assert!(figure("/turns") >= 12.0 && figure("/calls") == 6.0, "{turns}");
        assert!(figure("/parts_less_total_ms").abs() < 0.5, "{turns}");
        for part in ["endpoint_wait", "stt", "agent", "clause", "tts", "playout", "gateway"] {
            assert_eq!(figure(&format!("/counts/{part}")), figure("/turns") - figure("/unanchored"), "{part}: {turns}");
        }
        // How long vendors take is what was wished for; how quick this machine is shows elsewhere. No answer begins like another: none comes from memory.
        assert!(figure("/parts_ms/tts/0") > 50.0 && figure("/parts_ms/endpoint_wait/0") > 100.0, "{turns}");
        assert!(figure("/turn_ms/0") > figure("/parts_ms/tts/0"), "{turns}");
        for stage in ["partial", "agent", "tts", "turn"] {
            assert!(figure(&format!("/stages/{stage}/1")) + figure(&format!("/stages/{stage}/2")) > 0.0, "{stage}: {turns}");
        }
        let goals: Vec<&str> = turns["goals"].as_array().unwrap().iter().map(|goal| goal["of"].as_str().unwrap()).collect();
        let expected = if turns["hears"] == "deepgram" {
            vec!["turn p50", "turn p95", "gateway p99"]
        } else {
            vec!["turn p95", "gateway p99"]
        };
        assert_eq!(goals, expected);
    }
}

#[test]
fn a_few_callers_are_answered_and_every_figure_is_one() {
    let last = run("mulaw-8000", &["--api-rps", "50", "--api-rounds", "1"]);
    let figure = |path: &str| last.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path} is no figure: {last}"));
    assert_eq!(last["curve"].as_array().map(Vec::len), Some(1));
    assert_eq!((figure("/calls"), figure("/calls_up")), (6.0, 6.0));
    // Callers and gateway send all the time; a window may hold a round more or less.
    for direction in ["/packets_in", "/packets_out"] {
        assert!((47.0..53.0).contains(&figure(direction)), "{direction} {}", figure(direction));
    }
    assert!(figure("/dropped") < 1.0, "{last}");
    assert!(figure("/turns") > 0.0, "nobody was answered: {last}");
    // 100 ms of sound travel together; what is beyond is the machine's.
    assert!(figure("/mouth_to_vendor_ms/0") > 20.0 && figure("/vendor_to_ear_ms/0") > 0.0, "{last}");
    for part in ["rx", "dsp_vad", "speak", "tx", "plugin", "vendor_socket", "events"] {
        assert!(figure(&format!("/parts/{part}")) > 0.0, "{part}: {last}");
    }
    // Beside them somebody looked at the calls fifty times a second.
    assert!((25.0..=55.0).contains(&figure("/beside/per_s")), "{last}");
    assert_eq!((figure("/beside/refused"), figure("/beside/unanswered")), (0.0, 0.0));
    for part in ["answer_ms/0", "answer_ms/1", "lateness_ms/1", "quiet_lateness_ms/1", "ratio"] {
        assert!(figure(&format!("/beside/{part}")) > 0.0, "{part}: {last}");
    }
    let (whole, floor, ratio) =
        (figure("/cpu_ms_per_call_second"), figure("/floor_ms_per_call_second"), figure("/ratio_to_floor"));
    // Which of them is more is a matter of many calls on a quiet machine: see the benchmark.
    assert!(whole > 0.0 && floor > 0.0 && (ratio - whole / floor).abs() < 0.01, "{last}");
    let media = figure("/media_ratio_to_floor");
    assert!(media > 0.0 && media < ratio, "media is a part of the whole: {last}");
    assert!(figure("/lateness_ms/2") > 0.0, "{last}");
    // What the start had used goes back to the system meanwhile, which may be more than six calls need.
    assert!(figure("/rss_mb_per_call") < 20.0, "{last}");
}
