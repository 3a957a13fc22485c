use super::*;
use crate::adapters::events::schema::{KINDS, tests::facts};
use crate::adapters::killed;
use crate::application::ports::Subject;
use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use vg_domain::dialling::AnsweredBy;
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, TurnId, UtteranceId};
use vg_domain::mask::{Heard, Mask};
use vg_domain::outcome::{EndCause, Outcome};

const DAY: u64 = 86_400;
/// Names the folder to the process that is killed.
const CHILD: &str = "VG_TEST_AUDIT_CHILD";

fn at(day: u64) -> Clock {
    Arc::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(day * DAY + 3_600))
}

fn act(number: u64) -> Act {
    Act {
        subject: "operator@example".to_owned(),
        tenant: TenantId::new("acme"),
        act: "DELETE /v1/calls/{id}".to_owned(),
        on: Some(format!("c-{number}")),
        status: Some(204),
        outcome: "done",
        request: format!("r-{number}"),
    }
}

/// So many acts on a day, by a gateway that ends after them.
fn acts(dir: &Path, day: u64, acts: u64) -> AuditStats {
    let trail = Trail::with_clock(dir, at(day)).unwrap();
    (0..acts).for_each(|number| trail.acted(act(number)));
    let shared = Arc::clone(&trail.shared);
    drop(trail);
    let Shared { kept, damaged, failing, .. } = &*shared;
    let (kept, damaged, failing) = (kept.load(Relaxed), damaged.load(Relaxed), failing.load(Relaxed));
    AuditStats { kept, damaged, failing, ..AuditStats::default() }
}

/// Three days, of a gateway that starts again each day, and twice on the second.
fn three_days() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (day, number) in [(20_000, 3), (20_001, 2), (20_001, 1), (20_002, 2)] {
        acts(folder.path(), day, number);
    }
    folder
}

fn found(dir: &Path) -> Found {
    let mut verified = verify(dir, None, None).unwrap();
    assert_eq!(verified.tenants.len(), 1);
    verified.tenants.remove(0)
}

fn wrong(dir: &Path) -> Vec<String> {
    let name = |finding: &Finding| finding.file.file_name().unwrap().to_string_lossy().into_owned();
    found(dir).findings.iter().map(|finding| format!("{}:{:?} {:?}", name(finding), finding.line, finding.what)).collect()
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir.join("acme")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().split_inclusive('\n').map(str::to_owned).collect()
}

#[test]
fn a_chain_goes_on_over_days_and_restarts_and_nothing_is_found_in_it() {
    let folder = three_days();
    let found = found(folder.path());
    assert_eq!((found.findings, found.lines), (vec![], 8 + 3), "acts, and a line that opens each file");
    let files = files(folder.path());
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["2024-10-04.jsonl", "2024-10-05.jsonl", "2024-10-06.jsonl", "head.json"]);
    let last: serde_json::Value = serde_json::from_str(lines(&files[0]).last().unwrap()).unwrap();
    let opened: serde_json::Value = serde_json::from_str(&lines(&files[1])[0]).unwrap();
    assert_eq!((&opened["type"], &opened["previous"], &opened["n"]), (&"audit.opened".into(), &last["hash"], &5.into()));
    assert_eq!((&last["type"], &last["on"], &last["at"]), (&"act".into(), &"c-2".into(), &"2024-10-04T01:00:00.000Z".into()));
    let mode = |file: &Path| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&files[0]), mode(&folder.path().join("acme"))), (0o600, 0o700));
}

#[test]
fn any_byte_that_is_changed_is_found() {
    let folder = three_days();
    for file in files(folder.path()) {
        let whole = std::fs::read(&file).unwrap();
        for place in 0..whole.len() {
            for flip in [0x01, 0x20, 0x2a] {
                let mut changed = whole.clone();
                changed[place] ^= flip;
                std::fs::write(&file, &changed).unwrap();
                assert!(!found(folder.path()).findings.is_empty(), "{} at {place} by {flip:#x}", file.display());
            }
        }
        std::fs::write(&file, &whole).unwrap();
    }
    assert_eq!(wrong(folder.path()), [""; 0]);
}

#[test]
fn any_line_that_is_removed_doubled_or_swapped_is_found_where_it_was() {
    let folder = three_days();
    for file in files(folder.path()).into_iter().filter(|file| file.extension().unwrap() == "jsonl") {
        let whole = lines(&file);
        let found_with = |lines: &[String]| {
            std::fs::write(&file, lines.concat()).unwrap();
            found(folder.path()).findings
        };
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            let line = changed.remove(place);
            let missing = found_with(&changed);
            assert!(!missing.is_empty(), "{} without {place}", file.display());
            if place + 1 < whole.len() {
                assert_eq!((missing[0].file.as_path(), missing[0].line), (file.as_path(), Some(place as u64 + 1)));
            }
            changed.insert(place, line.clone());
            changed.insert(place, line);
            assert!(!found_with(&changed).is_empty(), "{} with {place} twice", file.display());
            changed.remove(place);
            for other in place + 1..whole.len() {
                changed.swap(place, other);
                assert!(!found_with(&changed).is_empty(), "{} with {place} for {other}", file.display());
                changed.swap(place, other);
            }
        }
        std::fs::write(&file, whole.concat()).unwrap();
    }
    assert_eq!(wrong(folder.path()), [""; 0]);
}

