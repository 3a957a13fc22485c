//! What a defect says at its end: where, and not about whom.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::Write;
use std::panic::PanicHookInfo;

/// Stands for the words of a panic that were put together from what there was.
const LEFT_OUT: &str = "(words left out: they may be a caller's)";

/// Says on stderr where the program has panicked. Its words are told where they stand in the source; others may quote what was said on a call, as those of
/// a bad slice do.
pub fn tell_of_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    // Names of functions alone, where `RUST_BACKTRACE` asks for them.
    let backtrace = Backtrace::capture();
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "voice-gateway: panicked at {place}: {}", words(panic.payload()));
    if backtrace.status() == BacktraceStatus::Captured {
        let _ = writeln!(stderr, "{backtrace}");
    }
}

fn words(payload: &(dyn Any + Send)) -> &'static str {
    payload.downcast_ref::<&'static str>().copied().unwrap_or(LEFT_OUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn words_of_the_source_are_told_and_those_of_a_caller_are_not() {
        let said = String::from("é 4012888888881881");
        let quotes = catch_unwind(|| said[..1].len()).unwrap_err();
        let quoted = quotes.downcast_ref::<String>().unwrap();
        assert!(quoted.contains("4012888888881881"), "{quoted}");
        assert_eq!(words(&*quotes), LEFT_OUT);
        let plain = catch_unwind(|| panic!("the clock ran backwards")).unwrap_err();
        assert_eq!(words(&*plain), "the clock ran backwards");
    }
}
