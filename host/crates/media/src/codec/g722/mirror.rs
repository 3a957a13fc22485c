//! The quadrature mirror filter that parts 16 kHz into two bands of 8 kHz, and joins them again.

/// Half of the filter's 24 coefficients; the other half are the same, backwards (table 11 of the recommendation).
const HALF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
const TAPS: usize = 2 * HALF.len();

/// The last 24 values that went through.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    line: [i32; TAPS],
}

impl Mirror {
    /// A pair of samples as one of the lower and one of the upper band.
    pub(super) fn split(&mut self, pair: [i16; 2]) -> (i32, i32) {
        let (odd, even) = self.shift(pair.map(i32::from));
        ((even + odd) >> 14, (even - odd) >> 14)
    }

    /// The other way round.
    pub(super) fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        let (first, second) = self.shift([low + high, low - high]);
        [second, first].map(|sum| (sum >> 11).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16)
    }

    fn shift(&mut self, newest: [i32; 2]) -> (i32, i32) {
        self.line.copy_within(2.., 0);
        self.line[TAPS - 2..].copy_from_slice(&newest);
        let (mut odd, mut even) = (0, 0);
        for (pair, (forth, back)) in self.line.as_chunks::<2>().0.iter().zip(HALF.iter().zip(HALF.iter().rev())) {
            odd += pair[0] * forth;
            even += pair[1] * back;
        }
        (odd, even)
    }
}
