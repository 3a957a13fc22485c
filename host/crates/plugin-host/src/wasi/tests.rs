use super::*;
use crate::api::{Now, SessionTag};
use crate::counters::Counters;
use crate::guest::GuestHome;
use crate::instance::at_once;
use crate::limits::{Budget, HANDLES};
use io::poll::{Host as _, HostPollable};
use io::streams::HostOutputStream;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use wasmtime::Engine;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::{cli, filesystem, sockets};
use wasmtime_wasi::sockets::WasiSocketsView;
use wasmtime_wasi::{WasiCtxView, WasiView};

fn guest_of(counters: Arc<Counters>) -> Guest {
    let home = GuestHome { plugin: "probe".into(), assets: Arc::default(), counters };
    let mut guest = home.store(&Engine::default(), Budget::describe(), SessionTag::default()).into_data();
    guest.set_now(Now { mono_us: 7_000_000, unix_ms: 1_700_000_000_250 });
    guest
}

fn guest() -> Guest {
    guest_of(Arc::default())
}

#[test]
fn only_released_interfaces_of_the_list_are_linked() {
    assert_eq!(interface("wasi:clocks/wall-clock@0.2.6"), Some("clocks/wall-clock"));
    assert_eq!(interface("wasi:clocks/wall-clock@0.2.12"), Some("clocks/wall-clock"));
    for other in ["wasi:clocks/wall-clock@0.3.0", "wasi:clocks/wall-clock@0.2.0-rc", "wasi:nn/graph@0.2.0", "wasi:cli/exit"] {
        assert_eq!(interface(other), None, "{other}");
    }
}

#[test]
fn the_clock_stands_at_the_now_of_the_call() {
    use clocks::{monotonic_clock, wall_clock};
    let mut guest = guest();
    assert_eq!(monotonic_clock::Host::now(&mut guest).unwrap(), 7_000_000_000);
    let wall = wall_clock::Host::now(&mut guest).unwrap();
    assert_eq!((wall.seconds, wall.nanoseconds), (1_700_000_000, 250_000_000));
}

#[test]
fn what_is_due_is_ready_and_what_would_wait_traps() {
    use clocks::monotonic_clock::Host;
    let mut guest = guest();
    let due = guest.subscribe_instant(7_000_000_000).unwrap();
    let later = guest.subscribe_instant(7_000_000_001).unwrap();
    let nap = guest.subscribe_duration(1).unwrap();
    let borrowed = |of: &wasmtime::component::Resource<_>| wasmtime::component::Resource::new_borrow(of.rep());
    at_once(guest.block(borrowed(&due))).unwrap();
    assert!(!at_once(HostPollable::ready(&mut guest, borrowed(&later))).unwrap());
    assert_eq!(at_once(guest.poll(vec![borrowed(&later), borrowed(&due), borrowed(&nap)])).unwrap(), [1]);
    let error = at_once(guest.block(borrowed(&nap))).unwrap_err();
    assert_eq!(error.to_string(), "plugin waited: it may set a timer instead");
    assert!(at_once(guest.poll(vec![borrowed(&later), borrowed(&nap)])).is_err());
    for pollable in [due, later, nap] {
        HostPollable::drop(&mut guest, pollable).unwrap();
    }
    assert!(guest.world().table.is_empty());
}

#[test]
fn chance_follows_from_the_seed() {
    let bytes = |seed| {
        let mut guest = guest();
        guest.seed([1; 32]);
        guest.world();
        guest.seed(seed);
        random::random::Host::get_random_bytes(&mut guest, 64).unwrap()
    };
    assert_eq!(bytes([2; 32]), bytes([2; 32]));
    assert_ne!(bytes([2; 32]), bytes([3; 32]));
    assert!(random::random::Host::get_random_bytes(&mut guest(), 1 << 40).is_err());
}

#[test]
fn there_is_no_world() {
    let mut guest = guest();
    assert!(cli::environment::Host::get_environment(&mut guest.cli()).unwrap().is_empty());
    assert!(cli::environment::Host::get_arguments(&mut guest.cli()).unwrap().is_empty());
    assert!(filesystem::preopens::Host::get_directories(&mut guest.filesystem()).unwrap().is_empty());
    let v4 = sockets::network::IpAddressFamily::Ipv4;
    assert!(sockets::tcp_create_socket::Host::create_tcp_socket(&mut guest.sockets(), v4).is_err());
    assert!(at_once(sockets::udp_create_socket::Host::create_udp_socket(&mut guest.sockets(), v4)).is_err());
    let network = sockets::instance_network::Host::instance_network(&mut guest.sockets()).unwrap();
    let asked = sockets::ip_name_lookup::Host::resolve_addresses(&mut guest.sockets(), network, "localhost".to_owned());
    assert!(asked.is_err());
}

#[test]
fn output_goes_to_the_log_within_its_budget() {
    let counters = Arc::<Counters>::default();
    let mut guest = guest_of(Arc::clone(&counters));
    let out = cli::stdout::Host::get_stdout(&mut guest.cli()).unwrap();
    let WasiCtxView { table, .. } = guest.ctx();
    for _ in 0..9 {
        let line = [&[b'x'; 4095][..], b"\n"].concat();
        let out = wasmtime::component::Resource::new_borrow(out.rep());
        at_once(table.blocking_write_and_flush(out, line)).unwrap();
    }
    assert_eq!(counters.log_lines_dropped.load(Relaxed), 1);
}

#[test]
fn a_guest_cannot_pile_up_what_it_waits_for() {
    use clocks::monotonic_clock::Host;
    let mut guest = guest();
    assert!((0..=2 * HANDLES).any(|_| guest.subscribe_duration(1).is_err()));
}
