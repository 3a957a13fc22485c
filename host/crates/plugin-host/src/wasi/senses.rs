//! What a guest perceives of time and chance: nothing but what its session was told.

use crate::guest::Guest;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use wasmtime::component::Resource;
use wasmtime::{Result, bail};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::io::poll::{self, HostPollable};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

/// An alarm of a clock that stands still: it has gone off, or never will.
enum Alarm {
    Past,
    Never,
}

#[async_trait]
impl Pollable for Alarm {
    async fn ready(&mut self) {
        if let Self::Never = self {
            std::future::pending().await
        }
    }
}

/// The answer that is there already.
///
/// # Errors
/// Where it would have to be waited for: nothing can happen while a guest runs.
async fn at_once<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let mut answer = pin!(answer);
    poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(answer),
        Poll::Pending => Poll::Ready(Err(wasmtime::Error::msg("plugin waited: it may set a timer instead"))),
    })
    .await
}

impl poll::Host for Guest {
    async fn poll(&mut self, of: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        at_once(self.world().table.poll(of)).await
    }
}

impl HostPollable for Guest {
    async fn ready(&mut self, what: Resource<DynPollable>) -> Result<bool> {
        HostPollable::ready(&mut self.world().table, what).await
    }

    async fn block(&mut self, what: Resource<DynPollable>) -> Result<()> {
        at_once(self.world().table.block(what)).await
    }

    fn drop(&mut self, what: Resource<DynPollable>) -> Result<()> {
        HostPollable::drop(&mut self.world().table, what)
    }
}

impl Guest {
    fn mono_ns(&self) -> u64 {
        self.now().mono_us.saturating_mul(1000)
    }

    fn alarm(&mut self, past: bool) -> Result<Resource<DynPollable>> {
        let table = &mut self.world().table;
        let alarm = table.push(if past { Alarm::Past } else { Alarm::Never })?;
        subscribe(table, alarm)
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> Result<u64> {
        Ok(self.mono_ns())
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(1000)
    }

    fn subscribe_instant(&mut self, when: u64) -> Result<Resource<DynPollable>> {
        self.alarm(when <= self.mono_ns())
    }

    fn subscribe_duration(&mut self, wait: u64) -> Result<Resource<DynPollable>> {
        self.alarm(wait == 0)
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> Result<wall_clock::Datetime> {
        let ms = Guest::now(self).unix_ms;
        Ok(wall_clock::Datetime { seconds: ms / 1000, nanoseconds: (ms % 1000) as u32 * 1_000_000 })
    }

    fn resolution(&mut self) -> Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1_000_000 })
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        match self.world().chance.bytes(len) {
            Some(bytes) => Ok(bytes),
            None => bail!("plugin asked for {len} random bytes"),
        }
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.world().chance.number())
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        random::Host::get_random_bytes(self, len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.world().chance.number())
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        let chance = &mut self.world().chance;
        Ok((chance.number(), chance.number()))
    }
}
