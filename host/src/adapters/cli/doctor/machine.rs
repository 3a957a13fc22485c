//! What the machine grants: priority, buffers, address space, a clock.

use super::report::Row;
use socket2::{Domain, Socket, Type};
use std::fs::read_to_string;

/// Receive buffer that one socket for all calls wants, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// `CAP_SYS_NICE` in a capability set (capabilities(7)).
const CAP_SYS_NICE: u64 = 1 << 23;
/// Address space that a pool of 1000 sandboxes reserves, in bytes; memory is taken only when used.
const POOL_BYTES: u64 = 1000 * (4 << 30);

pub(super) fn rows() -> Vec<Row> {
    let limits = read_to_string("/proc/self/limits").unwrap_or_default();
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        Row::fine("processors", cores),
        priority(&limits, &status),
        buffers(),
        address_space(&limits, &read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default()),
        clock(read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource").ok().as_deref()),
    ]
}

fn priority(limits: &str, status: &str) -> Row {
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = capabilities.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    let rtprio = soft_limit(limits, "Max realtime priority");
    if capabilities & CAP_SYS_NICE != 0 || rtprio.is_some_and(|limit| limit > 0) {
        Row::fine("real-time priority", "allowed")
    } else {
        let remedy = "not allowed: media threads share the processors with everything else (ulimit -r, CAP_SYS_NICE)";
        Row::warning("real-time priority", remedy)
    }
}

fn buffers() -> Row {
    let got = Socket::new(Domain::IPV4, Type::DGRAM, None).and_then(|socket| {
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        socket.recv_buffer_size()
    });
    match got {
        Ok(bytes) if bytes >= RECEIVE_BUFFER => Row::fine("socket buffers", format_args!("{} KiB", bytes >> 10)),
        Ok(bytes) => {
            let (got, wanted) = (bytes >> 10, RECEIVE_BUFFER >> 10);
            Row::warning("socket buffers", format_args!("{got} of {wanted} KiB: raise net.core.rmem_max for many calls"))
        }
        Err(error) => Row::fault("socket buffers", error),
    }
}

fn address_space(limits: &str, overcommit: &str) -> Row {
    match soft_limit(limits, "Max address space") {
        Some(limit) if limit < POOL_BYTES => {
            let gib = limit >> 30;
            Row::warning("address space", format_args!("{gib} GiB: the pool of sandboxes shrinks to fit (ulimit -v)"))
        }
        _ if overcommit.trim() == "2" => {
            Row::warning("address space", "vm.overcommit_memory is 2: reserving address space may fail")
        }
        _ => Row::fine("address space", "enough for 1000 sandboxes"),
    }
}

fn clock(source: Option<&str>) -> Row {
    match source.map(str::trim) {
        Some(quick @ ("tsc" | "kvm-clock" | "arch_sys_counter" | "hyperv_clocksource_tsc_page")) => Row::fine("clock", quick),
        Some(slow) => Row::warning("clock", format_args!("{slow}: reading it costs a system call")),
        None => Row::warning("clock", "its source cannot be seen"),
    }
}

/// The soft limit of a row of `/proc/self/limits`; none where it is unlimited or not there.
fn soft_limit(limits: &str, row: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix(row))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max address space         unlimited            unlimited            bytes     \n\
        Max realtime priority     0                    0                              \n";

    #[test]
    fn priority_comes_by_limit_or_capability() {
        let none = "CapEff:\t0000000000000000\n";
        assert_eq!(priority(LIMITS, "CapEff:\t0000000000800000\n"), Row::fine("real-time priority", "allowed"));
        assert_ne!(priority(LIMITS, none), Row::fine("real-time priority", "allowed"));
        let limits = LIMITS.replace("priority     0 ", "priority     5 ");
        assert_eq!(priority(&limits, none), Row::fine("real-time priority", "allowed"));
    }

    #[test]
    fn a_tight_address_space_is_a_warning() {
        assert_eq!(address_space(LIMITS, "1"), Row::fine("address space", "enough for 1000 sandboxes"));
        let tight = LIMITS.replace("space         unlimited", "space         8589934592");
        let detail = "8 GiB: the pool of sandboxes shrinks to fit (ulimit -v)";
        assert_eq!(address_space(&tight, "1"), Row::warning("address space", detail));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        assert_eq!(rows().len(), 5);
    }
}
