//! Where the time of turns went in the last hour, by tenant and by provider: percentiles, and what they were bought with.
//!
//! Kept in memory of a known size: an hour in twelve pieces, times in buckets whose width is a thirty-second of what they hold.

mod buckets;
mod hour;

use crate::application::ports::{Observation, Observe};
use crate::application::turns::{AnsweredTurn, Stage};
use buckets::Buckets;
pub use buckets::Percentiles;
use hour::Hour;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vg_domain::call::TurnEnd;
use vg_domain::event::Role;
use vg_domain::ids::{PluginId, TenantId};
use vg_domain::turn::{LatencyParts, Owner};

/// Tenants that have figures of their own.
const TENANTS_MAX: usize = 100;
/// Plugins of a tenant in each role that do.
const PLUGINS_MAX: usize = 8;
/// Under whose name the others are counted together.
pub const OTHER: &str = "other";

/// What figures are told of, in their order: the parts of a turn, all of it, and the first words.
const MEASURES: usize = 9;
/// The whole turn.
const TOTAL: usize = 7;
/// The first words.
const FIRST_WORDS: usize = 8;

/// The figures of this gateway. Every method may be called from anywhere.
#[derive(Default)]
pub struct Latency(Mutex<Book>);

#[derive(Default)]
struct Book {
    tenants: BTreeMap<TenantId, OfTenant>,
    /// Those for whom there was no room. Apart, since a tenant may have that name.
    others: OfTenant,
}

/// Of one tenant.
#[derive(Default)]
struct OfTenant {
    all: Hour<Figures>,
    plugins: BTreeMap<(Served, PluginId), Hour<Figures>>,
}

/// What a plugin does in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Served {
    /// It hears.
    Hearing,
    /// It speaks.
    Speaking,
}

impl Served {
    /// Bounded label.
    pub fn code(self) -> &'static str {
        match self {
            Self::Hearing => Role::Hearing.code(),
            Self::Speaking => Role::Speaking.code(),
        }
    }
}

/// Of some minutes.
#[derive(Clone, Debug, Default)]
struct Figures {
    turns: u64,
    unanchored: u64,
    interrupted: u64,
    ends: Ends,
    /// By stage: kept, and not.
    slo: [[u64; 2]; Stage::ALL.len()],
    times: [Buckets; MEASURES],
}

/// How the ends of callers' turns turned out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The caller had said all, and was not waited for too long.
    pub in_time: u64,
    /// The caller went on.
    pub false_cut: u64,
    /// The caller was waited for as long as the settings allow although the words were finished.
    pub missed: u64,
    /// The agent was asked again with other words.
    pub corrected: u64,
}

/// The last hour of somebody.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Turns that got an answer.
    pub turns: u64,
    /// Of these, without a measured beginning or end: not in the times.
    pub unanchored: u64,
    /// Whose answer the caller spoke over.
    pub interrupted: u64,
    /// How their ends turned out.
    pub ends: Ends,
    /// What is promised: so many turns kept it, so many did not.
    pub slo: Vec<(Stage, u64, u64)>,
    /// Where the time went. What was never measured is not there.
    pub times: Vec<Times>,
}

/// How long a part took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Of which part: one of a turn's, `total` or `first_words`.
    pub part: &'static str,
    /// Whose time it is; none of the total.
    pub owner: Option<Owner>,
    /// How long.
    pub took: Percentiles,
}

/// Everything that is told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// By tenant.
    pub tenants: Vec<(TenantId, Told)>,
    /// By provider, of these tenants' turns: what hears has `stt` and `first_words`, what speaks has `tts`; both have the whole turns in which they served.
    pub providers: Vec<(Served, PluginId, Told)>,
}

/// Whose figures.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// One tenant's.
    Tenant(&'a TenantId),
    /// All of them.
    Everybody,
}

impl Latency {
    /// The last hour.
    pub fn page(&self, whose: Whose<'_>) -> Page {
        self.lock().page(whose, Instant::now())
    }

