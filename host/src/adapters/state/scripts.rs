//! What happens in Redis in one piece. Scripts are loaded with each connection and called by their digest.
//!
//! An owner is `epoch number boot instance[ mark]`: the number counts the writes of one holder, and is 0 where it has claimed the call and written nothing
//! yet. The mark is `offered`, `over`, or with that 0 `from boot instance`: who had it before.

use super::keys;
use super::leases::read;
use crate::application::ports::{Epoch, Holder};
use redis::{Cmd, Value, cmd};
use std::time::Duration;
use vg_domain::ids::CallId;

/// Writes how a call stands, unless somebody holds it in a later epoch (1), or something newer is there already (2).
const KEEP: &str = r"
local owner = redis.call('GET', KEYS[1])
local mark = ARGV[8]
if owner then
  local epoch, number, boot, instance, marked = string.match(owner, '^(%d+) (%d+) (%S+) (%S+)(.*)$')
  if epoch then
    local later = tonumber(epoch) - tonumber(ARGV[1])
    if later > 0 or (later == 0 and (boot ~= ARGV[3] or instance ~= ARGV[4])) then return 1 end
    if later == 0 and tonumber(number) > tonumber(ARGV[2]) then return 2 end
    if later == 0 and mark == '' and string.sub(marked, 1, 6) ~= ' from ' then mark = marked end
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. mark, 'PX', ARGV[5])
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[5])
if ARGV[7] == '' then redis.call('DEL', KEYS[3]) else redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[5]) end
return 0";

/// Gives a call to another holder. 1: unknown or over. 2: it is not that one's. 3: it is not offered, and must be. Whoever asks again, since the answer got
/// lost or the client of a cluster said it twice, is answered as before, until it has written how the call stands.
const CLAIM: &str = r"
local owner = redis.call('GET', KEYS[1])
local state = redis.call('GET', KEYS[2])
if not owner or not state then return {1} end
local epoch, number, boot, instance, mark = string.match(owner, '^(%d+) (%d+) (%S+) (%S+)(.*)$')
if not epoch or mark == ' over' then return {1} end
local from = ' from ' .. ARGV[1] .. ' ' .. ARGV[2]
if boot == ARGV[4] and instance == ARGV[5] and number == '0' and mark == from then
  return {0, epoch, state, redis.call('GET', KEYS[3]) or ''}
end
if boot ~= ARGV[1] or instance ~= ARGV[2] then return {2, owner} end
if ARGV[3] == 'offered' and mark ~= ' offered' then return {3} end
local next = string.format('%.0f', tonumber(epoch) + 1)
redis.call('SET', KEYS[1], next .. ' 0 ' .. ARGV[4] .. ' ' .. ARGV[5] .. from, 'PX', ARGV[6])
return {0, next, state, redis.call('GET', KEYS[3]) or ''}";

/// Marks a call of a holder, or takes the mark away. 1: unknown or over. 2: it is not that one's.
const MARK: &str = r"
local owner = redis.call('GET', KEYS[1])
if not owner then return 1 end
local epoch, number, boot, instance, mark = string.match(owner, '^(%d+) (%d+) (%S+) (%S+)(.*)$')
if not epoch or mark == ' over' then return 1 end
if boot ~= ARGV[1] or instance ~= ARGV[2] then return 2 end
redis.call('SET', KEYS[1], epoch .. ' ' .. number .. ' ' .. boot .. ' ' .. instance .. ARGV[3], 'KEEPTTL')
return 0";

/// Renews a lease, unless another run of that name has it.
const RENEW: &str = r"
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] then return 1 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 0";

/// Gives a lease back, where it is that one's.
const RELEASE: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

/// Every script, in the order of [`Script`].
pub(super) const TEXTS: [&str; 5] = [KEEP, CLAIM, MARK, RENEW, RELEASE];

/// A script that is loaded.
#[derive(Clone, Copy)]
enum Script {
    Keep,
    Claim,
    Mark,
    Renew,
    Release,
}

/// Digests of the scripts, as Redis told them.
#[derive(Clone, Debug)]
pub(super) struct Scripts(pub(super) [String; TEXTS.len()]);

/// A write of one call.
pub(super) struct Write<'a> {
    pub(super) call: &'a CallId,
    pub(super) epoch: Epoch,
    pub(super) number: u64,
    pub(super) document: &'a [u8],
    pub(super) resume: &'a [u8],
    pub(super) over: bool,
    pub(super) keep_for: Duration,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Written,
    /// Another holder has the call.
    Fenced,
    /// Redis has something newer of this holder's own: an answer that got lost belonged to a write that did not.
    Older,
}

impl Verdict {
    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Int(0) => Some(Self::Written),
            Value::Int(1) => Some(Self::Fenced),
            Value::Int(2) => Some(Self::Older),
            _ => None,
        }
    }
}

/// What came of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// The call is the claimant's in this epoch, with what its last holder kept; by this claim, or by one before whose answer got lost.
    Had { epoch: Epoch, document: Vec<u8>, resume: Vec<u8> },
    /// No such call lives.
    Unknown,
    /// It is not the holder's from whom it was claimed.
    Others(Other),
    /// That one lives, and has not offered it.
    Alive,
}

/// Who has a call that was claimed from somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) holder: Holder,
    /// It has written how the call stands. Else it has only claimed it, and may have to ask again.
    pub(super) serves: bool,
    /// It offers it.
    pub(super) offers: bool,
}