#[test]
fn a_file_that_is_dropped_moved_or_cut_off_anywhere_is_found() {
    let folder = three_days();
    let files = files(folder.path());
    for file in &files {
        let whole = std::fs::read(file).unwrap();
        std::fs::remove_file(file).unwrap();
        assert!(!found(folder.path()).findings.is_empty(), "without {}", file.display());
        for len in 0..whole.len() {
            std::fs::write(file, &whole[..len]).unwrap();
            assert!(!found(folder.path()).findings.is_empty(), "{} cut off at {len}", file.display());
        }
        std::fs::write(file, &whole).unwrap();
    }
    // The first two in one file, which has the bytes of both.
    let both = [&files[0], &files[1]].map(|file| std::fs::read(file).unwrap());
    std::fs::write(&files[0], both.concat()).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    assert_eq!(wrong(folder.path()), ["2024-10-04.jsonl:Some(5) Opening"]);
    std::fs::write(&files[0], &both[0]).unwrap();
    std::fs::write(files[1].with_file_name("2024-10-05b.jsonl"), &both[1]).unwrap();
    assert_eq!(wrong(folder.path())[0], "2024-10-06.jsonl:Some(1) Missing { from: 5, to: 8 }");
    let another = folder.path().join("other");
    std::fs::create_dir(&another).unwrap();
    std::fs::write(another.join("2024-10-04.jsonl"), &both[0]).unwrap();
    let of_another = verify(folder.path(), Some("other"), None).unwrap().tenants.remove(0).findings;
    assert_eq!(of_another[0].what, Wrong::Opening, "a log of one tenant is none of another's");
}

#[test]
fn a_gateway_that_starts_after_lines_were_cut_off_says_so_for_ever() {
    let folder = three_days();
    let last = files(folder.path()).remove(2);
    let whole = lines(&last);
    std::fs::write(&last, whole[..whole.len() - 1].concat()).unwrap();
    assert_eq!(wrong(folder.path()), ["head.json:None CutOff { expected: 11 }"]);
    assert_eq!(acts(folder.path(), 20_003, 4).damaged, 1);
    assert_eq!(acts(folder.path(), 20_004, 4).damaged, 0, "told once");
    assert_eq!(wrong(folder.path()), ["2024-10-07.jsonl:Some(2) Damaged { expected: 11 }"]);
}

#[test]
fn what_a_gateway_left_half_written_at_any_byte_is_closed_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    acts(folder.path(), 20_000, 1);
    let [day, head] = <[_; 2]>::try_from(files(folder.path())).unwrap();
    let (before, head_before) = (std::fs::read(&day).unwrap(), std::fs::read(&head).unwrap());
    acts(folder.path(), 20_000, 2);
    let after = std::fs::read(&day).unwrap();
    for len in before.len()..=after.len() {
        for next_day in [20_000, 20_001] {
            std::fs::write(&day, &after[..len]).unwrap();
            std::fs::write(&head, &head_before).unwrap();
            assert_eq!(acts(folder.path(), next_day, 1).kept, 1);
            assert_eq!(wrong(folder.path()), [""; 0], "{len}");
            if next_day > 20_000 {
                std::fs::remove_file(files(folder.path()).remove(1)).unwrap();
            }
        }
    }
    // And the next one died while it closed it.
    let torn = after.len() - 10;
    std::fs::write(&day, &after[..torn]).unwrap();
    std::fs::write(&head, &head_before).unwrap();
    acts(folder.path(), 20_000, 1);
    let closed = std::fs::read(&day).unwrap();
    for len in torn..closed.len() {
        std::fs::write(&day, &closed[..len]).unwrap();
        std::fs::write(&head, &head_before).unwrap();
        assert_eq!(acts(folder.path(), 20_000, 1).kept, 1);
        assert_eq!(wrong(folder.path()), [""; 0], "{len}");
    }
    // Of a day's first line, too.
    for len in 0..before.len() {
        std::fs::write(&day, &before[..len]).unwrap();
        std::fs::write(&head, format!("{{\"n\":0,\"hash\":\"{}\"}}\n", "0".repeat(64))).unwrap();
        assert_eq!(acts(folder.path(), 20_000, 1).kept, 1);
        assert_eq!(wrong(folder.path()), [""; 0], "{len}");
    }
}

