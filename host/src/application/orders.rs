//! Which calls are live, and the way to give them orders.

use super::limits;
use super::ports::{CallOrder, OrderError, Orders};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, oneshot};
use vg_domain::ids::{CallId, TenantId};

/// An order and where its answer goes. Dropping the answer says that the call has ended.
#[derive(Debug)]
pub struct Ordered {
    /// What is to be done.
    pub order: CallOrder,
    /// What became of it.
    pub answer: oneshot::Sender<Result<(), OrderError>>,
}

/// The live calls, by name.
#[derive(Debug, Default)]
pub struct Directory {
    calls: Mutex<HashMap<CallId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    tenant: TenantId,
    orders: mpsc::Sender<Ordered>,
}

/// A call's place in the [`Directory`]; dropping it strikes the call out.
#[derive(Debug)]
pub struct Listed {
    directory: Arc<Directory>,
    call: CallId,
}

impl Directory {
    /// Lists a call. Its orders come by the receiver.
    pub fn list(self: &Arc<Self>, tenant: TenantId, call: CallId) -> (Listed, mpsc::Receiver<Ordered>) {
        let (orders, taken) = mpsc::channel(limits::CALL_ORDERS);
        self.lock().insert(call.clone(), Entry { tenant, orders });
        (Listed { directory: Arc::clone(self), call }, taken)
    }

    /// Calls that are up now.
    pub(super) fn calls(&self) -> Vec<CallId> {
        self.lock().keys().cloned().collect()
    }

    fn orders_of(&self, tenant: &TenantId, call: &CallId) -> Option<mpsc::Sender<Ordered>> {
        let calls = self.lock();
        calls.get(call).filter(|entry| entry.tenant == *tenant).map(|entry| entry.orders.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallId, Entry>> {
        // Nothing panics while it is held.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders for Directory {
    fn order<'a>(&'a self, tenant: &'a TenantId, call: &'a CallId, order: CallOrder) -> BoxFuture<'a, Result<(), OrderError>> {
        Box::pin(async move {
            let orders = self.orders_of(tenant, call).ok_or(OrderError::UnknownCall)?;
            let (answer, answered) = oneshot::channel();
            orders.try_send(Ordered { order, answer }).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => OrderError::Busy,
                mpsc::error::TrySendError::Closed(_) => OrderError::UnknownCall,
            })?;
            answered.await.unwrap_or(Err(OrderError::UnknownCall))
        })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.directory.lock().remove(&self.call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_order_reaches_its_tenants_call_only_and_a_call_that_ended_has_none() {
        let directory = Arc::new(Directory::default());
        let (acme, call) = (TenantId::new("acme"), CallId::new("1"));
        let (listed, mut orders) = directory.list(acme.clone(), call.clone());
        let other = directory.order(&TenantId::new("other"), &call, CallOrder::HangUp).await;
        assert_eq!(other, Err(OrderError::UnknownCall));
        let serve = async {
            let ordered = orders.recv().await.unwrap();
            assert_eq!(ordered.order, CallOrder::HangUp);
            ordered.answer.send(Ok(())).unwrap();
        };
        let (answered, ()) = tokio::join!(directory.order(&acme, &call, CallOrder::HangUp), serve);
        assert_eq!(answered, Ok(()));
        drop(listed);
        assert_eq!(directory.order(&acme, &call, CallOrder::HangUp).await, Err(OrderError::UnknownCall));
    }

    #[tokio::test]
    async fn a_call_that_is_behind_with_its_orders_takes_no_further_one() {
        let directory = Arc::new(Directory::default());
        let (acme, call) = (TenantId::new("acme"), CallId::new("1"));
        let (_listed, _orders) = directory.list(acme.clone(), call.clone());
        let mut waiting: Vec<_> = (0..limits::CALL_ORDERS).map(|_| directory.order(&acme, &call, CallOrder::HangUp)).collect();
        for order in &mut waiting {
            assert!(futures_util::poll!(order).is_pending());
        }
        assert_eq!(directory.order(&acme, &call, CallOrder::HangUp).await, Err(OrderError::Busy));
    }
}
