//! `sip-caller SIP_PORT NUMBER HEARD.wav QUESTION.wav...`: a caller for the demo on a real Asterisk.
//!
//! Listens to the greeting, asks each question when the answer before has ended, hangs up, and writes both sides as one stereo WAV
//! (caller left). Exit code 0: every question was followed by sound.

use anyhow::{Context, Result, bail};
use std::time::Duration;
use vg_media::wav;
use vg_tests::lab::SipCaller;

/// Longer than an agent thinks, shorter than anybody waits.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Longer than the pause between two sentences.
const QUIET: Duration = Duration::from_millis(900);
const SPEECH_MAX: Duration = Duration::from_secs(60);
const RATE_HZ: u32 = 8000;

#[tokio::main]
async fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, number, heard, questions @ ..] = words.as_slice() else {
        bail!("usage: sip-caller SIP_PORT NUMBER HEARD.wav QUESTION.wav...");
    };
    let questions: Vec<Vec<i16>> = questions.iter().map(|path| question(path)).collect::<Result<_>>()?;

    let mut caller = SipCaller::dial_port(port.parse()?, number).await?;
    caller.hears_speech(caller.answered_at(), ANSWER_WITHIN).await.context("no greeting")?;
    caller.hears_quiet(QUIET, SPEECH_MAX).await?;
    for question in &questions {
        let asked = caller.say(question).await?;
        caller.hears_speech(asked, ANSWER_WITHIN).await.context("no answer")?;
        caller.hears_quiet(QUIET, SPEECH_MAX).await?;
    }
    let call = caller.hang_up().await?;
    std::fs::write(heard, wav::write_stereo(call.rate_hz, &call.said, &call.heard))
        .with_context(|| format!("failed to write {heard}"))
}

fn question(path: &str) -> Result<Vec<i16>> {
    let bytes = std::fs::read(path).with_context(|| format!("failed to read {path}"))?;
    let sound = wav::read(&bytes).with_context(|| format!("failed to read {path}"))?;
    Ok(vg_media::resample::convert(&sound.mono(), sound.rate_hz, RATE_HZ)?)
}
