//! One band: a quantiser whose step follows the signal, and a predictor of two poles and six zeros that learns from what was quantised.

/// What differs between the bands.
#[derive(Debug)]
pub(super) struct Shape {
    /// Differences by code, in steps of 2^-15.
    levels: &'static [i32],
    /// How the logarithm of the step changes with each code.
    growth: &'static [i32],
    log_step_max: i32,
    /// Bits by which the step is larger than its logarithm's table says.
    octave: i32,
    /// Decision levels of the encoder, in steps of 2^-12, and codes for negative and positive differences beside each.
    decisions: &'static [i32],
    negative: &'static [u8],
    positive: &'static [u8],
}

/// 0 to 4 kHz: six bits are sent, the first four of which adapt.
pub(super) static LOW: Shape = Shape {
    levels: &[0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0],
    growth: &[-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60],
    log_step_max: 18_432,
    octave: 8,
    decisions: &[
        35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458,
        1612, 1765, 1980, 2195, 2557, 2919,
    ],
    negative: &[63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4],
    positive: &[
        61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
    ],
};

/// 4 to 8 kHz: two bits.
pub(super) static HIGH: Shape = Shape {
    levels: &[-7408, -1616, 7408, 1616],
    growth: &[798, -214, 798, -214],
    log_step_max: 22_528,
    octave: 10,
    decisions: &[564],
    negative: &[1, 0],
    positive: &[3, 2],
};

/// Differences of the lower band by all six bits.
static FINE: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192,
    -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008,
    16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400,
    2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

/// 2^11 * 2^(n / 32).
static OCTAVE: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158,
    3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

const ZEROS: usize = 6;

/// What one side of a call knows of a band.
#[derive(Clone, Debug)]
pub(super) struct Band {
    shape: &'static Shape,
    log_step: i32,
    step: i32,
    /// The predictor's poles and what they have to do with: the last two reconstructed samples, and sums without the poles' share.
    poles: [i32; 2],
    reconstructed: [i32; 2],
    partial: [i32; 2],
    zeros: [i32; ZEROS],
    differences: [i32; ZEROS],
    /// Share of the zeros in the next sample, and all of it.
    by_zeros: i32,
    prediction: i32,
}

impl Shape {
    /// QUANTL and QUANTH: the code of a difference.
    pub(super) fn quantise(&self, difference: i32, step: i32) -> u8 {
        let difference = saturate(difference);
        let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
        let place = self.decisions.partition_point(|level| (level * step) >> 12 <= magnitude);
        let codes = if difference < 0 { self.negative } else { self.positive };
        codes[place]
    }

    /// INVQAL and INVQAH: the difference of a code.
    pub(super) fn difference(&self, code: u8, step: i32) -> i32 {
        (step * self.levels[usize::from(code)]) >> 15
    }
}

/// INVQBL: the difference of a code of six bits.
pub(super) fn fine_difference(code: u8, step: i32) -> i32 {
    (step * FINE[usize::from(code)]) >> 15
}

/// LIMIT: what comes out of a band has 15 bits.
pub(super) fn limit(sample: i32) -> i32 {
    sample.clamp(-16_384, 16_383)
}

impl Band {
    pub(super) fn new(shape: &'static Shape) -> Self {
        let step = scale(0, shape.octave);
        Self {
            shape,
            log_step: 0,
            step,
            poles: [0; 2],
            reconstructed: [0; 2],
            partial: [0; 2],
            zeros: [0; ZEROS],
            differences: [0; ZEROS],
            by_zeros: 0,
            prediction: 0,
        }
    }

    pub(super) fn prediction(&self) -> i32 {
        self.prediction
    }

    pub(super) fn step(&self) -> i32 {
        self.step
    }

    /// Learns from a code, as the other side does.
    pub(super) fn adapt(&mut self, code: u8) {
        let difference = self.shape.difference(code, self.step);
        // LOGSCL, LOGSCH, SCALEL, SCALEH
        let grown = ((self.log_step * 127) >> 7) + self.shape.growth[usize::from(code)];
        self.log_step = grown.clamp(0, self.shape.log_step_max);
        self.step = scale(self.log_step, self.shape.octave);
        self.predict(difference);
    }

    /// Block 4: new coefficients, then the prediction of the next sample.
    fn predict(&mut self, difference: i32) {
        // RECONS, PARREC
        let reconstructed = saturate(self.prediction + difference);
        let partial = saturate(self.by_zeros + difference);
        self.poles = self.adapted_poles(partial);
        self.adapt_zeros(difference);
        // DELAYA
        self.differences.copy_within(..ZEROS - 1, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        // FILTEP, FILTEZ, PREDIC
        let share = |coefficient: &i32, sample: &i32| (coefficient * saturate(sample * 2)) >> 15;
        let by_poles: i32 = self.poles.iter().zip(&self.reconstructed).map(|(pole, sample)| share(pole, sample)).sum();
        let by_zeros: i32 = self.zeros.iter().zip(&self.differences).map(|(zero, sample)| share(zero, sample)).sum();
        self.by_zeros = saturate(by_zeros);
        self.prediction = saturate(saturate(by_poles) + self.by_zeros);
    }

    /// UPPOL2, UPPOL1: kept where the predictor is stable.
    fn adapted_poles(&self, partial: i32) -> [i32; 2] {
        let [first, second] = self.poles;
        let same = |earlier: i32| (earlier < 0) == (partial < 0);
        let lean = saturate(first * 4);
        let lean = (if same(self.partial[0]) { -lean } else { lean }).min(32_767);
        let pull = if same(self.partial[1]) { 128 } else { -128 };
        let second = ((lean >> 7) + pull + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let pull = if same(self.partial[0]) { 192 } else { -192 };
        let most = saturate(15_360 - second);
        let first = saturate(pull + ((first * 32_640) >> 15)).clamp(-most, most);
        [first, second]
    }

    /// UPZERO
    fn adapt_zeros(&mut self, difference: i32) {
        let pull = if difference == 0 { 0 } else { 128 };
        for (zero, earlier) in self.zeros.iter_mut().zip(self.differences) {
            let pull = if (earlier < 0) == (difference < 0) { pull } else { -pull };
            *zero = saturate(pull + ((*zero * 32_640) >> 15));
        }
    }
}

/// The step of a logarithm, which counts 2048 an octave.
fn scale(log_step: i32, octave: i32) -> i32 {
    let shift = octave - (log_step >> 11);
    let mantissa = OCTAVE[((log_step >> 6) & 31) as usize];
    (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2
}

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}