impl Claim {
    pub(super) fn of(value: Value) -> Option<Self> {
        let Value::Array(answer) = value else { return None };
        let mut answer = answer.into_iter();
        let mut next = || answer.next().unwrap_or_default();
        match next() {
            Value::Int(0) => {
                let epoch = Epoch(read::<String>(next()).ok()?.parse().ok()?);
                Some(Self::Had { epoch, document: read(next()).unwrap_or_default(), resume: read(next()).unwrap_or_default() })
            }
            Value::Int(1) => Some(Self::Unknown),
            Value::Int(2) => Other::of(&read::<String>(next()).ok()?).map(Self::Others),
            Value::Int(3) => Some(Self::Alive),
            _ => None,
        }
    }
}

impl Other {
    fn of(text: &str) -> Option<Self> {
        let (holder, _) = owner(text)?;
        // After the epoch, and before boot and instance.
        let mut words = text.split(' ').skip(1);
        let number = words.next()?;
        Some(Self { holder, serves: number != "0", offers: words.nth(2) == Some("offered") })
    }
}

impl Scripts {
    fn call(&self, script: Script, keys: &[String]) -> Cmd {
        let mut command = cmd("EVALSHA");
        command.arg(&self.0[script as usize]).arg(keys.len()).arg(keys);
        command
    }

    pub(super) fn keep(&self, write: &Write<'_>, holder: &Holder) -> Cmd {
        let call = write.call;
        let mut command = self.call(Script::Keep, &[keys::owner(call), keys::state(call), keys::resume(call)]);
        command.arg(write.epoch.0).arg(write.number).arg(&*holder.boot).arg(&*holder.instance).arg(ms(write.keep_for));
        command.arg(write.document).arg(write.resume).arg(if write.over { " over" } else { "" });
        command
    }

    /// `offered_only`: its holder lives.
    pub(super) fn claim(&self, call: &CallId, from: &Holder, to: &Holder, offered_only: bool, keep_for: Duration) -> Cmd {
        let mut command = self.call(Script::Claim, &[keys::owner(call), keys::state(call), keys::resume(call)]);
        command.arg(&*from.boot).arg(&*from.instance).arg(if offered_only { "offered" } else { "any" });
        command.arg(&*to.boot).arg(&*to.instance).arg(ms(keep_for));
        command
    }

    pub(super) fn offer(&self, call: &CallId, holder: &Holder) -> Cmd {
        self.mark(call, holder, " offered")
    }

    pub(super) fn withdraw(&self, call: &CallId, holder: &Holder) -> Cmd {
        self.mark(call, holder, "")
    }

    fn mark(&self, call: &CallId, holder: &Holder, mark: &str) -> Cmd {
        let mut command = self.call(Script::Mark, &[keys::owner(call)]);
        command.arg(&*holder.boot).arg(&*holder.instance).arg(mark);
        command
    }

    pub(super) fn renew(&self, instance: &str, said: &str, time: Duration) -> Cmd {
        let mut command = self.call(Script::Renew, &[keys::lease(instance)]);
        command.arg(said).arg(ms(time));
        command
    }

    pub(super) fn release(&self, instance: &str, said: &str) -> Cmd {
        let mut command = self.call(Script::Release, &[keys::lease(instance)]);
        command.arg(said);
        command
    }
}

/// What an owner says.
pub(super) fn owner(text: &str) -> Option<(Holder, Epoch)> {
    let mut words = text.split(' ');
    let epoch = Epoch(words.next()?.parse().ok()?);
    let (_number, boot, instance) = (words.next()?, words.next()?, words.next()?);
    Some((Holder { instance: instance.into(), boot: boot.into() }, epoch))
}

pub(super) fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(parts: &[&str]) -> Value {
        let (verdict, texts) = parts.split_first().unwrap();
        let texts = texts.iter().map(|text| Value::BulkString(text.as_bytes().to_vec()));
        Value::Array([Value::Int(verdict.parse().unwrap())].into_iter().chain(texts).collect())
    }

    fn other(serves: bool, offers: bool) -> Option<Claim> {
        let holder = Holder { instance: "b".into(), boot: "boot-b".into() };
        Some(Claim::Others(Other { holder, serves, offers }))
    }

    #[test]
    fn a_claim_has_come_to_what_its_answer_says_or_nobody_knows() {
        let had = Claim::Had { epoch: Epoch(2), document: b"{}".to_vec(), resume: b"go on".to_vec() };
        assert_eq!(Claim::of(answer(&["0", "2", "{}", "go on"])), Some(had));
        assert_eq!(Claim::of(answer(&["1"])), Some(Claim::Unknown));
        assert_eq!(Claim::of(answer(&["3"])), Some(Claim::Alive));
        for unknown in
            [answer(&["0", "two", "{}", ""]), answer(&["0"]), answer(&["2"]), answer(&["4"]), Value::Nil, Value::Int(0)]
        {
            assert_eq!(Claim::of(unknown), None);
        }
    }

    #[test]
    fn who_has_the_call_has_only_claimed_it_or_serves_it_or_offers_it_again() {
        assert_eq!(Claim::of(answer(&["2", "2 0 boot-b b from boot-a a"])), other(false, false));
        assert_eq!(Claim::of(answer(&["2", "2 1 boot-b b"])), other(true, false));
        assert_eq!(Claim::of(answer(&["2", "2 17 boot-b b offered"])), other(true, true));
        assert_eq!(Claim::of(answer(&["2", "2 0 boot-b b offered"])), other(false, true));
        assert_eq!(Claim::of(answer(&["2", "nobody"])), None);
    }
}
