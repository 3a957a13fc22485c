use super::*;
use crate::api::{AudioFormat, Encoding, LinkErrorKind, LinkInput, Payload, SpeechEdge, Transcript};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn now(mono_us: u64) -> Now {
    Now { mono_us, unix_ms: 1_700_000_000_000 }
}

fn start() -> SessionStart {
    let format = AudioFormat { encoding: Encoding::Mulaw, rate_hz: 8000 };
    SessionStart { format, language: "pt-BR".into(), options: r#"{"model":"x"}"#.into(), seed: [9; 32] }
}

fn recorder(words: Words, out: Box<dyn Write + Send>) -> Recorder {
    let about = ("stt-x".to_owned(), "1.2.3".to_owned(), "ab".to_owned(), Kind::Stt);
    Recorder { out: Some(out), about, words, pending: None }
}

fn heard(text: &str) -> SttEffect {
    let text = text.to_owned();
    let words = vec![];
    SttEffect::Final(Transcript { text, language: None, confidence: Some(0.5), stability: None, start_ms: 1, end_ms: 2, words })
}

fn inputs() -> Vec<SttInput> {
    vec![
        SttInput::Start(Box::new(start())),
        SttInput::Audio(vec![0, 255, 7]),
        SttInput::Edge(SpeechEdge::Started(40)),
        SttInput::Link(Box::new(LinkInput::Opened { id: 1, status: 101, headers: vec![("a".into(), "b".into())] })),
        SttInput::Link(Box::new(LinkInput::Text(1, Payload("olá".into())))),
        SttInput::Link(Box::new(LinkInput::Bytes(1, Payload(vec![1, 2])))),
        SttInput::Link(Box::new(LinkInput::Trailers(1, vec![]))),
        SttInput::Link(Box::new(LinkInput::Failed { id: 1, kind: LinkErrorKind::Tls, detail: "d".into() })),
        SttInput::Link(Box::new(LinkInput::Finished(1, Some(1000)))),
        SttInput::Timer(7),
        SttInput::Finalize,
        SttInput::End,
    ]
}

fn recorded(words: Words) -> Paper {
    let paper = Paper::default();
    let mut recorder = recorder(words, Box::new(paper.clone()));
    for (at, input) in inputs().iter().enumerate() {
        recorder.stt_told(now(at as u64), input);
        recorder.stt_said(&[heard("secret words")], vec![]);
    }
    paper
}

#[test]
fn what_a_session_is_told_is_read_back_as_it_was() {
    let paper = recorded(Words::Hashed);
    let recording = Recording::read(paper.text().as_bytes()).unwrap();
    assert_eq!((recording.header.plugin.as_str(), recording.header.kind), ("stt-x", Kind::Stt));
    assert_eq!(recording.header.start.options, start().options);
    assert_eq!(recording.turns.len(), inputs().len());
    for (turn, input) in recording.turns.iter().zip(inputs()) {
        let again = serde_json::to_value(ToldLine::of(&turn.told)).unwrap();
        assert_eq!(again, serde_json::to_value(ToldLine::of(&Told::from(&input))).unwrap());
    }
    assert!(matches!(&recording.turns[4].told, Told::Link(LinkInput::Text(1, text)) if text.0 == "olá".as_bytes()));
    assert_eq!(recording.turns[11].now, now(11));
}

#[test]
fn words_that_were_said_are_only_there_where_clear_text_was_asked_for() {
    let hashed = recorded(Words::Hashed).text();
    assert!(!hashed.contains("secret words") && hashed.contains(r#""bytes":12"#), "{hashed}");
    assert!(recorded(Words::Clear).text().contains("secret words"));
}

#[test]
fn a_call_that_never_comes_back_is_the_last_turn() {
    let paper = Paper::default();
    let mut recorder = recorder(Words::Hashed, Box::new(paper.clone()));
    recorder.stt_told(now(0), &SttInput::Start(Box::new(start())));
    drop(recorder);
    let recording = Recording::read(paper.text().as_bytes()).unwrap();
    assert!(matches!(&recording.turns[..], [Turn { said: None, .. }]));
}

#[test]
fn a_recording_that_was_cut_off_is_read_up_to_there_and_a_broken_one_names_its_line() {
    let text = recorded(Words::Hashed).text();
    let cut = &text[..text.len() - 20];
    assert_eq!(Recording::read(cut.as_bytes()).unwrap().turns.len(), inputs().len() - 1);
    let broken = text.replacen("\"told\":", "\"tlod\":", 1);
    assert!(matches!(Recording::read(broken.as_bytes()), Err(RecordingError::Line { line: 2, .. })));
    let newer = text.replacen("\"format\":1", "\"format\":2", 1);
    assert!(matches!(Recording::read(newer.as_bytes()), Err(RecordingError::Value { line: 1, field: "format" })));
    assert!(matches!(Recording::read(&b""[..]), Err(RecordingError::Empty)));
}

#[test]
fn a_full_disk_ends_the_recording_not_the_session() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut recorder = recorder(Words::Hashed, Box::new(Full(2)));
    for input in inputs() {
        recorder.stt_told(now(0), &input);
        recorder.stt_said(&[], vec![]);
    }
    assert!(recorder.out.is_none());
}
