//! The media thread before all others, where the system allows it.

use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Low among real-time threads: above everything ordinary, below what the kernel itself runs that way.
const PRIORITY: u8 = 10;

/// Asks for SCHED_FIFO for the calling thread. A shard sleeps between its ticks and takes a bounded number of packets in
/// each, so it cannot starve others. Without the right (CAP_SYS_NICE or RLIMIT_RTPRIO) the thread stays ordinary: sound
/// then depends on the machine being idle enough, which `doctor` says.
pub(super) fn raise() {
    let fifo = ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo);
    let raised = ThreadPriorityValue::try_from(PRIORITY)
        .map_err(|_| ())
        .and_then(|value| {
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), fifo).map_err(|_| ())
        })
        .is_ok();
    match raised {
        true => tracing::info!("media thread has real-time priority"),
        false => tracing::warn!("media thread has ordinary priority: pacing suffers when the machine is busy"),
    }
}
