//! A guest on a stage: an owner with cues, a vendor with a script, and time that is only counted.

mod course;
mod vendor;

pub(crate) use course::{Course, Heard, Progress};
pub(crate) use vendor::{Line, Part, Vendor};

use std::collections::{BTreeMap, VecDeque};
use vg_plugin_host::api::{Fault, LinkId, Now, SessionStart};
use vg_plugin_host::recording::{AnyInstance, Said, Told};
use vg_plugin_host::{Plugin, SessionError};

/// Calls of the guest in one play: one that takes more is spinning.
const CALLS_MAX: usize = 50_000;
/// A timer of 0 ms comes back after this long, as with an owner who takes what it is given.
const AT_ONCE_MS: u64 = 1;
/// Wall-clock time of the first input; any would do.
const EPOCH_MS: u64 = 1_700_000_000_000;

/// The owner says something.
#[derive(Clone, Debug)]
pub(crate) struct Cue {
    pub(crate) at_ms: u64,
    pub(crate) told: Told,
}

/// One play: everything that will happen, from the guest's side of the wall.
pub(crate) struct Play<'a> {
    pub(crate) plugin: &'a Plugin,
    pub(crate) start: SessionStart,
    /// By time.
    pub(crate) cues: Vec<Cue>,
    pub(crate) vendor: Vendor,
    /// When the curtain falls.
    pub(crate) until_ms: u64,
    /// After so many calls the owner says this instead of everything it still had to say, but `end`.
    pub(crate) interruption: Option<(usize, Told)>,
}

/// Which line of the vendor's script: the link's part and the place in it.
pub(crate) type LineAt = (usize, usize);

/// What was told or said.
#[derive(Clone, Debug)]
pub(crate) enum What {
    Told(Told, Option<LineAt>),
    Said(Said),
}

/// Everything that happened, in order.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) moments: Vec<(u64, What)>,
    pub(crate) end: End,
    /// Links that were asked for.
    pub(crate) links: usize,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Done,
    Failed(Fault),
    Fell(SessionError),
    /// The curtain fell and the session was still there.
    Open,
    /// It never came to rest.
    Spins,
}

struct Stage<'a> {
    guest: AnyInstance,
    cues: VecDeque<Cue>,
    vendor: &'a mut Vendor,
    timers: BTreeMap<u32, u64>,
    route: Option<LinkId>,
    now_ms: u64,
    moments: Vec<(u64, What)>,
    calls: usize,
}

impl Play<'_> {
    /// Plays to the end.
    pub(crate) fn perform(mut self) -> Trace {
        let mut guest = match AnyInstance::open(self.plugin) {
            Ok(guest) => guest,
            Err(error) => return Trace { moments: vec![], end: End::Fell(error), links: 0 },
        };
        guest.make_up_signatures();
        let mut stage = Stage {
            guest,
            cues: self.cues.into(),
            vendor: &mut self.vendor,
            timers: BTreeMap::new(),
            route: None,
            now_ms: 0,
            moments: Vec::new(),
            calls: 0,
        };
        let mut end = stage.tell(Told::Start(self.start), None);
        while end.is_none() {
            if let Some((_, told)) = self.interruption.take_if(|(after, _)| stage.calls >= *after) {
                stage.cues.retain(|cue| matches!(cue.told, Told::End) && !matches!(told, Told::End));
                end = stage.tell(told, None);
                continue;
            }
            end = stage.next(self.until_ms);
        }
        let moments = std::mem::take(&mut stage.moments);
        Trace { moments, end: end.unwrap_or(End::Open), links: self.vendor.links() }
    }
}

/// What comes next. Where two things come at once the vendor is first, then timers: what was on its way arrives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    News(LinkId),
    Timer(u32),
    Cue,
}

