use super::*;
use std::fs;

/// CPU of this process so far, in seconds.
fn cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |nth: usize| fields[nth].parse::<f64>().unwrap();
    // `utime` and `stime`, in hundredths of a second on Linux.
    (ticks(11) + ticks(12)) / 100.0
}

/// A call says some eight things while it begins and ends, and one in each turn of six seconds or so: in three minutes a write in less than four seconds.
const WRITES_PER_CALL_S: f64 = 38.0 / 180.0;

#[tokio::test]
async fn a_call_second_of_writing_costs_little() {
    let server = Redis::start().await.unwrap();
    let gateway = Gateway::of("a", &server);
    gateway.is_up().await;
    gateway.has_its_lease().await;
    let (calls, rounds) = (200, 50);
    let (began, cpu, before) = (Instant::now(), cpu_s(), gateway.writes("written"));
    for turn in 0..rounds {
        for call in 0..calls {
            gateway.states.keep(snapshot(&format!("call-{call}"), turn));
        }
        until("this round is written", async || gateway.writes("written") >= before + (turn + 1) * calls).await;
    }
    let (writes, cpu) = ((gateway.writes("written") - before) as f64, cpu_s() - cpu);
    let per_write_us = cpu / writes * 1e6;
    let per_call_second_ms = per_write_us * WRITES_PER_CALL_S / 1_000.0;
    println!(
        "{writes} writes in {:?}: {per_write_us:.1} us of CPU each, {per_call_second_ms:.4} ms per call-second",
        began.elapsed()
    );
    // All that events and states may cost together; here states alone, unoptimised and beside the server.
    assert!(per_call_second_ms < 0.03, "{per_call_second_ms} ms per call-second");
    gateway.stop().await;
}
