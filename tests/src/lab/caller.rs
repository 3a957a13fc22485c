//! A caller on a real SIP line.

use super::asterisk::Asterisk;
use super::sound::{Activity, Pacing, Sound};
use super::voice::Voice;
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, UdpSocket};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// We hung up.
    Caller,
    /// The other side sent BYE.
    FarEnd,
    /// Nobody: the line was cut, as when a phone loses its network.
    Nobody,
}

/// A finished call as its caller lived it.
#[derive(Debug)]
pub struct CallRecord {
    /// Who ended it.
    pub ended_by: EndedBy,
    /// What the caller said, from the answer on.
    pub said: Vec<i16>,
    /// What the caller heard, on the same timeline.
    pub heard: Vec<i16>,
    /// Keys that came as packets of RFC 4733.
    pub keys: String,
    /// Samples per second of both.
    pub rate_hz: u32,
    /// How evenly the sound arrived.
    pub pacing: Pacing,
}

/// A caller whose call was answered. Dropping it cuts the line.
#[derive(Debug)]
pub struct SipCaller {
    signalling: Signalling,
    sound: Sound,
    voice: Voice,
    activity: watch::Receiver<Activity>,
    answered_at: Instant,
}

/// Longer than any test wants to wait for an answer, a BYE or its confirmation.
const PATIENCE: Duration = Duration::from_secs(15);
const LAST_WORD: Duration = Duration::from_secs(2);
/// Shorter sounds are clicks.
const SPEECH_FRAMES_MIN: u32 = 3;

impl SipCaller {
    /// Calls an extension and returns when it has answered.
    pub async fn dial(asterisk: &Asterisk, number: &str) -> Result<Self> {
        Self::dial_port(asterisk.sip_port(), number).await
    }

    /// The same, speaking this way.
    pub async fn dial_in(asterisk: &Asterisk, number: &str, voice: Voice) -> Result<Self> {
        Ringing::invite(asterisk.sip_port(), number, voice).await?.answered().await
    }

    /// The same with a telephone that follows a REFER: it accepts, and says that the other side has answered. Any other declines.
    pub async fn dial_following(asterisk: &Asterisk, number: &str) -> Result<Self> {
        Ringing::invite_with(asterisk.sip_port(), number, Voice::Pcmu, OnRefer::Follow).await?.answered().await
    }

    /// The same as [`dial`](Self::dial) for whatever listens for SIP on a loopback port.
    pub async fn dial_port(sip_port: u16, number: &str) -> Result<Self> {
        Ringing::invite(sip_port, number, Voice::Pcmu).await?.answered().await
    }

    /// Calls an extension that does not take the call; gives the SIP status.
    pub async fn is_refused(asterisk: &Asterisk, number: &str) -> Result<u16> {
        let mut ringing = Ringing::invite(asterisk.sip_port(), number, Voice::Pcmu).await?;
        let mut word = ringing.signalling.next_word().await?;
        if word == "ringing" {
            word = ringing.signalling.next_word().await?;
        }
        match word.strip_prefix("refused ") {
            Some(status) => Ok(status.parse()?),
            None => bail!("{number} was not refused: {word}"),
        }
    }

    /// Calls an extension and returns when it rings: for callers who do not wait.
    pub async fn ring(asterisk: &Asterisk, number: &str) -> Result<Ringing> {
        let mut ringing = Ringing::invite(asterisk.sip_port(), number, Voice::Pcmu).await?;
        match ringing.signalling.next_word().await?.as_str() {
            "ringing" => Ok(ringing),
            other => bail!("failed to ring {number}: {other}"),
        }
    }

    /// A call that was answered just now.
    pub(super) fn talking(signalling: Signalling, audio: UdpSocket, remote: SocketAddr, voice: Voice) -> Result<Self> {
        let sound = Sound::start(audio, remote, voice)?;
        let activity = sound.activity();
        Ok(Self { signalling, sound, voice, activity, answered_at: Instant::now() })
    }

    /// When the call was answered: the zero of the recording.
    pub fn answered_at(&self) -> Instant {
        self.answered_at
    }

    /// Where its sound comes from and goes to, on loopback.
    pub fn audio_port(&self) -> u16 {
        self.sound.port()
    }

    /// Samples per second of what is said and heard.
    pub fn rate_hz(&self) -> u32 {
        self.voice.rate_hz()
    }

