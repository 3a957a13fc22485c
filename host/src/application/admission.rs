//! Who may have a call: seats at the gateway and seats of a tenant, counted exactly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use vg_domain::ids::TenantId;
use vg_domain::refusal::Refusal;
use vg_domain::tenant::TenantSettings;

/// Counts calls. A seat is given back by dropping it, so that none is lost whatever becomes of its call.
#[derive(Debug)]
pub struct Admission {
    calls_max: usize,
    live: Arc<AtomicUsize>,
    /// *Invariant:* no tenant without a call is in it, so that it stays as small as what is live.
    tenants: Mutex<HashMap<TenantId, usize>>,
}

/// A call's seat at the gateway.
#[derive(Debug)]
#[must_use]
pub struct Seat(Arc<AtomicUsize>);

/// A call's seat at its tenant.
#[derive(Debug)]
#[must_use]
pub struct TenantSeat {
    admission: Arc<Admission>,
    tenant: TenantId,
}

impl Admission {
    /// Nobody is there yet.
    pub fn new(calls_max: usize) -> Self {
        Self { calls_max, live: Arc::default(), tenants: Mutex::default() }
    }

    /// Calls that have a seat at this moment; readable from anywhere.
    pub fn live(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.live)
    }

    /// Calls of a tenant at this moment.
    pub fn live_of(&self, tenant: &TenantId) -> usize {
        self.tenants(|tenants| tenants.get(tenant).copied().unwrap_or(0))
    }

    /// A seat at the gateway.
    ///
    /// # Errors
    /// [`Refusal::OverLimit`] where there is none.
    pub fn seat(&self) -> Result<Seat, Refusal> {
        let taken = |live| (live < self.calls_max).then_some(live + 1);
        match self.live.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken) {
            Ok(_) => Ok(Seat(Arc::clone(&self.live))),
            Err(_) => Err(Refusal::OverLimit),
        }
    }

    /// A seat at the tenant.
    ///
    /// # Errors
    /// [`Refusal::TenantOverLimit`] where the tenant has as many calls as it may.
    pub fn seat_of(self: &Arc<Self>, settings: &TenantSettings) -> Result<TenantSeat, Refusal> {
        let tenant = settings.tenant.clone();
        self.tenants(|tenants| {
            let live = tenants.get(&tenant).copied().unwrap_or(0);
            if settings.calls_max.is_some_and(|calls_max| live >= calls_max.get()) {
                return Err(Refusal::TenantOverLimit);
            }
            tenants.insert(tenant.clone(), live + 1);
            Ok(())
        })?;
        Ok(TenantSeat { admission: Arc::clone(self), tenant })
    }

    fn tenants<T>(&self, look: impl FnOnce(&mut HashMap<TenantId, usize>) -> T) -> T {
        // Nothing panics while it is held.
        look(&mut self.tenants.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for TenantSeat {
    fn drop(&mut self) {
        self.admission.tenants(|tenants| match tenants.get_mut(&self.tenant) {
            Some(live) if *live > 1 => *live -= 1,
            _ => drop(tenants.remove(&self.tenant)),
        });
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::num::NonZeroUsize;
    use vg_domain::ids::PluginId;
    use vg_domain::tenant::{Ladder, Provider};

    const CALLS_MAX: usize = 12;

    /// Settings of a tenant that says nothing.
    pub(in crate::application) fn settings(tenant: &str, calls_max: usize) -> TenantSettings {
        let provider = || Ladder::from(Provider::new(PluginId::new("none"), "{}"));
        let settings = TenantSettings::new(TenantId::new(tenant), "", provider(), provider());
        TenantSettings { calls_max: NonZeroUsize::new(calls_max), ..settings }
    }

    /// A generator of the numbers of SplitMix64.
    struct Dice(u64);

    impl Dice {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
        }
    }

    #[test]
    fn whatever_comes_and_goes_the_counts_are_exact_and_no_limit_is_passed() {
        let tenants = [settings("a", 3), settings("b", 5), settings("c", 0)];
        for seed in 0..200 {
            let mut dice = Dice(seed);
            let admission = Arc::new(Admission::new(CALLS_MAX));
            let mut held: Vec<(usize, Seat, TenantSeat)> = Vec::new();
            for _ in 0..400 {
                if dice.below(3) == 0 && !held.is_empty() {
                    drop(held.swap_remove(dice.below(held.len())));
                } else {
                    let which = dice.below(tenants.len());
                    let of_tenant = held.iter().filter(|(tenant, ..)| *tenant == which).count();
                    let full = tenants[which].calls_max.is_some_and(|calls_max| of_tenant >= calls_max.get());
                    match admission.seat() {
                        Err(refusal) => assert_eq!((refusal, held.len()), (Refusal::OverLimit, CALLS_MAX), "seed {seed}"),
                        Ok(seat) => match admission.seat_of(&tenants[which]) {
                            Ok(tenant_seat) if !full => held.push((which, seat, tenant_seat)),
                            Ok(_) => panic!("seed {seed}: a call beyond the tenant's limit"),
                            Err(refusal) => assert_eq!((refusal, full), (Refusal::TenantOverLimit, true), "seed {seed}"),
                        },
                    }
                }
                assert_eq!(admission.live().load(Ordering::Relaxed), held.len(), "seed {seed}");
                for (which, settings) in tenants.iter().enumerate() {
                    let of_tenant = held.iter().filter(|(tenant, ..)| *tenant == which).count();
                    assert_eq!(admission.live_of(&settings.tenant), of_tenant, "seed {seed}");
                }
            }
            held.clear();
            assert_eq!(admission.live().load(Ordering::Relaxed), 0);
            assert!(admission.tenants(|tenants| tenants.is_empty()), "seed {seed}: a tenant without a call is kept");
        }
    }

    #[test]
    fn seats_taken_by_many_threads_at_once_are_never_more_than_there_are() {
        let admission = Arc::new(Admission::new(CALLS_MAX));
        let settings = settings("a", 5);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..2_000 {
                        let seat = admission.seat();
                        let of_tenant = seat.as_ref().ok().map(|_| admission.seat_of(&settings));
                        assert!(admission.live().load(Ordering::Relaxed) <= CALLS_MAX);
                        assert!(admission.live_of(&settings.tenant) <= 5);
                        drop((seat, of_tenant));
                    }
                });
            }
        });
        assert_eq!((admission.live().load(Ordering::Relaxed), admission.live_of(&settings.tenant)), (0, 0));
    }
}
