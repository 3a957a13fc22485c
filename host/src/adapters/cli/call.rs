//! `call`: a phone without Asterisk.

use super::conversation::{Transcript, audible_ms, hold};
use super::terminal::say;
use crate::adapters::media_ws::Format;
use crate::adapters::media_ws::client::{Phone, PhoneConfig};
use anyhow::Context;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use vg_media::{resample, wav};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What the caller says, after the greeting; several are said one after another, each after the answer before
    #[arg(long = "wav", value_name = "FILE", required = true)]
    questions: Vec<PathBuf>,
    /// Where the conversation goes, in stereo: caller left, agent right
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The gateway's media WebSocket
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:8080/media/ws")]
    url: url::Url,
    /// How the sound travels
    #[arg(long, value_enum, default_value = "ulaw")]
    format: Wire,
    /// Whose call it is; default: the gateway's default tenant
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Wire {
    Ulaw,
    Slin16,
}

pub(super) async fn run(options: Options) -> anyhow::Result<ExitCode> {
    let format = match options.format {
        Wire::Ulaw => Format::Ulaw,
        Wire::Slin16 => Format::Slin16,
    };
    let rate_hz = format.codec().rate_hz();
    let read = |file: &PathBuf| {
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        recorded(&bytes, rate_hz).with_context(|| format!("cannot use {}", file.display()))
    };
    let questions = options.questions.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let config = PhoneConfig { url: options.url.clone(), format, tenant: options.tenant };
    let mut phone = Phone::connect(config).await.with_context(|| format!("failed to call {}", options.url))?;
    let mut transcript = Transcript::default();
    let answered = hold(&mut phone, &questions, &mut transcript).await;
    let (recording, ended) = phone.hang_up().await;
    std::fs::write(&options.out, wav::write_stereo(recording.rate_hz, &recording.caller, &recording.agent))
        .with_context(|| format!("cannot write {}", options.out.display()))?;
    let heard_ms = audible_ms(recording.rate_hz, &recording.agent);
    say(format_args!("{}: {:.1} s of the agent heard", options.out.display(), heard_ms as f64 / 1000.0));
    ended.context("failed to finish the call")?;
    Ok(if answered && heard_ms > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The samples of a WAV file, mono at `rate_hz`.
pub(super) fn recorded(file: &[u8], rate_hz: u32) -> anyhow::Result<Vec<i16>> {
    let wav = wav::read(file)?;
    Ok(resample::convert(&wav.mono(), wav.rate_hz, rate_hz)?)
}
