//! The page of text. Plain columns, so that it reads the same in a terminal, a ticket and a mail.

use super::{Beside, Event, Explained, FellRow, HandedRow, HourRow, OwnerName, TurnRow};
use crate::adapters::http::calls::StateName;
use crate::adapters::http::calls::bodies::{DirectionName, UsageRow};
use std::fmt::{self, Display, Formatter};
use vg_domain::outcome::EndCause;

impl Display for Explained {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.waited(f)?;
        self.fell(f)?;
        self.worked(f)?;
        self.happened(f)
    }
}

impl Explained {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let call = &self.call;
        writeln!(f, "call {}", call.id)?;
        let direction = match call.direction {
            DirectionName::Inbound => "somebody called",
            DirectionName::Outbound => "made by the gateway",
        };
        write!(f, "  {direction} at {}", call.started_at)?;
        match self.after_ms(|event| matches!(event, Event::Answered { .. })) {
            Some(ms) => write!(f, ", answered after {}", Span(ms))?,
            None if call.answered_at.is_some() => write!(f, ", answered at {}", call.answered_at.as_deref().unwrap_or_default())?,
            None => write!(f, ", not answered")?,
        }
        writeln!(f, ", {}", Times(call.turns.into(), "turn"))?;
        match (call.cause, self.after_ms(|event| matches!(event, Event::Ended { .. }))) {
            (Some(cause), Some(ms)) => writeln!(f, "  over after {}: {} ({cause})", Span(ms), self.why.unwrap_or_default()),
            (Some(cause), None) => writeln!(f, "  over: {} ({cause})", self.why.unwrap_or_default()),
            (None, _) => writeln!(f, "  it is {}", standing(call.state)),
        }
    }

    fn after_ms(&self, is: impl Fn(&Event) -> bool) -> Option<u64> {
        self.steps.iter().find(|step| is(&step.event)).map(|step| step.after_ms)
    }

    fn waited(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let waits = &self.waits;
        writeln!(f, "\nwho waited for whom")?;
        if waits.turns == 0 {
            return writeln!(f, "  nobody: no spoken turn got an answer");
        }
        let mean = waits.total_ms / u64::from(waits.turns);
        let turns = Times(waits.turns.into(), "turn");
        writeln!(f, "  the caller, for answers: {} in {turns}, {} each", Span(waits.total_ms), Span(mean))?;
        let mut owners: Vec<_> = waits.owners.iter().filter(|row| row.ms > 0).collect();
        owners.sort_by_key(|row| std::cmp::Reverse(row.ms));
        for row in owners {
            let share = row.ms as f64 * 100.0 / waits.total_ms.max(1) as f64;
            writeln!(f, "    {:<10}{:>12}{share:>6.0} %", name(row.owner), Span(row.ms).to_string())?;
        }
        if let Some(turn) = &waits.longest {
            writeln!(f, "  longest: turn {}, {}", turn.turn, Spent(turn))?;
        }
        match waits.hour {
            Some(HourRow { turns, p50_ms, p95_ms }) => {
                let (turns, p50, p95) = (Times(turns, "turn"), Span(p50_ms.into()), Span(p95_ms.into()));
                writeln!(f, "  beside the tenant's last hour ({turns}): half within {p50}, 95 of 100 within {p95}")
            }
            None => Ok(()),
        }
    }

    fn fell(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nwho fell")?;
        if self.falls.is_empty() {
            return writeln!(f, "  nobody");
        }
        for row in &self.falls {
            writeln!(f, "  {}, {}", Fell(&row.fell), Times(row.times.into(), "time"))?;
        }
        match self.falls_untold {
            0 => Ok(()),
            more => writeln!(f, "  and others, {}", Times(more.into(), "time")),
        }
    }

    fn worked(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rows = &self.call.usage;
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nwhat providers worked, by their own count")?;
        rows.iter().try_for_each(|row| writeln!(f, "  {}", Worked(row)))
    }

    fn happened(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nwhat happened")?;
        if self.steps_dropped > 0 {
            writeln!(f, "  ({} before are no longer kept)", Times(self.steps_dropped.into(), "step"))?;
        }
        for step in &self.steps {
            writeln!(f, "  {:>12}  {}", format!("+{}", Span(step.after_ms)), Told(&step.event))?;
        }
        Ok(())
    }
}

/// An event in words.
struct Told<'a>(&'a Event);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Event::Began => write!(f, "the call began"),
            Event::Answered { by } => write!(f, "answered by {by}"),
            Event::Heard { turn } => write!(f, "turn {turn} was understood"),
            Event::NotUnderstood { turn } => write!(f, "turn {turn} was not understood"),
            Event::Filler { turn } => write!(f, "something was said in turn {turn} while its answer was late"),
            Event::Turn { turn, interrupted, latency } => {
                write!(f, "turn {turn} was answered")?;
                if let Some(latency) = latency {
                    write!(f, " after {}", Spent(latency))?;
                }
                write!(f, "{}", if *interrupted { "; the caller spoke over it" } else { "" })
            }
            Event::Interrupted { spoken_ms, precision } => {
                write!(f, "interrupted after {} (words heard: {precision})", Span(*spoken_ms))
            }
            Event::Fell(fell) => write!(f, "fell: {}", Fell(fell)),
            Event::PathSilent { code } => write!(f, "the media path is silent: {code}"),
            Event::Escalated => write!(f, "given to a person, for nobody here could go on"),
            Event::HandingOver(HandedRow { to, mode }) => write!(f, "handing over to {to}, {mode}"),
            Event::HandedOver(HandedRow { to, mode }) => write!(f, "handed over to {to}, {mode}"),
            Event::Referred { to } => write!(f, "the caller's telephone was referred to {to} and left"),
            Event::NotHandedOver { to, mode, code } => write!(f, "not handed over to {to}, {mode}: {code}"),
            Event::Ended { cause } => write!(f, "ended: {cause}"),
        }
    }
}

