//! The few words with which answers begin.

use super::*;
use crate::application::lines::clauses::may_be_kept;

/// An answer of these clauses in a call of its own: how often the voice was told something, and what is heard.
async fn answer(lines: &Lines, told: &AtomicUsize, request: SpeakingRequest, texts: &[&str]) -> (usize, Vec<String>) {
    let before = told.load(Relaxed);
    let mut session = lines.open(request).unwrap();
    say(&mut *session, 1, texts);
    let heard = heard(&mut *session).await;
    (told.load(Relaxed) - before, heard)
}

fn house() -> (Lines, Arc<AtomicUsize>) {
    let voice = Voice::default();
    let told = Arc::clone(&voice.told);
    (Lines::over(Arc::new(voice)), told)
}

#[tokio::test(start_paused = true)]
async fn words_with_which_answers_begin_come_from_memory_the_third_time_and_the_rest_follows() {
    let (lines, told) = house();
    let whole = ["5 samples", "16 samples", "flushed 1"];
    // Text, text, flush; then the clause is flushed by itself, which nobody else learns of; then the rest alone.
    for (nth, tells) in [(1, 3), (2, 4), (3, 2), (4, 2)] {
        let (told, heard) = answer(&lines, &told, request(), &["Sure.", "It is a new day."]).await;
        assert_eq!((told, heard), (tells, whole.map(str::to_owned).to_vec()), "time {nth}");
    }
    let (tells, heard) = answer(&lines, &told, request(), &["Sure."]).await;
    assert_eq!(
        (tells, heard),
        (0, vec!["5 samples".to_owned(), "flushed 1".to_owned()]),
        "where it is all, nobody is told anything"
    );
    let counts = lines.counts();
    assert_eq!((counts.clause_hits, counts.clause_misses), (3, 2));
    assert_eq!((counts.hits, counts.misses), (0, 0), "they are no lines of the gateway's own");
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_is_of_one_tenant_and_one_voice() {
    let (lines, told) = house();
    for _ in 0..3 {
        answer(&lines, &told, request(), &["Sure.", "Yes."]).await;
    }
    let other = SpeakingRequest { tenant: TenantId::new("other"), ..request() };
    let options = Provider::new(PluginId::new("tts-first"), r#"{"voice":"b"}"#);
    for request in [
        other,
        SpeakingRequest { provider: options, ..request() },
        SpeakingRequest { language: "en-GB".into(), ..request() },
        SpeakingRequest { rate_hz: 16_000, ..request() },
    ] {
        assert_eq!(answer(&lines, &told, request, &["Sure.", "Yes."]).await.0, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_begins_an_answer_is_kept_and_nothing_overtakes_what_is_being_said() {
    let (lines, told) = house();
    for _ in 0..3 {
        answer(&lines, &told, request(), &["This is a sentence that is much too long to be kept.", "Sure."]).await;
    }
    assert_eq!(lines.counts().clause_misses, 0);
    for _ in 0..3 {
        answer(&lines, &told, request(), &["Sure.", "Yes."]).await;
    }
    let mut session = lines.open(request()).unwrap();
    say(&mut *session, 1, &["This is a sentence that is much too long to be kept."]);
    say(&mut *session, 2, &["Sure.", "Yes."]);
    assert_eq!(heard(&mut *session).await, ["52 samples", "flushed 1", "5 samples", "4 samples", "flushed 2"]);
    say(&mut *session, 3, &["Sure.", "Yes."]);
    say(&mut *session, 4, &["Sure.", "Yes."]);
    assert_eq!(heard(&mut *session).await, ["5 samples", "4 samples", "flushed 3", "5 samples", "4 samples", "flushed 4"]);
}

#[tokio::test(start_paused = true)]
async fn a_clause_that_is_cut_while_it_is_learned_is_not_kept() {
    let (lines, told) = house();
    answer(&lines, &told, request(), &["Sure.", "Yes."]).await;
    let mut session = lines.open(request()).unwrap();
    session.try_tell(SpeakingInput::Text("Sure.".to_owned())).unwrap();
    session.try_tell(SpeakingInput::Cancel).unwrap();
    assert_eq!(heard(&mut *session).await, ["5 samples", "cancelled"]);
    // Nothing of before is left: this one is learned, and that one said from memory.
    say(&mut *session, 2, &["Sure.", "Yes."]);
    assert_eq!(heard(&mut *session).await, ["5 samples", "4 samples", "flushed 2"]);
    say(&mut *session, 3, &["Sure.", "Yes."]);
    session.try_tell(SpeakingInput::Cancel).unwrap();
    assert_eq!(heard(&mut *session).await, ["4 samples", "flushed 3", "cancelled"], "from memory, and cut");
    assert_eq!(lines.counts().clause_hits, 1);
}

#[tokio::test(start_paused = true)]
async fn a_voice_that_says_nothing_of_the_rest_has_fallen() {
    let (lines, told) = house();
    for _ in 0..2 {
        answer(&lines, &told, request(), &["Sure.", "Yes."]).await;
    }
    let mute = Lines { inner: Arc::new(Voice { mute: true, ..Voice::default() }), kept: Arc::clone(&lines.kept) };
    assert_eq!(answer(&mute, &told, request(), &["Sure.", "Yes."]).await.1, ["5 samples", "no_audio"]);
    assert_eq!(answer(&mute, &told, request(), &["Sure.", "..."]).await.1, ["5 samples", "flushed 1"], "there is nothing to say");
}

#[test]
fn numbers_and_what_is_masked_are_never_kept() {
    for (text, yes) in [
        ("Sure.", true),
        ("Claro,", true),
        ("One moment please…", true),
        ("Sure", false),
        ("...", false),
        ("It is 5.", false),
        ("Your card [card] is.", false),
        ("<break time=\"x\"/> Yes.", false),
        ("These are forty characters and one more.!", false),
        ("These are forty characters and not more.", true),
    ] {
        assert_eq!(may_be_kept(text), yes, "{text}");
    }
}