    /// Says something (at [`rate_hz`](Self::rate_hz)) in real time; returns the moment at which its last sample left.
    pub async fn say(&mut self, samples: &[i16]) -> Result<Instant> {
        self.begin_saying(samples)?;
        let spoken = Duration::from_secs_f64(samples.len() as f64 / f64::from(self.rate_hz()));
        let activity = timeout(spoken + PATIENCE, self.activity.wait_for(|activity| activity.said_at.is_some()));
        activity.await.context("what is to be said does not get out")??.said_at.context("nothing was said")
    }

    /// Begins to say something and returns at once: for callers who interrupt.
    pub fn begin_saying(&mut self, samples: &[i16]) -> Result<()> {
        self.sound.say(samples)
    }

    /// Presses a key for so long, as RFC 4733 says it: in the stream of sound, in the place of sound. Returns at once.
    pub fn press(&self, key: char, length: Duration) -> Result<()> {
        anyhow::ensure!(self.sound.press(key, length), "{key} is no key");
        Ok(())
    }

    /// Presses a key by SIP INFO (`application/dtmf-relay`). Returns at once.
    pub async fn press_by_info(&mut self, key: char) -> Result<()> {
        self.signalling.press_key(key).await
    }

    /// Sends no packet of sound any more, and no BYE: what a phone does whose network has died.
    pub fn fall_silent(&self) {
        self.sound.mute(true);
    }

    /// Sends sound again.
    pub fn speak_up(&self) {
        self.sound.mute(false);
    }

    /// Waits for speech, or any sound of 60 ms, that goes on after `since`; returns when it began.
    pub async fn hears_speech(&mut self, since: Instant, within: Duration) -> Result<Instant> {
        let speaks = |activity: &Activity| {
            activity.voiced_frames >= SPEECH_FRAMES_MIN && activity.voiced_from.is_some_and(|from| from > since)
        };
        let heard = timeout(within, self.activity.wait_for(speaks)).await;
        heard.with_context(|| format!("nothing was heard within {within:?}"))??.voiced_from.context("no beginning")
    }

    /// Waits for the far end's REFER; gives the address that it names, without `sip:`.
    pub async fn is_referred(&mut self) -> Result<String> {
        self.told("referred ").await
    }

    /// Asks the far end by REFER to call `number` in the place of this caller. Returns at once.
    pub async fn refers_to(&mut self, number: &str) -> Result<()> {
        self.signalling.tell(&format!("refer {number}")).await
    }

    /// The SIP status that the far end tells next of what it was asked for by REFER.
    pub async fn is_notified(&mut self) -> Result<u16> {
        Ok(self.told("notified ").await?.parse()?)
    }

    async fn told(&mut self, what: &str) -> Result<String> {
        let word = timeout(PATIENCE, self.signalling.next_word()).await.with_context(|| format!("nobody said {what}"))??;
        match word.strip_prefix(what) {
            Some(rest) => Ok(rest.to_owned()),
            None => bail!("{what}was to come, and not {word}"),
        }
    }

    /// Waits until nothing has been heard for `quiet`, once something was; returns when the sound ended.
    pub async fn hears_quiet(&mut self, quiet: Duration, within: Duration) -> Result<Instant> {
        let deadline = Instant::now() + within;
        loop {
            let latest = self.activity.borrow_and_update().voiced_until;
            let until = latest.map_or(deadline, |latest| latest + quiet);
            if until > deadline {
                bail!("the far end was not quiet for {quiet:?} within {within:?}");
            }
            match tokio::time::timeout_at(until.into(), self.activity.changed()).await {
                Ok(changed) => changed?,
                Err(_) => return latest.with_context(|| format!("nothing was heard within {within:?}")),
            }
        }
    }

    /// Hangs up and returns when that was confirmed.
    pub async fn hang_up(mut self) -> Result<CallRecord> {
        self.signalling.press_red_button().await?;
        self.end(PATIENCE).await
    }

    /// Waits for the other side to hang up.
    pub async fn until_hung_up(self, within: Duration) -> Result<CallRecord> {
        self.end(within).await
    }

    /// Cuts the line without a word, as when a phone loses its network.
    pub async fn vanish(mut self) -> Result<CallRecord> {
        self.signalling.process.kill().await?;
        record(self.sound, self.voice, EndedBy::Nobody)
    }

