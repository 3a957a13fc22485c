use super::*;

fn spoken(text: &str) -> Spoken {
    Spoken { before: masked("Well,".into()), text: masked(text.into()), sounded_ms: Some(700) }
}

fn resume(place: Standing) -> Resume {
    Resume {
        place,
        language: "pt-BR".into(),
        answered_by: AnsweredBy::Human,
        last_turn: TurnId(7),
        last_utterance: UtteranceId(9),
        turns: 6,
        fillers: 2,
        silences: 1,
        agent_falls: 1,
        speculations: 3,
        intent: Intent::parse("billing"),
        expect: Expect::Digits,
        patience: Duration::from_secs(20),
        pauses: Pauses::of_learnt((3.0, 0.25)),
        conversation_failed: true,
        deaf: true,
        consent: Some(Consent::Withdrawn),
        ordered: vec![masked("The line is recorded.".into())],
        notice_in: None,
        time_left: Some(Duration::from_millis(61_500)),
    }
}

fn places() -> Vec<Standing> {
    let collect = Collect::new(6, Some('#'), Duration::from_secs(6), Duration::from_secs(3));
    let card = CardCollect::new(&CardField::ALL, Duration::from_secs(20), Duration::from_secs(6)).unwrap();
    let saying = |then| Standing::Saying { said: spoken("It is three."), answers: None, insists: true, then };
    vec![
        Standing::Listening { turn: TurnId(7), words: masked("I want".into()) },
        Standing::Asked { turn: TurnId(7), words: masked("where is it".into()), said: spoken("On its way") },
        Standing::AskedKeyed { turn: TurnId(7) },
        Standing::Saying {
            said: Spoken::default(),
            answers: Some((TurnId(7), masked("hello".into()))),
            insists: false,
            then: Then::Listen,
        },
        saying(Then::HangUp(EndCause::AgentHungUp)),
        saying(Then::Quit(EndCause::TimeUp)),
        saying(Then::Menu),
        saying(Then::Greet),
        saying(Then::Keys(Keys::Consent)),
        Standing::Keying(Keys::Consent),
        saying(Then::Keys(Keys::Menu(1))),
        saying(Then::Human),
        Standing::Keying(Keys::Digits(collect)),
        Standing::Keying(Keys::Card(card)),
        saying(Then::Keys(Keys::Card(card))),
    ]
}

fn memory() -> Memory {
    let said = |reach| Said { turn: Some(TurnId(6)), text: masked("It is three.".into()), reach };
    let interrupted = |extent| Reach::Interrupted { spoken_ms: Some(400), extent };
    Memory {
        past: vec![PastTurn { turn: TurnId(6), before: masked("Welcome.".into()), words: masked("hello".into()) }],
        said: vec![
            said(Reach::Whole),
            said(Reach::Lost),
            said(interrupted(Extent::Interpolated)),
            said(interrupted(Extent::Exact { chars: 5 })),
        ],
        told: 3,
        digits_open: true,
        recording: RecordingMemory {
            wish: RecordingWish::Paused,
            parts: 2,
            first_began: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_123)),
        },
    }
}

fn remembered(memory: &Memory) -> Remembered<'_> {
    let Memory { past, said, told, digits_open, recording } = memory;
    Remembered { past, said: said.iter().collect(), told: *told, digits_open: *digits_open, recording }
}

#[test]
fn what_is_kept_is_read_as_it_was() {
    for place in places() {
        let (resume, memory) = (resume(place), memory());
        assert_eq!(decode(&encode(&resume, &remembered(&memory), &mut PastWritten::default())).as_ref(), Ok(&(resume, memory)));
    }
}

#[test]
fn lines_that_wait_are_kept_as_texts_which_every_version_reads() {
    let place = Standing::Listening { turn: TurnId(7), words: MaskedText::default() };
    let kept = encode(&resume(place), &remembered(&memory()), &mut PastWritten::default());
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["ordered"], serde_json::json!(["The line is recorded."]));
}

#[test]
fn turns_that_are_over_are_written_once_and_the_newest_as_it_is() {
    let past = |turn, words: &str| PastTurn {
        turn: TurnId(turn),
        before: MaskedText::default(),
        words: masked(words.to_owned().into()),
    };
    let mut written = PastWritten::default();
    let mut kept = |past: &[PastTurn]| {
        let memory = Memory { past: past.to_vec(), ..memory() };
        let place = Standing::Listening { turn: TurnId(9), words: MaskedText::default() };
        let (_, read) = decode(&encode(&resume(place), &remembered(&memory), &mut written)).unwrap();
        assert_eq!(read.past, past);
    };
    kept(&[]);
    kept(&[past(1, "hello")]);
    kept(&[past(1, "hello there"), past(2, "who")]);
    kept(&[past(1, "hello there"), past(2, "who are you"), past(4, "I \"am\"")]);
    // The oldest are forgotten, several at once where turns were asked without being kept.
    kept(&[past(4, "I \"am\""), past(5, "yes")]);
    kept(&[past(7, "no")]);
    kept(&[]);
    assert!(written.over.is_empty() && written.newest.is_none());
}

#[test]
fn what_an_older_version_wrote_is_read_and_what_a_newer_one_added_is_passed_over() {
    let older = r#"{"version":1,"place":{"at":"listening","turn":2,"words":"hello"},"language":"en-US","answered_by":"gateway",
        "last_turn":2,"last_utterance":1,"turns":1,"something":{"new":true}}"#;
    let (resume, memory) = decode(older.as_bytes()).unwrap();
    assert_eq!(resume.place, Standing::Listening { turn: TurnId(2), words: masked("hello".into()) });
    assert_eq!((resume.time_left, resume.consent, memory), (None, None, Memory::default()));
    let said = r#""said":[{"turn":1,"text":"Hello.","reach":"whole"}]"#;
    let (_, memory) = decode(older.replace(r#""something":{"new":true}"#, said).as_bytes()).unwrap();
    assert_eq!((memory.said.len(), memory.told), (1, 1));
    let odd = older.replace(r#""something":{"new":true}"#, r#""recording":{"wish":"louder","parts":1,"first_began":null}"#);
    let (_, memory) = decode(odd.as_bytes()).unwrap();
    assert_eq!((memory.recording.wish, memory.recording.parts), (RecordingWish::Stopped, 1), "nothing is recorded on a guess");
    let newer = older.replace(r#""version":1"#, r#""version":2"#);
    assert_eq!(decode(newer.as_bytes()), Err(ResumeError::Version));
    for nonsense in ["", "{}", "[1]", r#"{"version":1}"#, r#"{"version":1,"place":{"at":"nowhere"}}"#] {
        assert_eq!(decode(nonsense.as_bytes()), Err(ResumeError::Malformed), "{nonsense}");
    }
}

#[test]
fn a_card_that_was_smuggled_in_is_masked() {
    let smuggled = r#"{"version":1,"place":{"at":"listening","turn":2,"words":"4111 1111 1111 1111"},"language":"en-US",
        "answered_by":"gateway","last_turn":2,"last_utterance":1,"turns":1,"ordered":["It is 4111 1111 1111 1111.","Goodbye."]}"#;
    let (resume, _) = decode(smuggled.as_bytes()).unwrap();
    assert_eq!(resume.place, Standing::Listening { turn: TurnId(2), words: masked("[card]".into()) });
    assert_eq!(resume.ordered, ["It is [card].", "Goodbye."].map(|line| masked(line.into())));
}
