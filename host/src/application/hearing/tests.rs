use super::*;
use crate::application::ports::{Observation, Observe};
use std::sync::Mutex;
use std::task::{Context, Poll};
use vg_domain::ids::{CallId, TenantId};
use vg_domain::tenant::Provider;

/// Takes everything, says nothing, and knows what its sessions were told.
#[derive(Clone, Default)]
struct Deaf(Arc<Mutex<Vec<Vec<String>>>>);

impl Hearing for Deaf {
    fn open(&self, _: HearingRequest) -> Result<Box<dyn Listen>, Fall> {
        self.0.lock().unwrap().push(Vec::new());
        Ok(Box::new(self.clone()))
    }
}

impl Listen for Deaf {
    fn try_tell(&mut self, input: HearingInput) -> Result<(), HearingInput> {
        let told = match input {
            HearingInput::Audio(pcm) => format!("{}", pcm[0]),
            HearingInput::SpeechStarted(ms) => format!("speech from {ms}"),
            HearingInput::SpeechEnded(ms) => format!("speech until {ms}"),
            HearingInput::Finalize => "finalize".to_owned(),
        };
        self.0.lock().unwrap().last_mut().unwrap().push(told);
        Ok(())
    }

    fn poll_event(&mut self, _: &mut Context<'_>) -> Poll<Option<HearingEvent>> {
        Poll::Pending
    }
}

impl Observe for Deaf {
    fn observe(&self, _: &Observation) {}
}

/// A listener whose session is open.
fn listening() -> (Listener, Deaf) {
    let deaf = Deaf::default();
    let ladder = Ladder::from(Provider::new(PluginId::new("deaf"), "{}"));
    let request = HearingRequest {
        call: CallId::new("c"),
        tenant: TenantId::new("t"),
        provider: ladder.first().clone(),
        language: "en-US".to_owned(),
        rate_hz: 8_000,
        seat: Seat::default(),
    };
    let breakers = Arc::new(Breakers::new(Arc::new(deaf.clone())));
    let mut listener = Listener::new(Arc::new(deaf.clone()), breakers, ladder, request, Duration::from_secs(2));
    listener.start().unwrap();
    (listener, deaf)
}

/// Sound of 100 ms for each of the numbers, which are its samples.
fn hear(listener: &mut Listener, marks: std::ops::Range<i16>) {
    for mark in marks {
        assert_eq!(listener.audio(AudioChunk { pcm: vec![mark; 800] }), 0);
    }
}

/// What the session that was opened last was told.
fn told(deaf: &Deaf) -> Vec<String> {
    deaf.0.lock().unwrap().last().unwrap().clone()
}

#[test]
fn a_session_that_is_given_up_takes_its_turn_with_it_and_not_the_speech_that_goes_on() {
    let (mut listener, deaf) = listening();
    listener.speech_started(0);
    hear(&mut listener, 0..10);
    listener.speech_ended(900);
    listener.finalize();
    hear(&mut listener, 10..20);
    listener.speech_started(2_000);
    hear(&mut listener, 20..25);
    listener.give_up();
    listener.start().unwrap();
    let preroll = i16::try_from(limits::HEARING_PREROLL_MS / 100).unwrap();
    let heard: Vec<String> = (20 - preroll..25).map(|mark| mark.to_string()).collect();
    assert_eq!(told(&deaf), [vec!["speech from 2000".to_owned()], heard].concat());

    // Nobody speaks: nothing is heard again.
    listener.speech_ended(2_400);
    listener.give_up();
    listener.start().unwrap();
    assert_eq!(told(&deaf), [""; 0]);
}

#[test]
fn another_language_hears_who_speaks_from_the_beginning_and_nothing_that_is_over() {
    let (mut listener, deaf) = listening();
    let settings = crate::application::admission::tests::settings("t", 1);
    listener.speech_started(0);
    hear(&mut listener, 0..3);
    listener.change_to(&settings).unwrap();
    assert_eq!(told(&deaf), ["speech from 0", "0", "1", "2"]);
    listener.speech_ended(250);
    listener.change_to(&settings).unwrap();
    assert_eq!(told(&deaf), [""; 0]);
    // Who listens to nobody does not begin.
    listener.stop();
    listener.change_to(&settings).unwrap();
    assert_eq!(deaf.0.lock().unwrap().len(), 3);
}

#[test]
fn what_was_said_to_a_gateway_that_is_gone_is_heard_first() {
    let (mut listener, deaf) = listening();
    listener.begin_anew();
    listener.recall(&[[7; 800], [8; 800], [9; 800]].concat()[..2_000]);
    listener.start().unwrap();
    hear(&mut listener, 1..3);
    assert_eq!(told(&deaf), ["speech from 0", "7", "8", "9", "speech until 250", "1", "2"], "no more at once than a leg gives");
    assert!(listener.is_owed(), "until its words are final");
}

#[test]
fn a_speech_that_is_over_is_heard_again_whole_by_the_next_listener_however_long_silence_followed() {
    let (mut listener, deaf) = listening();
    hear(&mut listener, -9..0);
    listener.speech_started(900);
    hear(&mut listener, 0..12);
    listener.speech_ended(2_000);
    hear(&mut listener, 12..42);
    listener.finalize();
    listener.start_next().unwrap();
    let again = told(&deaf);
    let heard: Vec<String> = (-3..12).chain(37..42).map(|mark: i16| mark.to_string()).collect();
    assert_eq!(again, [vec!["speech from 900".to_owned()], heard, vec!["speech until 2000".to_owned()]].concat());
}

#[test]
fn who_goes_on_after_a_long_pause_is_heard_again_with_what_came_just_before() {
    let (mut listener, deaf) = listening();
    listener.speech_started(0);
    hear(&mut listener, 0..10);
    listener.speech_ended(900);
    hear(&mut listener, 10..40);
    listener.speech_started(4_000);
    hear(&mut listener, 40..43);
    listener.start_next().unwrap();
    let heard: Vec<String> = (3..10).chain(30..43).map(|mark: i16| mark.to_string()).collect();
    assert_eq!(told(&deaf), [vec!["speech from 0".to_owned()], heard].concat(), "two seconds of it");
}