#[test]
fn the_process_that_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let trail = Trail::start(Path::new(&dir)).unwrap();
    let (mut number, mut told) = (0, 0);
    // Until it is killed.
    loop {
        trail.acted(act(number));
        number += 1;
        let kept = trail.stats().kept;
        if kept > told {
            told = kept;
            // Its parent reads it, and is gone after it has killed this.
            let _ = writeln!(std::io::stdout(), "\nkept {kept}");
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_process_that_is_killed_while_it_writes_loses_nothing_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept_in_all = 0;
    for round in 1..=8 {
        let kept =
            killed::once("adapters::audit::tests::the_process_that_is_killed", CHILD, folder.path(), |kept| kept >= round * 300);
        kept_in_all += kept;
    }
    let stats = acts(folder.path(), 30_000, 1);
    assert_eq!((stats.kept, stats.damaged, stats.failing), (1, 0, false));
    let found = found(folder.path());
    assert_eq!(found.findings, []);
    assert!(found.lines > kept_in_all, "{} of {kept_in_all}", found.lines);
}

#[test]
fn what_the_disk_does_not_take_is_counted_and_told_when_it_does_again() {
    let folder = tempfile::tempdir().unwrap();
    // Where the tenant's folder should be is a file.
    let place = folder.path().join("acme");
    std::fs::write(&place, "").unwrap();
    let trail = Trail::with_clock(folder.path(), at(20_000)).unwrap();
    (0..5).for_each(|number| trail.acted(act(number)));
    let until = |done: &dyn Fn(AuditStats) -> bool| {
        while !done(trail.stats()) {
            std::thread::yield_now();
        }
    };
    until(&|stats| stats.lost_disk == 5 && stats.failing);
    std::fs::remove_file(&place).unwrap();
    trail.acted(act(5));
    until(&|stats| stats.kept == 1 && !stats.failing);
    drop(trail);
    let day = files(folder.path()).remove(0);
    assert!(lines(&day)[1].contains(r#""type":"audit.lost","lines":5"#), "{:?}", lines(&day));
    assert_eq!(wrong(folder.path()), [""; 0]);
}

#[test]
fn a_folder_has_one_gateway_and_names_do_not_lead_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("audit");
    let trail = Trail::start(&dir).unwrap();
    assert!(matches!(Trail::start(&dir), Err(AuditError::Busy)));
    trail.acted(Act { tenant: TenantId::new("../elsewhere"), ..act(1) });
    drop(trail);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(verify(&dir, Some("../audit"), None).is_err());
}

#[test]
fn events_of_calls_are_written_without_words_and_targets() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::with_clock(folder.path(), at(20_000)).unwrap();
    let (call, tenant) = (CallId::new("c-1"), TenantId::new("acme"));
    let words = || Mask::new().mask_final(Heard::new("a secret word".to_owned()));
    let plugin = Some(PluginId::new("stt-local"));
    for fact in [
        Fact::Answered(AnsweredBy::Gateway),
        Fact::Hearing { turn: TurnId(1), text: words() },
        Fact::Heard { turn: TurnId(1), text: words() },
        Fact::Saying { utterance: UtteranceId(1), text: words() },
        Fact::Fell { who: Role::Hearing, plugin, code: "trap" },
        Fact::Escalated { target: "internal,4711".into(), reason: "trouble" },
        Fact::Ended(Outcome { cause: EndCause::Transferred, turns: 3 }),
    ] {
        trail.publish(Subject::only(&call, &tenant), &fact);
    }
    drop(trail);
    let text = lines(&files(folder.path())[0]).concat();
    let events: Vec<serde_json::Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = events.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(told, ["call.answered", "stt.transcribed", "tts.generated", "error.stt_failed", "call.escalated", "call.ended"]);
    assert!(!text.contains("secret") && !text.contains("4711"), "{text}");
    assert_eq!((&events[5]["data"]["cause"], &events[5]["call"]), (&"transferred".into(), &"c-1".into()));
}

#[test]
fn every_event_of_a_call_has_its_line_whatever_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let trail = Trail::with_clock(folder.path(), at(20_000)).unwrap();
    let (call, tenant, facts) = (CallId::new("c-1"), TenantId::new("acme"), facts());
    facts.iter().for_each(|fact| trail.publish(Subject::only(&call, &tenant), fact));
    drop(trail);
    let text = lines(&files(folder.path())[0]).concat();
    let written: Vec<serde_json::Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = facts.iter().map(|fact| desk::event(fact).unwrap()).collect();
    assert_eq!(written.len(), told.len());
    for (line, (kind, data)) in written.iter().zip(&told) {
        assert_eq!((&line["type"], &line["call"], &line["event"]), (&"call".into(), &"c-1".into(), &(*kind).into()));
        let named = data.keys().copied().filter(|name| !["text", "first", "second", "name"].contains(name));
        let names = line["data"].as_object().unwrap().keys().map(String::as_str);
        assert_eq!(names.collect::<BTreeSet<_>>(), named.collect(), "{kind}: all but words");
    }
    let kinds: BTreeSet<&str> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, KINDS.iter().map(|kind| kind.name).collect());
    assert_eq!(wrong(folder.path()), [""; 0]);
}

