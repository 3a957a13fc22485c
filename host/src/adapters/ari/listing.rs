//! What there is in an Asterisk, asked for once where many ask at the same moment: a gateway that dies leaves hundreds of callers, and a list of all channels
//! for each of them would be what their takeover waits for.

use crate::application::ports::TelephonyError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// A list is good for so long. Who has died changes nothing any more.
const FRESH: Duration = Duration::from_millis(100);

/// The last list of something, and when it was asked for.
pub(super) struct Listing<T>(Mutex<Option<(Instant, Arc<[T]>)>>);

impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Listing<T> {
    /// The list, as it was at most [`FRESH`] before.
    pub(super) async fn get(
        &self,
        ask: impl Future<Output = Result<Vec<T>, TelephonyError>>,
    ) -> Result<Arc<[T]>, TelephonyError> {
        // Held while it is asked for: whoever comes meanwhile waits for the same answer.
        let mut last = self.0.lock().await;
        if let Some((asked, list)) = &*last
            && asked.elapsed() < FRESH
        {
            return Ok(Arc::clone(list));
        }
        let asked = Instant::now();
        let list: Arc<[T]> = ask.await?.into();
        *last = Some((asked, Arc::clone(&list)));
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::join_all;
    use std::cell::Cell;
    use tokio::time::{advance, sleep};

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_together_are_one_and_later_it_is_asked_again() {
        let (listing, asked) = (Listing::default(), Cell::new(0));
        let ask = || async {
            asked.set(asked.get() + 1);
            sleep(FRESH / 2).await;
            Ok(vec![asked.get()])
        };
        let all = join_all((0..50).map(|_| listing.get(ask()))).await;
        assert!(all.iter().all(|list| list.as_deref() == Ok(&[1])) && asked.get() == 1);
        advance(FRESH).await;
        assert_eq!(listing.get(ask()).await.as_deref(), Ok(&[2][..]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_answered_is_asked_again_at_once() {
        let listing = Listing::default();
        assert_eq!(listing.get(async { Err::<Vec<u8>, _>(TelephonyError::Unreachable) }).await, Err(TelephonyError::Unreachable));
        assert_eq!(listing.get(async { Ok(vec![7]) }).await.as_deref(), Ok(&[7][..]));
    }
}
