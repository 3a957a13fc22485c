//! Somebody who is called.

use super::caller::{Signalling, SipCaller};
use super::voice::Voice;
use anyhow::{Result, bail};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::timeout;

/// Longer than any test wants to wait for somebody's telephone to ring.
const PATIENCE: Duration = Duration::from_secs(15);

/// A telephone that waits for one call (see `lab/sipp/callee.xml`: the number that is dialled says what it does). Dropping it cuts the line.
#[derive(Debug)]
pub struct SipCallee {
    signalling: Signalling,
    audio: UdpSocket,
}

impl SipCallee {
    /// Waits for a call from now on.
    pub fn waiting() -> Result<Self> {
        let audio = UdpSocket::bind(("127.0.0.1", 0))?;
        let port = audio.local_addr()?.port().to_string();
        let signalling = Signalling::start("sipp/callee.xml", |sipp| {
            sipp.args(["-key", "rtp", &port]);
        })?;
        Ok(Self { signalling, audio })
    }

    /// How a tenant's `[outbound] trunk` reaches it.
    pub fn trunk(&self) -> String {
        format!("PJSIP/caller/sip:{{digits}}@127.0.0.1:{}", self.signalling.sip_port)
    }

    /// What happens next: `ringing`, `refused`, `cancelled`.
    pub async fn next_word(&mut self) -> Result<String> {
        match timeout(PATIENCE, self.signalling.next_word()).await {
            Ok(word) => word,
            Err(_) => bail!("nothing happens at the called side"),
        }
    }

    /// Waits until it has answered: from then on it hears and speaks.
    pub async fn answers(mut self) -> Result<SipCaller> {
        loop {
            let word = self.next_word().await?;
            match word.strip_prefix("answered ") {
                Some(port) => {
                    let remote = SocketAddr::from(([127, 0, 0, 1], port.parse()?));
                    return SipCaller::talking(self.signalling, self.audio, remote, Voice::Pcmu);
                }
                None if word == "ringing" => {}
                None => bail!("the called side does not answer: {word}"),
            }
        }
    }
}