/// Who fell and why.
struct Fell<'a>(&'a FellRow);

impl Display for Fell<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let FellRow { role, plugin, code } = self.0;
        match plugin {
            Some(plugin) => write!(f, "{role} ({plugin}): {code}"),
            None => write!(f, "{role}: {code}"),
        }
    }
}

/// What a provider worked; counts of 0 are left out.
struct Worked<'a>(&'a UsageRow);

impl Display for Worked<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let UsageRow { role, plugin, audio_ms, characters, requests } = self.0;
        write!(f, "{role} ({plugin}):")?;
        let mut comma = "";
        if *audio_ms > 0 {
            write!(f, " {} of sound", Span(*audio_ms))?;
            comma = ",";
        }
        for (count, noun) in [(*characters, "character"), (*requests, "request")] {
            if count > 0 {
                write!(f, "{comma} {}", Times(count, noun))?;
                comma = ",";
            }
        }
        Ok(())
    }
}

/// How long a turn took, and for whom; parts of 0 ms are left out.
struct Spent<'a>(&'a TurnRow);

impl Display for Spent<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let turn = self.0;
        write!(f, "{}", Span(turn.total_ms.into()))?;
        match turn.beside_hour {
            Some(Beside::WithinP95) => write!(f, " (slower than half of the hour's)")?,
            Some(Beside::BeyondP95) => write!(f, " (slower than 95 of 100 of the hour's)")?,
            // Nothing to look for.
            Some(Beside::WithinP50) | None => {}
        }
        write!(f, ", most of it for {}:", name(turn.waited_for))?;
        let parts = turn.parts.iter().filter(|part| part.ms > 0);
        for (nth, part) in parts.enumerate() {
            write!(f, "{} {} {}", if nth == 0 { "" } else { " +" }, part.part.replace('_', " "), Span(part.ms.into()))?;
        }
        Ok(())
    }
}

/// Milliseconds as people read them.
struct Span(u64);

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            ms @ ..60_000 => write!(f, "{:.2} s", ms as f64 / 1000.0),
            ms => write!(f, "{} min {:04.1} s", ms / 60_000, (ms % 60_000) as f64 / 1000.0),
        }
    }
}

/// A count with its noun.
struct Times(u64, &'static str);

impl Display for Times {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(count, noun) = self;
        write!(f, "{count} {noun}{}", if *count == 1 { "" } else { "s" })
    }
}

fn name(owner: OwnerName) -> &'static str {
    match owner {
        OwnerName::Setting => "setting",
        OwnerName::Provider => "provider",
        OwnerName::Agent => "agent",
        OwnerName::Gateway => "gateway",
    }
}

fn standing(state: StateName) -> &'static str {
    match state {
        StateName::Ringing => "ringing",
        StateName::Answered => "answered",
        StateName::Active => "going on",
        StateName::Transferred => "handed over",
        StateName::Ended => "over",
    }
}

/// Why a call ended, in a clause.
pub(super) fn why(cause: EndCause) -> &'static str {
    match cause {
        EndCause::CallerHungUp => "the caller hung up",
        EndCause::AgentHungUp => "the agent ended the conversation",
        EndCause::Transferred => "the caller was handed over",
        EndCause::CallerSilent => "the caller said nothing, again and again",
        EndCause::ProvidersExhausted => "nobody was left to listen, think or speak",
        EndCause::SetUpFailed => "it could not be set up",
        EndCause::AsteriskLost => "Asterisk, or the way of its sound, was lost",
        EndCause::Drained => "the gateway was stopping",
        EndCause::Stopped => "an operator or the API ended it",
        EndCause::TimeUp => "the call had lasted as long as its tenant lets calls last",
        EndCause::NoSound => "no sound came or went, and such calls are not to go on",
        EndCause::LeftToDialplan => "its gateway was gone and no other one could go on with it: the dialplan has its caller",
        EndCause::NotReached(_) => "whoever was called was not reached",
        EndCause::AnsweringMachine => "a machine answered",
        EndCause::Refused(_) => "it was not taken in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_say_them() {
        for (ms, text) in
            [(0, "0.00 s"), (1_234, "1.23 s"), (59_994, "59.99 s"), (60_000, "1 min 00.0 s"), (132_450, "2 min 12.4 s")]
        {
            assert_eq!(Span(ms).to_string(), text);
        }
    }
}