    async fn end(mut self, within: Duration) -> Result<CallRecord> {
        let mut word = timeout(within, self.signalling.next_word()).await;
        // Words travel one by one: "ringing" may come after "answered".
        if matches!(&word, Ok(Ok(late)) if late == "ringing") {
            word = timeout(within, self.signalling.next_word()).await;
        }
        let ended_by = match word.with_context(|| format!("the call did not end within {within:?}"))??.as_str() {
            "ended-by-caller" => EndedBy::Caller,
            "ended-by-far-end" => EndedBy::FarEnd,
            other => bail!("the call ended strangely: {other}"),
        };
        record(self.sound, self.voice, ended_by)
    }
}

/// A call whose sound is somebody else's: the signalling alone. Dropping it cuts the line.
#[derive(Debug)]
pub struct SipLine {
    signalling: Signalling,
    remote: SocketAddr,
}

impl SipLine {
    /// Calls an extension in PCMU and says that sound is at this port of loopback; returns when it has answered.
    pub async fn dial(asterisk: &Asterisk, number: &str, audio_port: u16) -> Result<Self> {
        let mut signalling = Signalling::invite(asterisk.sip_port(), number, audio_port, Voice::Pcmu, OnRefer::Decline)?;
        let remote = signalling.answer(number).await?;
        Ok(Self { signalling, remote })
    }

    /// Where Asterisk receives this call's RTP.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Hangs up and returns when that was confirmed.
    pub async fn hang_up(mut self) -> Result<()> {
        self.signalling.press_red_button().await?;
        match timeout(PATIENCE, self.signalling.next_word()).await.context("nobody confirmed")??.as_str() {
            "ended-by-caller" => Ok(()),
            other => bail!("the call ended strangely: {other}"),
        }
    }
}

/// A call that is not answered yet. Dropping it cuts the line.
#[derive(Debug)]
pub struct Ringing {
    signalling: Signalling,
    audio: UdpSocket,
    voice: Voice,
    number: String,
}

impl Ringing {
    async fn invite(sip_port: u16, number: &str, voice: Voice) -> Result<Self> {
        Self::invite_with(sip_port, number, voice, OnRefer::Decline).await
    }

    async fn invite_with(sip_port: u16, number: &str, voice: Voice, refer: OnRefer) -> Result<Self> {
        let audio = UdpSocket::bind(("127.0.0.1", 0))?;
        let signalling = Signalling::invite(sip_port, number, audio.local_addr()?.port(), voice, refer)?;
        Ok(Self { signalling, audio, voice, number: number.to_owned() })
    }

    /// Waits for the answer.
    pub async fn answered(mut self) -> Result<SipCaller> {
        let remote = self.signalling.answer(&self.number).await?;
        SipCaller::talking(self.signalling, self.audio, remote, self.voice)
    }

    /// Hangs up before anybody answers, and returns when that was confirmed.
    pub async fn give_up(mut self) -> Result<()> {
        self.signalling.press_red_button().await?;
        match timeout(PATIENCE, self.signalling.next_word()).await.context("nobody confirmed")??.as_str() {
            "ended-by-caller" => Ok(()),
            other => bail!("failed to give up: {other}"),
        }
    }
}

fn record(sound: Sound, voice: Voice, ended_by: EndedBy) -> Result<CallRecord> {
    let recording = sound.finish()?;
    let rate_hz = voice.rate_hz();
    let super::sound::Recording { said, heard, keys, pacing } = recording;
    Ok(CallRecord { ended_by, said, heard, keys, rate_hz, pacing })
}

/// What a telephone makes of the far end's REFER.
#[derive(Clone, Copy, Debug)]
enum OnRefer {
    Follow,
    Decline,
}

impl OnRefer {
    /// As the scenario has it.
    fn word(self) -> &'static str {
        match self {
            Self::Follow => "follow",
            Self::Decline => "decline",
        }
    }
}

/// SIPp, and the two sockets by which it tells us and we tell it (see `lab/sipp/caller.xml`).
#[derive(Debug)]
pub(super) struct Signalling {
    process: Child,
    control: tokio::net::UdpSocket,
    /// Where it receives SIP, on loopback.
    pub(super) sip_port: u16,
    call_id: String,
    /// Keys pressed so far.
    keys: u32,
    /// SIPp's own files; gone with the call.
    files: TempDir,
}

