//! Pauses with chance in them: gateways, and requests, that failed together do not come back together.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Somewhere within `pauses`, by chance; all of it where there is none, since whoever waits too long hurts nobody.
pub(super) fn spread(pauses: RangeInclusive<Duration>) -> Duration {
    let mut chance = [0];
    let chance = getrandom::fill(&mut chance).map_or(u8::MAX, |()| chance[0]);
    at(pauses, chance)
}

fn at(pauses: RangeInclusive<Duration>, chance: u8) -> Duration {
    let (least, most) = pauses.into_inner();
    least + most.saturating_sub(least) * u32::from(chance) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn chance_reaches_both_ends_and_what_is_between_in_even_steps() {
        let pauses = SECOND / 2..=SECOND;
        assert_eq!(at(pauses.clone(), 0), SECOND / 2);
        assert_eq!(at(pauses.clone(), u8::MAX), SECOND);
        for chance in 1..=u8::MAX {
            let step = at(pauses.clone(), chance) - at(pauses.clone(), chance - 1);
            assert!(step.abs_diff(SECOND / 510) <= Duration::from_nanos(1), "{chance}: {step:?}");
        }
    }

    #[test]
    fn a_pause_without_room_is_what_it_is() {
        for chance in [0, 1, u8::MAX] {
            assert_eq!(at(SECOND..=SECOND, chance), SECOND);
        }
    }

    #[test]
    fn pauses_stay_within_and_are_not_all_alike() {
        let pauses = SECOND / 2..=SECOND;
        let drawn: Vec<_> = (0..64).map(|_| spread(pauses.clone())).collect();
        assert!(drawn.iter().all(|pause| pauses.contains(pause)), "{drawn:?}");
        // Alike by chance: once in 256^63.
        assert!(drawn.iter().any(|pause| *pause != drawn[0]), "{drawn:?}");
    }
}
