//! The laboratory to play with, as a person has it: `cargo xtask lab up`, `status` and `down`. Its Asterisk and its ports are no story's.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a broken story stops; a good one reports")]

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use vg_tests::program;
use voice_gateway::config::{Config, Machine};

/// What was told to end tidies up first.
const GONE: Duration = Duration::from_secs(60);
/// What is said of each that is not there.
const DOWN: [&str; 3] = ["no Kafka is up", "no Redis is up", "no Asterisk is up"];

fn typed(act: &str) -> Output {
    // As it was built to run the stories; cargo builds it where somebody else runs them.
    let built = program::path().with_file_name("xtask");
    let (program, chore) = if built.is_file() { (built, None) } else { ("cargo".into(), Some("xtask")) };
    let mut xtask = Command::new(program);
    xtask.args(chore).args(["lab", act]).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).output().unwrap()
}

/// What a person reads.
fn lab(act: &str) -> String {
    let done = typed(act);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "lab {act}: {said}");
    said
}

fn is_down(status: &str) -> bool {
    DOWN.iter().all(|down| status.contains(down))
}

/// Whatever becomes of the story, nothing of it stays up.
struct TakenDown;

impl Drop for TakenDown {
    fn drop(&mut self) {
        let _ = typed("down");
    }
}

#[test]
fn the_laboratory_to_play_with_comes_up_says_what_a_gateway_has_to_be_told_and_goes() {
    if !is_down(&lab("status")) {
        return println!("not run: somebody plays with the laboratory, and it is theirs");
    }
    let _down = TakenDown;
    let said = lab("up");
    let lines = said.lines().skip_while(|line| !line.contains("in voice-gateway.toml:")).skip(1);
    let toml: String = lines.map(|line| line.trim_start_matches("xtask:").trim().to_owned() + "\n").collect();
    let config = Config::parse(&toml, [], &Machine::here()).unwrap_or_else(|faults| panic!("{faults:?}\n{said}"));
    let (host, port) = config.state.unwrap().servers.remove(0);
    let ari = said.split("ARI http://").nth(1).and_then(|rest| rest.split_whitespace().next());
    let mut places = vec![format!("{host}:{port}"), ari.unwrap_or_else(|| panic!("no ARI: {said}")).to_owned()];
    let status = lab("status");
    if status.contains(DOWN[0]) {
        println!("not looked at: Kafka, for there is none to be had");
    } else {
        places.push(config.kafka.unwrap().brokers);
    }
    assert!(DOWN[1..].iter().all(|down| !status.contains(down)), "{status}");
    for place in &places {
        TcpStream::connect(place).unwrap_or_else(|error| panic!("{place}: {error}\n{status}"));
    }
    lab("down");
    let told = Instant::now();
    loop {
        let status = lab("status");
        if is_down(&status) {
            break;
        }
        assert!(told.elapsed() < GONE, "{status}");
    }
    for place in &places {
        assert!(TcpStream::connect(place).is_err(), "somebody still listens at {place}");
    }
}