impl Signalling {
    fn invite(remote_port: u16, number: &str, audio_port: u16, voice: Voice, refer: OnRefer) -> Result<Self> {
        Self::start("sipp/caller.xml", |sipp| {
            sipp.arg(format!("127.0.0.1:{remote_port}"));
            sipp.args(["-key", "number", number, "-key", "rtp", &audio_port.to_string()]);
            sipp.args(["-key", "payload", &voice.payload_type().to_string(), "-key", "encoding", voice.encoding()]);
            sipp.args(["-key", "refer", refer.word()]);
        })
    }

    /// Starts SIPp with a scenario and what it needs beside its sockets.
    pub(super) fn start(scenario: &str, needs: impl FnOnce(&mut tokio::process::Command)) -> Result<Self> {
        let control = UdpSocket::bind(("127.0.0.1", 0))?;
        control.set_nonblocking(true)?;
        let control = tokio::net::UdpSocket::from_std(control)?;
        // SIPp must be told a port; one that the kernel just had free is not given out again soon.
        let sip_port = UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let control_port = control.local_addr()?.port();
        let call_id = format!("caller-{}-{sip_port}", std::process::id());
        let files = tempfile::tempdir()?;
        let log = std::fs::File::create(files.path().join("sipp.log"))?;
        let mut sipp = tokio::process::Command::new("sipp");
        needs(&mut sipp);
        sipp.arg("-sf").arg(super::folder().join(scenario));
        sipp.args(["-i", "127.0.0.1", "-m", "1", "-nostdin", "-cid_str", &call_id, "-p", &sip_port.to_string()]);
        sipp.args(["-key", "control", &control_port.to_string(), "-trace_err", "-error_file", "errors.log"]);
        sipp.current_dir(files.path()).kill_on_drop(true);
        sipp.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = sipp.spawn().context("failed to start sipp: `cargo xtask setup` installs it")?;
        Ok(Self { process, control, sip_port, call_id, keys: 0, files })
    }

    /// What the scenario says next; an error when SIPp ends without a word.
    pub(super) async fn next_word(&mut self) -> Result<String> {
        let mut word = [0; 64];
        let length = tokio::select! {
            biased;
            received = self.control.recv(&mut word) => received?,
            status = self.process.wait() => {
                // SIPp does not wait for the command that carries its last word.
                match timeout(LAST_WORD, self.control.recv(&mut word)).await {
                    Ok(received) => received?,
                    Err(_) => bail!("SIPp ended with {}: {}", status?, self.errors()),
                }
            }
        };
        Ok(String::from_utf8_lossy(&word[..length]).trim().to_owned())
    }

    /// Waits for the answer: where the far end receives sound.
    async fn answer(&mut self, number: &str) -> Result<SocketAddr> {
        let mut word = self.next_word().await.with_context(|| format!("failed to call {number}"))?;
        if word == "ringing" {
            word = self.next_word().await?;
        }
        let Some(port) = word.strip_prefix("answered ") else { bail!("failed to call {number}: {word}") };
        Ok(SocketAddr::from(([127, 0, 0, 1], port.parse()?)))
    }

    async fn press_red_button(&mut self) -> Result<()> {
        self.tell("hang-up").await
    }

    async fn press_key(&mut self, key: char) -> Result<()> {
        // SIPp sends it with this CSeq, which must grow within the call: 1 was the INVITE's.
        self.keys += 1;
        self.tell(&format!("press {key} {}", self.keys + 1)).await
    }

    /// An INFO to SIPp, for our ears only.
    async fn tell(&mut self, what: &str) -> Result<()> {
        let info = format!(
            "INFO sip:caller@127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{control};branch=z9hG4bK-finger-{keys}\r\n\
             From: <sip:finger@127.0.0.1>;tag=finger\r\nTo: <sip:caller@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: {keys} INFO\r\n\
             Subject: {what}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            port = self.sip_port,
            control = self.control.local_addr()?.port(),
            call = self.call_id,
            keys = self.keys + 1,
        );
        self.control.send_to(info.as_bytes(), ("127.0.0.1", self.sip_port)).await?;
        Ok(())
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.files.path().join("errors.log")).unwrap_or_default()
    }
}
