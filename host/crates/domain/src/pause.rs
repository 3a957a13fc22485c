//! How long to wait after a caller has paused before the turn is taken to be over.
//!
//! Waiting is paid on every turn; a pause that was taken for the end is paid for once, and dearly. The wait is over when one more
//! moment of it costs more than it saves: where `p` is how likely the pause is one within the turn, and `f` how likely such a pause
//! ends at just this moment, that is when `f(wait) * p / (1 - p)` has fallen to a level which the tenant sets. (A. Raux, M. Eskenazi, "A
//! Finite-State Turn-Taking Model for Spoken Dialog Systems", NAACL 2009, weigh waiting against cutting in like this.)
//!
//! `f` is log-normal (E. Campione, J. Véronis, "A Large-Scale Multilingual Study of Silent Pause Duration", Speech Prosody 2002). A slow caller's
//! time is stretched: the whole wait grows with the caller's own pauses, as far as they were heard. `p` comes from the words so far and from what the agent expects. The level is that at which a caller
//! of whom nothing is known, and whose words tell nothing, is waited for as long as the tenant says.

use crate::finish::Guess;
use crate::tenant::{Bounds, Timing};
use std::time::Duration;

/// What the agent expects the caller to say next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Expect {
    /// Anything.
    #[default]
    Free,
    /// Yes or no.
    YesNo,
    /// A number, digit by digit.
    Digits,
}

impl Expect {
    /// As the agent writes it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::YesNo => "yesno",
            Self::Digits => "digits",
        }
    }

    /// By its code.
    pub fn parse(code: &str) -> Option<Self> {
        [Self::Free, Self::YesNo, Self::Digits].into_iter().find(|known| known.code() == code)
    }

    /// Pauses within a turn, beside those after an open question. Raux and Eskenazi (see the module): of the pauses that callers make, 38 % are
    /// within the turn after an open question, 12 % where something is to be confirmed. Digits are said in groups, three to a telephone
    /// number: two pauses within.
    fn weight(self) -> f64 {
        const OPEN: f64 = 0.38 / 0.62;
        match self {
            Self::Free => 1.0,
            Self::YesNo => (0.12 / 0.88) / OPEN,
            Self::Digits => 2.0 / OPEN,
        }
    }
}

impl Guess {
    /// How much more often the words are of this kind at a pause within a turn than at its end. Rounded towards 1 from what the labelled ends
    /// in `fixtures/` and the shares in `fixtures/pauses.toml` give; a test holds both together.
    pub(crate) fn weight(self) -> f64 {
        match self {
            Self::Unknown => 1.0,
            Self::Settled => 0.15,
            Self::Whole => 1.0,
            Self::Listing => 4.0,
            Self::Number => 3.0,
            Self::Open => 8.0,
        }
    }
}

/// The middle of pauses of [`SHORTEST`] and more in telephone conversations, and how far single pauses (natural logarithm) lie from it: Switchboard,
/// as in `fixtures/pauses.toml`.
const MIDDLE_S: f64 = 0.53;
const SPREAD: f64 = 0.563;
/// How far callers' own middles lie from it, within that.
const TEMPO_SPREAD: f64 = 0.18;
/// Shorter ones are not noticed: the voice activity detector waits for so long.
const SHORTEST: Duration = Duration::from_millis(200);
/// Who says nothing for longer was not in the middle of something.
const LONGEST: Duration = Duration::from_secs(3);
/// No wait is longer, whatever is asked for.
const LONGEST_WAIT_MS: f64 = 60_000.0;
/// So many pauses are remembered; older ones fade.
const REMEMBERED: f64 = 40.0;

/// How one caller pauses, as far as was heard.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pauses {
    /// How many.
    count: f64,
    /// Their mean distance from the common middle, natural logarithm.
    mean: f64,
}

impl Pauses {
    /// All that was learnt, as two numbers that mean nothing to anybody else.
    pub fn learnt(&self) -> (f64, f64) {
        (self.count, self.mean)
    }

    /// What was learnt before.
    pub fn of_learnt((count, mean): (f64, f64)) -> Self {
        if count.is_finite() && mean.is_finite() { Self { count: count.clamp(0.0, REMEMBERED), mean } } else { Self::default() }
    }

    /// The caller went on after so long a pause.
    pub fn learn(&mut self, pause: Duration) {
        if (SHORTEST..=LONGEST).contains(&pause) {
            self.count = (self.count + 1.0).min(REMEMBERED);
            self.mean += ((pause.as_secs_f64() / MIDDLE_S).ln() - self.mean) / self.count;
        }
    }

    /// How long the caller is waited for, from the last voiced sample. Whole milliseconds.
    pub fn wait(&self, timing: &Timing, expect: Expect, guess: Guess) -> Duration {
        match timing.endpoint_bounds {
            None => timing.endpoint_wait,
            Some(Bounds { floor, ceiling }) => {
                let seconds = self.tempo() * common_wait_s(timing.endpoint_wait.as_secs_f64(), expect.weight() * guess.weight());
                let wait = Duration::from_millis((seconds * 1_000.0).round().clamp(0.0, LONGEST_WAIT_MS) as u64);
                wait.max(floor).min(ceiling)
            }
        }
    }

    /// How much longer than others this caller pauses: what was heard, as far as it is evidence.
    fn tempo(&self) -> f64 {
        let between = TEMPO_SPREAD * TEMPO_SPREAD;
        let within = SPREAD * SPREAD - between;
        let trust = between * self.count / (between * self.count + within);
        (trust * self.mean).exp()
    }
}

/// When the density of all callers' pauses has fallen to the level. `odds`: how much likelier than usual the pause is one within the turn.
fn common_wait_s(unknown_wait_s: f64, odds: f64) -> f64 {
    let (middle, variance) = (MIDDLE_S.ln(), SPREAD * SPREAD);
    // Before its peak the density says nothing about patience: whoever wants less than that gets everything shorter.
    let peak_s = (middle - variance).exp();
    let anchor = unknown_wait_s.max(peak_s).ln();
    let scale = (unknown_wait_s / peak_s).min(1.0);
    // The logarithm of the log-normal density at exp(x) is -x - (x - middle)^2 / (2 variance), but for a constant. Where it has fallen by
    // `ln(odds)` less than at the anchor is the later root of a square equation.
    let level = -anchor - (anchor - middle).powi(2) / (2.0 * variance) - odds.ln();
    let rest = variance - 2.0 * (middle + level);
    // Rounding, at the peak itself.
    if rest < -1e-9 {
        return 0.0;
    }
    (middle - variance + (variance * rest.max(0.0)).sqrt()).exp() * scale
}

#[cfg(test)]
mod tests;
