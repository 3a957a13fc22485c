//! What callers said last, for whoever goes on with their calls: mu-law by the second in a stream for each call, sealed by the operator's key.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random nonce; call and epoch are bound to it, so that what a holder writes that has lost the call opens for nobody.

use super::keys;
use super::leases::one;
use super::scripts::ms;
use crate::application::ports::{Epoch, Sound};
use redis::{Cmd, cmd};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::{HashMap, VecDeque};
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
/// Calls of which something waits for Redis, and seconds of all of them. When full: the call that has waited longest is let go. What Redis has of it goes by
/// itself after [`KEPT`].
const CALLS_MAX: usize = 4_096;
const SECONDS_MAX: usize = 4_096;

/// Keeps sounds.
pub(super) struct Sounds {
    key: LessSafeKey,
    random: SystemRandom,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

/// What waits for Redis.
#[derive(Default)]
struct Waiting {
    calls: HashMap<CallId, Heap>,
    /// The same calls, in the order in which they began to wait. *Invariant:* each stands there once.
    order: VecDeque<CallId>,
    /// Of all calls.
    seconds: usize,
}

/// What waits of one call.
#[derive(Default)]
struct Heap {
    /// What is there is deleted first.
    forget: bool,
    sealed: VecDeque<Vec<u8>>,
}

impl Sounds {
    /// None for a key of another length.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { key, random: SystemRandom::new(), waiting: Mutex::default(), wake: Notify::new() })
    }

    pub(super) fn keep(&self, call: &CallId, epoch: Epoch, sound: &Sound) {
        if let Some(sealed) = self.seal(call, epoch, sound) {
            self.lock().keep(call, sealed);
            self.wake.notify_one();
        }
    }

    pub(super) fn forget(&self, call: &CallId) {
        self.lock().forget(call);
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing panics while it is held.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until something is to be written. Cancel-safe.
    pub(super) async fn waiting(&self) {
        while self.lock().order.is_empty() {
            self.wake.notified().await;
        }
    }

    /// What is to be written: of as many calls as take so many commands.
    pub(super) fn take(&self, enough: usize) -> Vec<Cmd> {
        let (mut waiting, mut commands) = (self.lock(), Vec::new());
        while commands.len() < enough
            && let Some((call, heap)) = waiting.pop()
        {
            commands.extend(heap.commands(&call));
        }
        commands
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

impl Waiting {
    fn keep(&mut self, call: &CallId, sealed: Vec<u8>) {
        let heap = self.of(call);
        heap.sealed.push_back(sealed);
        // Redis keeps no more of them either.
        let more = heap.sealed.len() > PIECES;
        if more {
            heap.sealed.pop_front();
        }
        self.seconds += usize::from(!more);
        while self.seconds > SECONDS_MAX {
            self.pop();
        }
    }

    fn forget(&mut self, call: &CallId) {
        // What still waits of it is nothing to write any more.
        let forgotten = std::mem::replace(self.of(call), Heap { forget: true, sealed: VecDeque::new() });
        self.seconds -= forgotten.sealed.len();
    }

    fn of(&mut self, call: &CallId) -> &mut Heap {
        if !self.calls.contains_key(call) {
            if self.order.len() >= CALLS_MAX {
                self.pop();
            }
            self.order.push_back(call.clone());
        }
        self.calls.entry(call.clone()).or_default()
    }

    /// The call that has waited longest.
    fn pop(&mut self) -> Option<(CallId, Heap)> {
        let call = self.order.pop_front()?;
        let heap = self.calls.remove(&call).unwrap_or_default();
        self.seconds -= heap.sealed.len();
        Some((call, heap))
    }
}

impl Heap {
    fn commands(self, call: &CallId) -> Vec<Cmd> {
        let (key, mut commands) = (keys::audio(call), Vec::new());
        if self.forget {
            commands.push(one("DEL", &key));
        }
        for sealed in self.sealed {
            let mut add = cmd("XADD");
            add.arg(&key).arg("MAXLEN").arg(PIECES).arg("*").arg("s").arg(sealed);
            let mut lasts = cmd("PEXPIRE");
            lasts.arg(&key).arg(ms(KEPT));
            commands.extend([add, lasts]);
        }
        commands
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

    /// Names of the commands that are taken.
    fn taken(sounds: &Sounds, enough: usize) -> Vec<String> {
        let commands = sounds.take(enough);
        let packed = commands.iter().map(|command| String::from_utf8_lossy(&command.get_packed_command()).into_owned());
        // `*2`, `$3`, `DEL`, and the rest.
        packed.map(|packed| packed.split("\r\n").nth(2).unwrap().to_owned()).collect()
    }

    #[test]
    fn what_waits_goes_with_its_call_and_what_is_there_is_deleted_first() {
        let sounds = Sounds::new(&[7; 32]).unwrap();
        let (one, other) = (CallId::new("one"), CallId::new("other"));
        sounds.keep(&one, Epoch::FIRST, &tone(160));
        sounds.keep(&other, Epoch::FIRST, &tone(160));
        sounds.forget(&one);
        assert_eq!(taken(&sounds, 10), ["DEL", "XADD", "PEXPIRE"], "the other call's sound alone is written");
        sounds.forget(&one);
        sounds.keep(&one, Epoch::FIRST, &tone(160));
        sounds.forget(&other);
        assert_eq!(taken(&sounds, 1), ["DEL", "XADD", "PEXPIRE"]);
        assert_eq!(taken(&sounds, 1), ["DEL"]);
        assert!(taken(&sounds, 1).is_empty());
    }

    #[test]
    fn of_one_call_a_bounded_amount_waits_however_long_redis_is_away() {
        let sounds = Sounds::new(&[7; 32]).unwrap();
        let call = CallId::new("call");
        for _ in 0..100 {
            sounds.forget(&call);
            (0..2 * PIECES).for_each(|_| sounds.keep(&call, Epoch::FIRST, &tone(160)));
        }
        assert_eq!(sounds.lock().seconds, PIECES);
        assert_eq!(taken(&sounds, usize::MAX).len(), 1 + 2 * PIECES);
        (0..100).for_each(|_| sounds.forget(&call));
        assert_eq!(taken(&sounds, usize::MAX), ["DEL"]);
        assert_eq!(sounds.lock().seconds, 0);
    }

    #[test]
    fn of_all_calls_a_bounded_amount_waits_and_the_first_give_way() {
        let sounds = Sounds::new(&[7; 32]).unwrap();
        let call = |n: usize| CallId::new(n.to_string());
        (0..CALLS_MAX + 10).for_each(|n| sounds.forget(&call(n)));
        {
            let waiting = sounds.lock();
            assert_eq!((waiting.order.len(), waiting.calls.len()), (CALLS_MAX, CALLS_MAX));
            assert!(!waiting.calls.contains_key(&call(9)) && waiting.calls.contains_key(&call(10)));
        }
        assert_eq!(taken(&sounds, usize::MAX).len(), CALLS_MAX);
        let sound = tone(160);
        let calls = SECONDS_MAX / PIECES + 10;
        for n in 0..calls {
            (0..PIECES).for_each(|_| sounds.keep(&call(n), Epoch::FIRST, &sound));
        }
        let waiting = sounds.lock();
        assert!((SECONDS_MAX - PIECES..=SECONDS_MAX).contains(&waiting.seconds), "{} s", waiting.seconds);
        assert_eq!(waiting.seconds, waiting.calls.values().map(|heap| heap.sealed.len()).sum::<usize>());
        assert!(!waiting.calls.contains_key(&call(0)) && waiting.calls.contains_key(&call(calls - 1)));
    }
}
