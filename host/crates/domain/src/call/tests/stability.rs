//! What a listener says of how unlikely its words are to change.

use super::*;

/// So long after the last change of its words the agent is asked with them, of a listener that takes its time for last words.
fn stood_ms(stability: &[f32]) -> u128 {
    let mut desk = Desk::listening(settings());
    desk.call.last_words_took = Some(Duration::from_secs(1));
    desk.speech();
    desk.after(300).pause();
    desk.wake(CallReason::EndOfTurn);
    let mut said = stability.iter().map(|stability| Stability::new(*stability)).collect::<Vec<_>>();
    let first = said.drain(..1).next().flatten();
    let text = || masked("where is my order");
    desk.after(50).tell(CallInput::Partial { text: text(), stability: first });
    let since = desk.now;
    for stability in said {
        desk.after(20).tell(CallInput::Partial { text: text(), stability });
    }
    assert_eq!(desk.wake(CallReason::StableWords), ["- heard 1: where is my order", "ask 1: where is my order"]);
    (desk.now - since).as_millis()
}

#[test]
fn words_of_which_a_listener_is_sure_stand_half_as_long_and_a_first_guess_longer() {
    for (stability, ms) in [(0.0, 300), (0.49, 300), (0.5, 200), (0.89, 200), (0.9, 100), (1.0, 100)] {
        assert_eq!(stood_ms(&[stability]), ms, "{stability}");
    }
}

#[test]
fn what_is_no_stability_counts_as_none() {
    for stability in [-0.1, 1.1, f32::NAN, f32::INFINITY] {
        assert_eq!(Stability::new(stability), None);
        assert_eq!(stood_ms(&[stability]), 200);
    }
}

#[test]
fn the_same_words_said_again_have_stood_since_they_came_first() {
    assert_eq!(stood_ms(&[0.2, 0.95]), 100);
    assert_eq!(stood_ms(&[0.95, 0.2]), 300);
}