#[test]
fn days_that_are_over_are_exported_once_and_can_be_verified_there() {
    let folder = three_days();
    let (dir, out) = (folder.path(), tempfile::tempdir().unwrap());
    let first = "2024-10-04".parse().unwrap();
    let exported = export(dir, "acme", Span { from: None, to: Some(first) }, out.path()).unwrap();
    assert_eq!((exported.segments, exported.lines), (1, 4));
    let exported = export(dir, "acme", Span::default(), out.path()).unwrap();
    assert_eq!((exported.segments, exported.lines), (2, 8), "the last is still written to");
    assert_eq!(found(out.path()).findings, []);
    // What was exported may go; what is left is verified from there.
    std::fs::remove_file(&files(dir)[0]).unwrap();
    let left = verify(dir, Some("acme"), Some("2024-10-05".parse().unwrap())).unwrap().tenants.remove(0);
    assert_eq!((left.findings, left.lines), (vec![], 7));
    assert!(matches!(export(dir, "acme", Span::default(), out.path()), Err(ExportError::Faulty(_))));
    for file in files(out.path()).into_iter().filter(|file| file.extension().unwrap() == "jsonl") {
        let whole = std::fs::read(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        assert!(!found(out.path()).findings.is_empty());
        std::fs::remove_file(&file).unwrap();
        assert!(wrong(out.path()).iter().any(|wrong| wrong.ends_with("NotAsExported")), "{:?}", wrong(out.path()));
        std::fs::write(&file, whole).unwrap();
    }
}

/// As a command does that runs beside a gateway.
fn ordered(number: u64) -> Act {
    Act { status: None, outcome: ORDERED, ..act(number) }
}

#[test]
fn a_command_writes_itself_or_hands_in_to_the_gateway_that_writes() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    assert_eq!(record(dir, &[ordered(1), ordered(2)]).unwrap(), Recorded::Written, "there is no gateway");
    let trail = Trail::start(dir).unwrap();
    let shared = Arc::clone(&trail.shared);
    assert_eq!(record(dir, &[ordered(3)]).unwrap(), Recorded::HandedIn);
    trail.acted(act(4));
    // Nobody has to do anything for it.
    while shared.kept.load(Relaxed) < 2 {
        std::thread::yield_now();
    }
    drop(trail);
    assert_eq!(record(dir, &[ordered(5)]).unwrap(), Recorded::Written);
    let found = found(dir);
    assert_eq!((found.findings, found.lines), (vec![], 1 + 5));
    let lines: Vec<serde_json::Value> =
        lines(&files(dir)[0]).iter().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut on: Vec<&str> = lines.iter().map(|line| line["on"].as_str().unwrap()).collect();
    on.sort_unstable();
    assert_eq!(on, ["c-1", "c-2", "c-3", "c-4", "c-5"], "each once");
    assert_eq!((&lines[0]["outcome"], lines[0].get("status")), (&"ordered".into(), None));
    assert!(record(dir, &[Act { tenant: TenantId::new("../elsewhere"), ..ordered(1) }]).is_err());
}

#[test]
fn what_is_no_list_of_acts_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let handed_in = folder.path().join(".handed-in");
    folder::private(&handed_in).unwrap();
    let with = |outcome: &str, tenant: &str| {
        format!(
            "[{{\"at_ms\":1,\"subject\":\"user:root\",\"tenant\":\"{tenant}\",\"act\":\"a\",\"on\":null,\"outcome\":\"{outcome}\",\"request\":\"r\"}}]"
        )
    };
    let bad = ["", "{}", "[1]", &with("strange", "acme"), &with("done", "../acme")];
    for (name, text) in bad.iter().enumerate() {
        std::fs::write(handed_in.join(format!("{name}.json")), text).unwrap();
    }
    std::fs::write(handed_in.join("half.new"), "[").unwrap();
    std::fs::write(handed_in.join("good.json"), with("done", "acme")).unwrap();
    drop(Trail::start(folder.path()).unwrap());
    let mut left: Vec<String> =
        std::fs::read_dir(&handed_in).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    left.sort_unstable();
    assert_eq!(left, ["0.wrong", "1.wrong", "2.wrong", "3.wrong", "4.wrong", "half.new"]);
    assert_eq!(found(folder.path()).lines, 2);
}
