//! The last hour, in pieces of five minutes: what was noted is forgotten between 55 and 60 minutes later.

use std::time::{Duration, Instant};

const PIECE: Duration = Duration::from_secs(300);
const PIECES: usize = 12;

/// See the module.
#[derive(Debug)]
pub(super) struct Hour<T> {
    /// When the first piece began. None until something is noted.
    began: Option<Instant>,
    /// Pieces with their numbers, counted from the first; each at its number's place in the ring.
    pieces: [Option<(u64, T)>; PIECES],
}

impl<T> Default for Hour<T> {
    fn default() -> Self {
        Self { began: None, pieces: [const { None }; PIECES] }
    }
}

impl<T: Default> Hour<T> {
    /// The piece of now. Time does not go backwards by more than threads contradict each other.
    pub(super) fn at(&mut self, now: Instant) -> &mut T {
        let number = number(*self.began.get_or_insert(now), now);
        let piece = &mut self.pieces[place(number)];
        if piece.as_ref().is_some_and(|(noted, _)| *noted != number) {
            *piece = None;
        }
        &mut piece.get_or_insert_with(|| (number, T::default())).1
    }

    /// All pieces that are not older than an hour.
    pub(super) fn read(&self, now: Instant) -> impl Iterator<Item = &T> {
        let number = self.began.map_or(0, |began| number(began, now));
        self.pieces.iter().flatten().filter(move |(noted, _)| noted + PIECES as u64 > number).map(|(_, piece)| piece)
    }
}

fn number(began: Instant, now: Instant) -> u64 {
    now.saturating_duration_since(began).as_secs() / PIECE.as_secs()
}

fn place(number: u64) -> usize {
    (number % PIECES as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_an_hour_is_forgotten_and_its_room_used_again() {
        let zero = Instant::now();
        let at = |minutes: u64| zero + Duration::from_secs(minutes * 60);
        let mut hour = Hour::<u32>::default();
        let sum = |hour: &Hour<u32>, minutes| hour.read(at(minutes)).sum::<u32>();
        assert_eq!(sum(&hour, 0), 0);
        *hour.at(at(0)) += 1;
        *hour.at(at(4)) += 2;
        *hour.at(at(30)) += 4;
        assert_eq!((sum(&hour, 30), sum(&hour, 59)), (7, 7));
        assert_eq!((sum(&hour, 60), sum(&hour, 89), sum(&hour, 90)), (4, 4, 0));
        *hour.at(at(60)) += 8;
        assert_eq!(sum(&hour, 60), 12);
        *hour.at(at(1_000)) += 16;
        assert_eq!(sum(&hour, 1_000), 16);
    }
}
