//! Names of what lies in Redis. What is in braces decides in a cluster which node has it: what one script touches has the same.

use crate::application::ports::Holder;
use vg_domain::ids::{CallId, TenantId};

/// Which of all stores this is: another one after a flush.
pub(super) const GENERATION: &str = "vg:{house}:generation";
/// A hash of all holders that may have calls, each with what it says of itself.
pub(super) const HOLDERS: &str = "vg:{house}:holders";
/// A hash of calls that their holders offer.
pub(super) const OFFERS: &str = "vg:{house}:offers";

/// How a call stands: the JSON document.
pub(super) fn state(call: &CallId) -> String {
    format!("vg:{{{call}}}:state")
}

/// Who holds it, in which epoch.
pub(super) fn owner(call: &CallId) -> String {
    format!("vg:{{{call}}}:owner")
}

/// What another gateway needs to go on with it.
pub(super) fn resume(call: &CallId) -> String {
    format!("vg:{{{call}}}:resume")
}

/// What its caller said last, sealed.
pub(super) fn audio(call: &CallId) -> String {
    format!("vg:{{{call}}}:audio")
}

/// A sorted set of a tenant's live calls, by when they were last known to live.
pub(super) fn live(tenant: &TenantId) -> String {
    format!("vg:{{t.{tenant}}}:live")
}

/// A sorted set of a tenant's calls that are over and still there, by when they will not be: a caller is found in them by the number.
pub(super) fn ended(tenant: &TenantId) -> String {
    format!("vg:{{t.{tenant}}}:ended")
}

/// The lease of a gateway: gone when it has not been renewed for a second.
pub(super) fn lease(instance: &str) -> String {
    format!("vg:inst:{instance}")
}

/// A set of the live calls of one run of a gateway.
pub(super) fn calls(holder: &Holder) -> String {
    format!("vg:{{i.{}.{}}}:calls", holder.instance, holder.boot)
}

/// One run of a gateway as a field of a hash.
pub(super) fn field(holder: &Holder) -> String {
    format!("{} {}", holder.instance, holder.boot)
}

/// What [`field`] wrote.
pub(super) fn holder(field: &str) -> Option<Holder> {
    let (instance, boot) = field.split_once(' ')?;
    Some(Holder { instance: instance.into(), boot: boot.into() })
}
