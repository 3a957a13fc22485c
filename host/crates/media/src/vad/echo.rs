//! What the caller's line gives back of our own voice must not count as the caller's.

/// How long an echo may take: networks, buffers and the far telephone; 320 ms.
const DELAY_FRAMES: usize = 16;

/// Quieter than this our voice leaves no echo worth minding: -45 dBFS.
const SPOKEN_MIN: f32 = 34_000.0;

/// Half a second of our voice is a block.
const BLOCK_FRAMES: u32 = 25;
/// The caller does not speak in all of so many blocks.
const BLOCKS: usize = 8;

/// Share of our voice's power that comes back: -24 dB where nothing is known, what a bad hybrid gives.
const COUPLING_START: f32 = 0.004;
const COUPLING_MIN: f32 = 1e-5;
/// -10 dB: a caller who is louder than that is always heard.
const COUPLING_MAX: f32 = 0.1;
/// In one block it grows or falls no further than this: a caller who interrupts our first words must not be learnt as their echo.
const COUPLING_STEP: f32 = 2.0;

/// The echo is thought this much louder than it was: 6 dB.
const MARGIN: f32 = 4.0;

/// Our voice of late, and how much of it comes back.
#[derive(Debug)]
pub(super) struct Echo {
    /// Powers of what was sent, a ring.
    spoken: [f32; DELAY_FRAMES],
    at: usize,
    next: f32,
    coupling: f32,
    block: Block,
    /// Ratios of the last blocks; infinite where there was none yet.
    ratios: [f32; BLOCKS],
    ratio_at: usize,
}

#[derive(Debug, Default)]
struct Block {
    frames: u32,
    spoken: f32,
    heard: f32,
}

impl Echo {
    pub(super) fn new() -> Self {
        Self {
            spoken: [0.0; DELAY_FRAMES],
            at: 0,
            next: 0.0,
            coupling: COUPLING_START,
            block: Block::default(),
            ratios: [f32::INFINITY; BLOCKS],
            ratio_at: 0,
        }
    }

    /// The mean square of a frame that was sent just now.
    pub(super) fn spoken(&mut self, power: f32) {
        self.next = self.next.max(power);
    }

    /// The power below which a frame that was heard just now may be an echo; learns from it.
    pub(super) fn level(&mut self, heard: f32) -> f32 {
        self.at = (self.at + 1) % DELAY_FRAMES;
        self.spoken[self.at] = std::mem::take(&mut self.next);
        let spoken = self.spoken.iter().fold(0.0f32, |most, &power| most.max(power));
        if spoken < SPOKEN_MIN {
            return 0.0;
        }
        self.learn(spoken, heard);
        spoken * self.coupling * MARGIN
    }

    fn learn(&mut self, spoken: f32, heard: f32) {
        let block = &mut self.block;
        block.frames += 1;
        block.spoken = block.spoken.max(spoken);
        block.heard = block.heard.max(heard);
        if block.frames < BLOCK_FRAMES {
            return;
        }
        self.ratios[self.ratio_at] = block.heard / block.spoken;
        self.ratio_at = (self.ratio_at + 1) % BLOCKS;
        self.block = Block::default();
        let least = self.ratios.iter().fold(f32::INFINITY, |least, &ratio| least.min(ratio));
        let near = least.clamp(self.coupling / COUPLING_STEP, self.coupling * COUPLING_STEP);
        self.coupling = near.clamp(COUPLING_MIN, COUPLING_MAX);
    }
}
