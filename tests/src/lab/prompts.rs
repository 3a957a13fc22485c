//! Real voices: the prompts that people recorded for Asterisk, from Debian's `asterisk-core-sounds-*` packages (CC-BY-SA 3.0).
//!
//! They are unpacked beside the laboratory's Asterisk, used by the stories and never shipped.

use super::asterisk;
use anyhow::{Context, Result};
use std::path::PathBuf;
use vg_media::codec::g722;
use vg_media::wav;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Allison Smith, American English.
    Allison,
    /// Carlo Flora, Italian.
    Carlo,
}

/// A prompt by its name, `digits/4` or `demo-nogo`, at 8 kHz, linear as it was recorded.
pub fn prompt(voice: Voice, name: &str) -> Result<Vec<i16>> {
    let path = sounds(voice)?.join(format!("{name}.wav"));
    let file = std::fs::read(&path).with_context(|| missing(&path))?;
    Ok(wav::read(&file)?.mono())
}

/// The same at 16 kHz: these went through G.722 once.
pub fn prompt_wide(voice: Voice, name: &str) -> Result<Vec<i16>> {
    let path = sounds(voice)?.join(format!("{name}.g722"));
    let wire = std::fs::read(&path).with_context(|| missing(&path))?;
    let mut samples = vec![0; 2 * wire.len()];
    g722::Decoder::default().decode(&wire, &mut samples);
    Ok(samples)
}

fn sounds(voice: Voice) -> Result<PathBuf> {
    let folder = match voice {
        Voice::Allison => "en_US_f_Allison",
        Voice::Carlo => "it_IT_m_Carlo",
    };
    Ok(asterisk::root()?.join("usr/share/asterisk/sounds").join(folder))
}

fn missing(path: &std::path::Path) -> String {
    format!("there is no {}: run `cargo xtask setup` as root", path.display())
}
