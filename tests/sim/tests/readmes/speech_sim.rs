//! `speech-sim` as it is typed, and the names of the troubles that it makes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use vg_sim::{TROUBLES, own};

fn typed(fault: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_speech-sim")).args(["--bind", "127.0.0.1:0", "--fault", fault]).output().unwrap()
}

#[test]
fn a_trouble_that_nobody_knows_is_refused_and_the_known_ones_are_told() {
    for wrong in ["nonsense", "elevenlabs-bussy=1", "http-429=x", "http-429=1x", "stall=-1"] {
        let output = typed(wrong);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{wrong}");
        let is_number = wrong.contains("http") || wrong.contains("stall");
        assert!(said.contains(if is_number { "NAME=NUMBER" } else { "elevenlabs-busy" }), "{wrong}: {said}");
    }
    let help = typed("help");
    let said = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && TROUBLES.iter().all(|(_, names)| names.iter().all(|name| said.contains(name))), "{said}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return vec![] };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// The code of a vendor's simulator without its list.
fn code(vendor: &str) -> String {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let text: String = [vec![src.join(format!("{vendor}.rs"))], sources(&src.join(vendor))]
        .concat()
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let (before, rest) = text.split_once("pub const TROUBLES").unwrap();
    [before, rest.split_once("];").unwrap().1].concat()
}

/// Names that are asked for; what follows a `{` is open.
fn asked(code: &str) -> Vec<&str> {
    let calls = ["trouble(", "trouble_ahead(", "due("].iter().flat_map(|call| code.split(call).skip(1));
    calls.filter_map(|rest| rest.split(')').next()?.split('"').nth(1)).collect()
}

#[test]
fn every_trouble_that_is_asked_for_is_in_the_list_and_the_other_way_round() {
    for (vendor, names) in TROUBLES.into_iter().filter(|(whose, _)| *whose != "all") {
        let code = code(vendor);
        let asked = asked(&code);
        for name in &asked {
            let open = name.split_once('{').map(|(before, _)| before.to_owned());
            // What an engine of one's own refuses is followed by the code.
            let open = open.or_else(|| (vendor == "own" && name.ends_with("error")).then(|| format!("{name}-")));
            let is_listed = match open {
                Some(before) => names.iter().any(|listed| listed.starts_with(&before)),
                None => names.contains(name) || *name == "cut-after",
            };
            assert!(is_listed, "{vendor} asks for {name}, which its TROUBLES lack");
        }
        for name in names {
            let starts =
                |asked: &&str| asked.split_once('{').is_some_and(|(before, _)| !before.is_empty() && name.starts_with(before));
            let is_refusal = vendor == "own" && own::CODES.iter().any(|code| name.trim_end_matches(code).ends_with("error-"));
            let is_quoted = code.contains(&format!("\"{name}\""));
            assert!(is_quoted || is_refusal || asked.iter().any(starts), "{vendor} asks for no {name}");
        }
    }
    for (code, status) in own::CODES.iter().flat_map(|code| own::STATUSES.map(|status| (code, status))) {
        for name in [format!("error-{code}"), format!("late-error-{code}"), format!("http-{status}")] {
            assert!(own::TROUBLES.contains(&name.as_str()), "{name}");
        }
    }
}
