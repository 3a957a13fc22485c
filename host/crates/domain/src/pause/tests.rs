use super::*;

fn adaptive(wait_ms: u64) -> Timing {
    let bounds = Bounds { floor: Duration::from_millis(250), ceiling: Duration::from_secs(2) };
    Timing { endpoint_wait: Duration::from_millis(wait_ms), endpoint_bounds: Some(bounds), ..Timing::default() }
}

fn wait(pauses: &Pauses, expect: Expect, guess: Guess) -> u64 {
    pauses.wait(&adaptive(500), expect, guess).as_millis() as u64
}

/// A caller who has paused so many times for so long.
fn caller(times: usize, pause_ms: u64) -> Pauses {
    let mut pauses = Pauses::default();
    (0..times).for_each(|_| pauses.learn(Duration::from_millis(pause_ms)));
    pauses
}

#[test]
fn who_is_not_known_is_waited_for_as_long_as_the_tenant_says() {
    for wait_ms in [250, 300, 386, 400, 500, 700, 1_000, 1_500] {
        let wait = Pauses::default().wait(&adaptive(wait_ms), Expect::Free, Guess::Unknown);
        assert_eq!(wait.as_millis(), u128::from(wait_ms));
    }
}

#[test]
fn a_fixed_wait_follows_nothing() {
    let timing = Timing { endpoint_bounds: None, ..adaptive(640) };
    for guess in [Guess::Settled, Guess::Open] {
        assert_eq!(caller(20, 1_500).wait(&timing, Expect::Digits, guess), Duration::from_millis(640));
    }
}

#[test]
fn words_that_are_finished_shorten_the_wait_and_open_ones_lengthen_it() {
    let stranger = Pauses::default();
    let by = |guess| wait(&stranger, Expect::Free, guess);
    assert_eq!(by(Guess::Settled), 250, "the floor");
    assert_eq!(by(Guess::Whole), 500);
    assert!(by(Guess::Whole) < by(Guess::Number));
    assert!(by(Guess::Number) < by(Guess::Listing));
    assert!(by(Guess::Listing) < by(Guess::Open));
    assert!((1_000..=2_000).contains(&by(Guess::Open)), "{}", by(Guess::Open));
}

#[test]
fn a_yes_is_waited_for_less_and_a_number_more() {
    let stranger = Pauses::default();
    for guess in [Guess::Unknown, Guess::Whole, Guess::Number, Guess::Open] {
        assert!(wait(&stranger, Expect::YesNo, guess) < wait(&stranger, Expect::Free, guess), "{guess:?}");
        assert!(wait(&stranger, Expect::Digits, guess) > wait(&stranger, Expect::Free, guess), "{guess:?}");
    }
    assert_eq!(wait(&stranger, Expect::YesNo, Guess::Whole), 250);
    for expect in [Expect::Free, Expect::YesNo, Expect::Digits] {
        assert_eq!(Expect::parse(expect.code()), Some(expect));
    }
    assert_eq!(Expect::parse("maybe"), None);
}

#[test]
fn a_slow_caller_is_given_time_and_a_quick_one_is_answered_sooner() {
    let by = |pauses: &Pauses| wait(pauses, Expect::Free, Guess::Whole);
    let stranger = by(&Pauses::default());
    let mut last = stranger;
    for times in [1, 5, 20, 40] {
        let slow = by(&caller(times, 1_100));
        assert!(slow > last, "more evidence counts more: {slow} after {times}");
        last = slow;
    }
    assert!(last >= stranger * 3 / 2, "{last}");
    assert!(by(&caller(20, 250)) < stranger * 4 / 5, "{}", by(&caller(20, 250)));
}

#[test]
fn a_caller_who_changes_is_followed() {
    let mut pauses = caller(200, 300);
    (0..200).for_each(|_| pauses.learn(Duration::from_millis(900)));
    assert!(wait(&pauses, Expect::Free, Guess::Whole) > wait(&Pauses::default(), Expect::Free, Guess::Whole));
}

#[test]
fn what_is_no_pause_within_a_turn_teaches_nothing() {
    for pause_ms in [0, 199, 3_001, 60_000] {
        assert_eq!(caller(3, pause_ms), Pauses::default(), "{pause_ms}");
    }
    assert_ne!(caller(1, 200), Pauses::default());
    assert_ne!(caller(1, 3_000), Pauses::default());
}

#[test]
fn no_wait_leaves_its_bounds_whatever_was_heard_and_asked_for() {
    for pause_ms in [200, 530, 3_000] {
        for wait_ms in [1, 250, 500, 2_000, 60_000] {
            for expect in [Expect::Free, Expect::YesNo, Expect::Digits] {
                for guess in [Guess::Unknown, Guess::Settled, Guess::Whole, Guess::Listing, Guess::Number, Guess::Open] {
                    let wait = caller(40, pause_ms).wait(&adaptive(wait_ms), expect, guess);
                    assert!((250..=2_000).contains(&wait.as_millis()), "{wait:?}");
                }
            }
        }
    }
}