    /// How long a tenant's whole turns took in the last hour; none where none was measured, or the tenant has no figures of its own.
    pub fn totals(&self, tenant: &TenantId) -> Option<Percentiles> {
        self.lock().totals(tenant, Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observe for Latency {
    fn observe(&self, observation: &Observation) {
        let now = Instant::now();
        match observation {
            Observation::TurnEnded(turn) => self.lock().turn_ended(turn, now),
            Observation::FirstWords { tenant, plugin, after } => self.lock().first_words(tenant, plugin, *after, now),
            Observation::EndJudged { end, tenant, plugin } => {
                let note = |figures: &mut Figures| figures.ends.note(*end);
                self.lock().of(tenant).with(Served::Hearing, plugin, now, note);
            }
            _ => {}
        }
    }
}

impl Book {
    fn of(&mut self, tenant: &TenantId) -> &mut OfTenant {
        let room = self.tenants.len() < TENANTS_MAX || self.tenants.contains_key(tenant);
        if room { self.tenants.entry(tenant.clone()).or_default() } else { &mut self.others }
    }

    fn turn_ended(&mut self, turn: &AnsweredTurn, now: Instant) {
        let of = self.of(&turn.tenant);
        let record = &turn.record;
        let note = |figures: &mut Figures| {
            figures.turns += 1;
            figures.interrupted += u64::from(record.interrupted);
            match &record.latency {
                None => figures.unanchored += 1,
                Some(latency) => figures.note(latency),
            }
        };
        note(of.all.at(now));
        note(of.plugin(Served::Hearing, &turn.hearing).at(now));
        if let Some(speaking) = &turn.speaking {
            note(of.plugin(Served::Speaking, speaking).at(now));
        }
    }

    fn first_words(&mut self, tenant: &TenantId, plugin: &PluginId, after: Duration, now: Instant) {
        self.of(tenant).with(Served::Hearing, plugin, now, |figures| {
            figures.times[FIRST_WORDS].add(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
            figures.kept(Stage::Partial, after);
        });
    }

    fn totals(&self, tenant: &TenantId, now: Instant) -> Option<Percentiles> {
        let mut totals = Buckets::default();
        self.tenants.get(tenant)?.all.read(now).for_each(|figures| totals.join(&figures.times[TOTAL]));
        totals.percentiles()
    }

    fn page(&self, whose: Whose<'_>, now: Instant) -> Page {
        let mut page = Page::default();
        let mut providers = BTreeMap::<_, Figures>::new();
        let asked: Vec<(TenantId, &OfTenant)> = match whose {
            Whose::Tenant(own) => self.tenants.get_key_value(own).map(|(tenant, of)| (tenant.clone(), of)).into_iter().collect(),
            Whose::Everybody => {
                let others = (!self.others.plugins.is_empty()).then(|| (TenantId::new(OTHER), &self.others));
                self.tenants.iter().map(|(tenant, of)| (tenant.clone(), of)).chain(others).collect()
            }
        };
        for (tenant, of) in asked {
            let mut all = Figures::default();
            of.all.read(now).for_each(|figures| all.join(figures));
            page.tenants.push((tenant, all.told(None)));
            for (name, hour) in &of.plugins {
                let sum = providers.entry(name.clone()).or_default();
                hour.read(now).for_each(|figures| sum.join(figures));
            }
        }
        page.providers = providers.into_iter().map(|((served, plugin), sum)| (served, plugin, sum.told(Some(served)))).collect();
        page
    }
}

impl OfTenant {
    fn plugin(&mut self, served: Served, plugin: &PluginId) -> &mut Hour<Figures> {
        let of_role = self.plugins.keys().filter(|(role, _)| *role == served).count();
        let name = (served, plugin.clone());
        let room = of_role < PLUGINS_MAX || self.plugins.contains_key(&name);
        self.plugins.entry(if room { name } else { (served, PluginId::new(OTHER)) }).or_default()
    }

    /// Notes something of the tenant and of the plugin.
    fn with(&mut self, served: Served, plugin: &PluginId, now: Instant, note: impl Fn(&mut Figures)) {
        note(self.all.at(now));
        note(self.plugin(served, plugin).at(now));
    }
}

impl Figures {
    fn note(&mut self, latency: &LatencyParts) {
        for (times, part) in self.times.iter_mut().zip(latency.parts()) {
            times.add(part.ms);
        }
        self.times[TOTAL].add(latency.total_ms);
        for (stage, took) in Stage::of(latency) {
            self.kept(stage, took);
        }
    }

    fn kept(&mut self, stage: Stage, took: Duration) {
        self.slo[stage as usize][usize::from(!stage.kept(took))] += 1;
    }

    fn join(&mut self, other: &Self) {
        self.turns += other.turns;
        self.unanchored += other.unanchored;
        self.interrupted += other.interrupted;
        self.ends.join(&other.ends);
        for (sums, others) in self.slo.iter_mut().zip(&other.slo) {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
        self.times.iter_mut().zip(&other.times).for_each(|(times, other)| times.join(other));
    }

    /// Of a plugin only what it has a part in.
    fn told(&self, served: Option<Served>) -> Told {
        let names = LatencyParts::default().parts().map(|part| (part.name, Some(part.owner)));
        let names = names.into_iter().chain([("total", None), ("first_words", Some(Owner::Provider))]);
        let its = |part: &str| match served {
            None => true,
            Some(Served::Hearing) => matches!(part, "stt" | "total" | "first_words"),
            Some(Served::Speaking) => matches!(part, "tts" | "total"),
        };
        let times = names.zip(&self.times).filter(|((part, _), _)| its(part));
        let times = times.filter_map(|((part, owner), times)| Some(Times { part, owner, took: times.percentiles()? }));
        let slo = Stage::ALL.into_iter().zip(self.slo).map(|(stage, [kept, not])| (stage, kept, not));
        let its = |stage: Stage| match served {
            None => true,
            Some(Served::Hearing) => stage == Stage::Partial,
            Some(Served::Speaking) => stage == Stage::Tts,
        };
        Told {
            turns: self.turns,
            unanchored: self.unanchored,
            interrupted: self.interrupted,
            ends: self.ends,
            slo: slo.filter(|(stage, kept, not)| its(*stage) && kept + not > 0).collect(),
            times: times.collect(),
        }
    }
}

impl Ends {
    fn note(&mut self, end: TurnEnd) {
        *match end {
            TurnEnd::InTime => &mut self.in_time,
            TurnEnd::FalseCut => &mut self.false_cut,
            TurnEnd::Missed => &mut self.missed,
            TurnEnd::Corrected => &mut self.corrected,
        } += 1;
    }

    fn join(&mut self, other: &Self) {
        self.in_time += other.in_time;
        self.false_cut += other.false_cut;
        self.missed += other.missed;
        self.corrected += other.corrected;
    }

    /// All of them.
    pub fn judged(&self) -> u64 {
        self.in_time + self.false_cut + self.missed + self.corrected
    }

    /// So large a share of turns was cut off while the caller still spoke; none where none were judged.
    pub fn false_cut_rate(&self) -> Option<f64> {
        self.share(self.false_cut)
    }

    /// So large a share was waited for though it was over.
    pub fn missed_rate(&self) -> Option<f64> {
        self.share(self.missed)
    }

    fn share(&self, of: u64) -> Option<f64> {
        (self.judged() > 0).then(|| of as f64 / self.judged() as f64)
    }
}

#[cfg(test)]
mod tests;
