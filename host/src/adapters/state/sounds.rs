//! What callers said last, for whoever goes on with their calls: mu-law by the second in a stream for each call, sealed by the operator's key.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random nonce; call and epoch are bound to it, so that what a holder writes that has lost the call opens for nobody.

use super::keys;
use super::scripts::ms;
use crate::application::ports::{Epoch, Sound};
use redis::{Cmd, cmd};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use vg_domain::ids::CallId;
use vg_media::codec::g711;
use vg_media::resample;

/// Of the telephone.
const RATE_HZ: u32 = 8_000;
/// Seconds of a call that are there.
const PIECES: usize = 3;
/// What nobody has taken by then is of no use.
const KEPT: Duration = Duration::from_secs(10);
/// Seconds of all calls that wait for Redis. When full: the oldest is let go.
const WAITING_MAX: usize = 4_096;

/// Keeps sounds.
pub(super) struct Sounds {
    key: LessSafeKey,
    random: SystemRandom,
    waiting: Mutex<VecDeque<Piece>>,
    wake: Notify,
}

enum Piece {
    Keep(CallId, Vec<u8>),
    Forget(CallId),
}

impl Sounds {
    /// None for a key of another length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { key, random: SystemRandom::new(), waiting: Mutex::default(), wake: Notify::new() })
    }

    pub(super) fn keep(&self, call: &CallId, epoch: Epoch, sound: &Sound) {
        if let Some(sealed) = self.seal(call, epoch, sound) {
            self.push(Piece::Keep(call.clone(), sealed));
        }
    }

    pub(super) fn forget(&self, call: &CallId) {
        // What still waits of it is nothing to write any more.
        self.lock().retain(|piece| !matches!(piece, Piece::Keep(kept, _) if kept == call));
        self.push(Piece::Forget(call.clone()));
    }

    fn push(&self, piece: Piece) {
        let mut waiting = self.lock();
        if waiting.len() >= WAITING_MAX
            && let Some(oldest) = waiting.iter().position(|piece| matches!(piece, Piece::Keep(..)))
        {
            waiting.remove(oldest);
        }
        waiting.push_back(piece);
        drop(waiting);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Piece>> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until something is to be written. Cancel-safe.
    pub(super) async fn waiting(&self) {
        while self.lock().is_empty() {
            self.wake.notified().await;
        }
    }

    /// What is to be written, so many pieces of it.
    pub(super) fn take(&self, max: usize) -> Vec<Cmd> {
        let mut waiting = self.lock();
        let taken = max.min(waiting.len());
        waiting.drain(..taken).flat_map(Piece::commands).collect()
    }

    fn seal(&self, call: &CallId, epoch: Epoch, sound: &Sound) -> Option<Vec<u8>> {
        let pcm = resample::convert(&sound.pcm, sound.rate_hz, RATE_HZ).ok()?;
        let mut wire = vec![0; pcm.len()];
        g711::encode_ulaw(&pcm, &mut wire);
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound(call, epoch), &mut wire).ok()?;
        Some([&nonce[..], &wire].concat())
    }

    /// What its holder of that epoch kept of a call; none where nothing of it opens.
    pub(super) fn open(&self, call: &CallId, epoch: Epoch, sealed: &[Vec<u8>]) -> Option<Sound> {
        let mut pcm = Vec::new();
        for piece in sealed {
            let Some((nonce, wire)) = piece.split_first_chunk::<NONCE_LEN>() else { continue };
            let mut wire = wire.to_vec();
            let Ok(wire) = self.key.open_in_place(Nonce::assume_unique_for_key(*nonce), bound(call, epoch), &mut wire) else {
                continue;
            };
            let begin = pcm.len();
            pcm.resize(begin + wire.len(), 0);
            g711::decode_ulaw(wire, &mut pcm[begin..]);
        }
        (!pcm.is_empty()).then_some(Sound { rate_hz: RATE_HZ, pcm })
    }
}

fn bound(call: &CallId, epoch: Epoch) -> Aad<Vec<u8>> {
    Aad::from(format!("{call} {epoch}").into_bytes())
}

impl Piece {
    fn commands(self) -> Vec<Cmd> {
        match self {
            Self::Keep(call, sealed) => {
                let key = keys::audio(&call);
                let mut add = cmd("XADD");
                add.arg(&key).arg("MAXLEN").arg(PIECES).arg("*").arg("s").arg(sealed);
                let mut lasts = cmd("PEXPIRE");
                lasts.arg(&key).arg(ms(KEPT));
                vec![add, lasts]
            }
            Self::Forget(call) => {
                let mut forget = cmd("DEL");
                forget.arg(keys::audio(&call));
                vec![forget]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize) -> Sound {
        let pcm = (0..samples).map(|n| ((n as f32 * 0.3).sin() * 8_000.0) as i16).collect();
        Sound { rate_hz: 16_000, pcm }
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_its_call_and_its_epoch_alone() {
        let (sounds, call) = (Sounds::new(&[7; 32]).unwrap(), CallId::new("call-1"));
        let sealed =
            vec![sounds.seal(&call, Epoch(2), &tone(16_000)).unwrap(), sounds.seal(&call, Epoch(2), &tone(16_000)).unwrap()];
        assert_ne!(sealed[0], sealed[1], "a nonce is used once");
        let Sound { rate_hz, pcm } = sounds.open(&call, Epoch(2), &sealed).unwrap();
        assert_eq!((rate_hz, pcm.len()), (8_000, 16_000));
        assert!(pcm.iter().any(|sample| *sample > 6_000), "it is the tone");
        assert!(Sounds::new(&[8; 32]).unwrap().open(&call, Epoch(2), &sealed).is_none());
        assert!(sounds.open(&call, Epoch(1), &sealed).is_none());
        assert!(sounds.open(&CallId::new("call-2"), Epoch(2), &sealed).is_none());
        let mut broken = sealed.clone();
        broken[0][20] ^= 1;
        broken.push(vec![1, 2, 3]);
        assert_eq!(sounds.open(&call, Epoch(2), &broken).unwrap().pcm.len(), 8_000, "the other piece opens");
        assert!(Sounds::new(&[7; 31]).is_none());
    }

    #[test]
    fn what_waits_is_bounded_and_goes_with_its_call() {
        let sounds = Sounds::new(&[7; 32]).unwrap();
        let (one, other) = (CallId::new("one"), CallId::new("other"));
        sounds.keep(&one, Epoch::FIRST, &tone(160));
        sounds.keep(&other, Epoch::FIRST, &tone(160));
        sounds.forget(&one);
        assert_eq!(sounds.take(10).len(), 2 + 1, "one piece of the other call, and one deletion");
        (0..2 * WAITING_MAX).for_each(|_| sounds.keep(&other, Epoch::FIRST, &tone(160)));
        assert_eq!(sounds.take(usize::MAX).len(), 2 * WAITING_MAX);
    }
}