impl Stage<'_> {
    fn next(&mut self, until_ms: u64) -> Option<End> {
        let news = self.vendor.due().map(|(at, id)| (at, Next::News(id)));
        let timer = self.timers.iter().map(|(id, at)| (*at, Next::Timer(*id))).min();
        let cue = self.cues.front().map(|cue| (cue.at_ms, Next::Cue));
        let Some((at, next)) = [news, timer, cue].into_iter().flatten().min() else { return Some(End::Open) };
        if at > until_ms {
            return Some(End::Open);
        }
        if self.calls >= CALLS_MAX {
            return Some(End::Spins);
        }
        self.now_ms = self.now_ms.max(at);
        match next {
            Next::News(id) => {
                let (line, news) = self.vendor.speak(id, self.now_ms)?;
                if news.is_last() && self.route == Some(id) {
                    self.route = None;
                }
                self.tell(Told::Link(news), Some(line))
            }
            Next::Timer(id) => {
                self.timers.remove(&id);
                self.tell(Told::Timer(id), None)
            }
            Next::Cue => {
                let told = self.cues.pop_front()?.told;
                if matches!(told, Told::End) {
                    self.vendor.end(self.now_ms);
                }
                match (&told, self.route) {
                    (Told::Audio(_), Some(link)) => {
                        self.vendor.told(&told, self.now_ms);
                        self.vendor.hear(link, self.now_ms);
                        None
                    }
                    _ => self.tell(told, None),
                }
            }
        }
    }

    fn tell(&mut self, told: Told, line: Option<LineAt>) -> Option<End> {
        self.calls += 1;
        self.vendor.told(&told, self.now_ms);
        self.moments.push((self.now_ms, What::Told(told.clone(), line)));
        let now = Now { mono_us: self.now_ms * 1000, unix_ms: EPOCH_MS + self.now_ms };
        let effects = match self.guest.handle(now, told) {
            Ok(effects) => effects,
            Err(error) => return Some(End::Fell(error)),
        };
        let mut end = None;
        for said in effects {
            match &said {
                Said::Link(effect) => self.vendor.take(effect, self.now_ms),
                Said::Route(route) => self.route = self.vendor.is_open(route.link).then_some(route.link),
                Said::Timer(timer) => {
                    self.timers.insert(timer.id, self.now_ms + u64::from(timer.delay_ms).max(AT_ONCE_MS));
                }
                Said::Done => end = Some(End::Done),
                Said::Fail(fault) => end = Some(End::Failed(fault.clone())),
                _ => {}
            }
            self.moments.push((self.now_ms, What::Said(said)));
            if end.is_some() {
                break;
            }
        }
        end
    }
}

impl Trace {
    /// What was said, with its time.
    pub(crate) fn said(&self) -> impl Iterator<Item = (u64, &Said)> {
        self.moments.iter().filter_map(|(at, what)| match what {
            What::Said(said) => Some((*at, said)),
            What::Told(..) => None,
        })
    }

    /// Calls of the guest.
    pub(crate) fn calls(&self) -> usize {
        self.moments.iter().filter(|(_, what)| matches!(what, What::Told(..))).count()
    }

    /// What was said in answer to each of the vendor's lines.
    pub(crate) fn answers(&self) -> BTreeMap<LineAt, Vec<&Said>> {
        let mut answers = BTreeMap::<LineAt, Vec<&Said>>::new();
        let mut current = None;
        for (_, what) in &self.moments {
            match what {
                What::Told(_, line) => current = *line,
                What::Said(said) => {
                    if let Some(line) = current {
                        answers.entry(line).or_default().push(said);
                    }
                }
            }
        }
        answers
    }

    /// The vendor's lines after which the guest said such a thing.
    pub(crate) fn lines_that_yield(&self, such: impl Fn(&Said) -> bool) -> Vec<LineAt> {
        let answers = self.answers();
        answers.into_iter().filter(|(_, said)| said.iter().any(|said| such(said))).map(|(at, _)| at).collect()
    }

    /// All sound, in order.
    pub(crate) fn sound(&self) -> Vec<u8> {
        let mut sound = Vec::new();
        for (_, said) in self.said() {
            if let Said::Audio(samples) = said {
                sound.extend_from_slice(samples);
            }
        }
        sound
    }

    /// Words of all finals, in order, in lower case.
    pub(crate) fn words(&self) -> Vec<String> {
        self.texts(|said| if let Said::Final(heard) = said { Some(&heard.text) } else { None })
    }

    /// Words of finals and partials.
    pub(crate) fn words_at_all(&self) -> Vec<String> {
        self.texts(|said| if let Said::Final(heard) | Said::Partial(heard) = said { Some(&heard.text) } else { None })
    }

    fn texts<'a>(&'a self, text: impl Fn(&'a Said) -> Option<&'a String>) -> Vec<String> {
        let texts = self.said().filter_map(|(_, said)| text(said));
        texts.flat_map(|text| text.split_whitespace()).map(str::to_lowercase).collect()
    }
}
