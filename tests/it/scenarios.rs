//! Every scenario of `fixtures/scenarios` is performed, and those that fail are told by name; and that a scenario can fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken story stops")]

use std::path::Path;
use vg_tests::scene::{SceneFault, perform, perform_all};

/// So many there are at least: none goes unnoticed.
const SCENARIOS_MIN: usize = 150;

#[test]
fn every_scenario_goes_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let (count, faults) = perform_all(&folder);
    assert!(faults.is_empty(), "{} of {count} scenarios fail:\n\n{}", faults.len(), faults.join("\n"));
    assert!(count >= SCENARIOS_MIN, "{count} scenarios");
}

#[test]
fn every_row_of_the_design_names_scenarios_that_are_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios");
    let table = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let (_, table) = table.split_once("## Which rows they are").unwrap();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter(|(_, names)| !names.starts_with("Scen"));
    let mut count = 0;
    for (row, names) in rows {
        count += 1;
        // Every other piece stands between marks.
        let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{row}: no scenario");
        let scenarios = names.iter().filter(|name| !name.starts_with('-'));
        let missing: Vec<_> = scenarios.filter(|name| !folder.join(format!("{name}.toml")).is_file()).collect();
        assert!(missing.is_empty(), "{row}: {missing:?}");
    }
    assert!(count >= 40, "{count} rows");
}

#[test]
fn every_story_that_the_rows_name_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(tests.join("fixtures/scenarios/README.md")).unwrap();
    let (_, table) = text.split_once("\n| ").unwrap();
    // Every other piece stands between marks.
    let names: Vec<&str> = table.split('`').skip(1).step_by(2).filter(|name| name.starts_with('-')).collect();
    let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(names.len() >= 25, "they are found");
    for wrong in
        ["--test nothing", "--test storm::nothing", "--test nothing::nothing", "-p nothing", "-p vg-domain::nothing_is_there"]
    {
        assert!(!is_there(wrong), "{wrong}");
    }
}

/// Whether there is such a story: `--test NAME` or `-p CRATE`, and behind either one `::FUNCTION` where it is one test.
fn is_there(story: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some((kind, name)) = story.split_once(' ') else { return false };
    let (name, function) = name.split_once("::").map_or((name, None), |(name, function)| (name, Some(function)));
    let places = match (kind, name) {
        ("--test", name) => vec![tests.join(format!("it/{name}.rs")), tests.join(format!("it/{name}"))],
        ("-p", "voice-gateway") => vec![tests.join("../host/src")],
        ("-p", "vg-domain") => vec![tests.join("../host/crates/domain/src")],
        ("-p", "vg-media") => vec![tests.join("../host/crates/media/src")],
        ("-p", "vg-sim") => vec![tests.join("sim/tests")],
        _ => Vec::new(),
    };
    match function {
        None => places.first().is_some_and(|place| place.exists()),
        Some(function) => places.iter().any(|place| holds(place, &format!("fn {function}("))),
    }
}

/// Whether a file, or one in a folder, holds this text.
fn holds(place: &Path, text: &str) -> bool {
    if place.is_dir() {
        return std::fs::read_dir(place).unwrap().any(|entry| holds(&entry.unwrap().path(), text));
    }
    let is_source = place.extension().is_some_and(|extension| extension == "rs");
    is_source && place.is_file() && std::fs::read_to_string(place).unwrap().contains(text)
}

#[test]
fn a_voice_that_stands_still_later_than_at_the_first_sound_is_a_fault() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/scenarios/barge_in_stands_still_at_the_first_sound.toml");
    let text = std::fs::read_to_string(file).unwrap();
    // What is heard of a voice that nothing stops at once.
    let late = text.replace("plus = 1000, noise", "plus = 1400, noise");
    assert_ne!(late, text);
    match perform(&late) {
        Err(SceneFault::Otherwise { faults, .. }) => assert_eq!(faults, ["`voice is cut one two three four` came"]),
        other => panic!("{other:?}"),
    }
}

/// A call in which the caller asks once, and what is expected of it.
fn asked_once(expect: &str) -> String {
    format!(
        r#"
about = "A question is answered."
answers = [{{ to = "what time is it", says = ["It is three."] }}]
steps = [
    {{ after = "voice ends Hello.", plus = 500, caller_says = "what time is it" }},
    {{ after = "turn whole", plus = 200, caller = "hangs up" }},
]
[expect]
{expect}
"#
    )
}

#[track_caller]
fn faults(expect: &str) -> Vec<String> {
    match perform(&asked_once(expect)) {
        Ok(_) => Vec::new(),
        Err(SceneFault::Otherwise { faults, transcript }) => {
            assert!(transcript.contains("agent hears what time is it"), "{transcript}");
            faults
        }
        Err(SceneFault::Unreadable(why)) => panic!("{why}"),
    }
}

#[test]
fn a_scenario_that_goes_otherwise_says_what_happened() {
    let good = r#"ends = "caller_hung_up""#;
    assert_eq!(faults(good), [""; 0]);
    let wrong = [
        (r#"agent_hears = ["what time"]"#, r#"the agent hears ["what time"], and it was ["what time is it"]"#),
        (
            r#"caller_hears = ["Hello.", "It is…"]"#,
            r#"the caller hears ["Hello.", "It is…"], and heard ["Hello.", "It is three."]"#,
        ),
        (r#"history = []"#, r#"the history holds [], and it was ["Hello."]"#),
        (r#"happens = ["turn", "heard"]"#, "`heard` did not come, or not in this order"),
        (r#"never = ["saying It is"]"#, "`saying It is` came"),
        (r#"counts = { saying = 3 }"#, "`saying` came 2 times, not 3"),
    ];
    for (expect, fault) in wrong {
        assert_eq!(faults(&format!("{good}\n{expect}")), [fault], "{expect}");
    }
    assert_eq!(faults(r#"ends = "agent_hung_up""#), ["the call did not end as agent_hung_up"]);
    let [silence] = &faults(&format!("{good}\nsilence_max = 500"))[..] else { panic!("no silence") };
    assert!(silence.starts_with("the caller was left in silence for "), "{silence}");
}

#[test]
fn a_scenario_that_is_not_written_in_the_language_is_refused() {
    let unreadable = |text: &str| match perform(text) {
        Err(SceneFault::Unreadable(why)) => why,
        other => panic!("{other:?}"),
    };
    let scene = |step: &str| format!("about = \"\"\nsteps = [{step}]\n[expect]\nends = \"caller_hung_up\"");
    assert!(unreadable(&asked_once("ends = \"\"\nagent_says = []")).contains("agent_says"));
    for (step, why) in [
        (r#"{ at = 1, caller = "sings" }"#, "sings"),
        (r#"{ at = 1, caller_sings = "la" }"#, "caller_sings"),
        (r#"{ at = 1 }"#, "a step does something"),
        (r#"{ at = 1, caller_says = "a", noise = 100 }"#, "a step does one thing"),
        (r#"{ at = 1, after = "heard", noise = 100 }"#, "not both"),
        (r#"{ at = 1, noise = 100, lasting = 100 }"#, "`lasting` goes with"),
        (r#"{ at = 1, voice_breaks = "tts-first" }"#, "`how`"),
        (r#"{ at = 1, voice_breaks = "tts-first", how = "sings" }"#, "sings"),
    ] {
        let told = unreadable(&scene(step));
        assert!(told.contains(why), "{step}: {told}");
    }
}
