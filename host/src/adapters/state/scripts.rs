//! What happens in Redis in one piece. Scripts are loaded with each connection and called by their digest.
//!
//! An owner is `epoch number boot instance[ mark]`: the number counts the writes of one holder, the mark is `offered` or `over`.

use super::keys;
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
    if later == 0 and mark == '' then mark = marked end
  end
end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4] .. mark, 'PX', ARGV[5])
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[5])
if ARGV[7] == '' then redis.call('DEL', KEYS[3]) else redis.call('SET', KEYS[3], ARGV[7], 'PX', ARGV[5]) end
return 0";

/// Gives a call to another holder. 1: unknown or over. 2: it is not that one's. 3: it is not offered, and must be.
const CLAIM: &str = r"
local owner = redis.call('GET', KEYS[1])
local state = redis.call('GET', KEYS[2])
if not owner or not state then return {1} end
local epoch, number, boot, instance, mark = string.match(owner, '^(%d+) (%d+) (%S+) (%S+)(.*)$')
if not epoch or mark == ' over' then return {1} end
if boot ~= ARGV[1] or instance ~= ARGV[2] then return {2} end
if ARGV[3] == 'offered' and mark ~= ' offered' then return {3} end
local next = string.format('%.0f', tonumber(epoch) + 1)
redis.call('SET', KEYS[1], next .. ' 0 ' .. ARGV[4] .. ' ' .. ARGV[5], 'PX', ARGV[6])
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
