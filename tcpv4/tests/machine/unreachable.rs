//! Errors of ICMP about what is under way (RFC 6069, RFC 5461).

use crate::script::*;
use tcpv4::SeqNum;
use tcpv4::connection::{Failure, State};
use traits::{IcmpErrorKind, UnreachableCode};

fn unreachable(s: &mut Script, code: UnreachableCode, seq: u32) {
    let kind = IcmpErrorKind::Unreachable(code);
    let _ = s.connection.handle_icmp(s.now, kind, SeqNum::new(ISS) + seq);
    s.flush();
}

/// Data that timed out three times.
fn backed_off() -> Script {
    let mut s = Script::established();
    s.write(1000);
    s.run(3000);
    assert_eq!(s.connection.info().timeouts, 3);
    s.discard();
    s
}

/// RFC 6069: the path is broken, not congested.
#[test]
fn an_unreachable_host_undoes_a_back_off() {
    let mut s = backed_off();
    let before = s.rto();
    unreachable(&mut s, UnreachableCode::Host, 1);
    assert_eq!(s.rto(), before / 2);
    unreachable(&mut s, UnreachableCode::Network, 1);
    assert_eq!(s.rto(), before / 4);
    // The time of the shorter timeout is over by now.
    s.run(1);
    s.expect(seg().seq(1).len(1000));
}

/// The window was reduced for the first timeout; those after it are the same
/// loss, however many of them are taken back.
#[test]
fn a_broken_path_reduces_the_window_once() {
    let mut s = Script::established();
    s.write(10_000);
    while s.connection.info().timeouts == 0 {
        s.run(10);
    }
    let first = s.connection.info();
    assert!(first.ssthresh.is_some());
    for _ in 0..5 {
        unreachable(&mut s, UnreachableCode::Host, 1);
        s.run(1000);
    }
    let last = s.connection.info();
    assert!(last.totals.retransmissions >= first.totals.retransmissions + 5, "{last:?}");
    assert_eq!(last.ssthresh, first.ssthresh);
}

#[test]
fn other_errors_and_other_segments_do_not() {
    let mut s = backed_off();
    let before = s.rto();
    unreachable(&mut s, UnreachableCode::Port, 1);
    unreachable(&mut s, UnreachableCode::SourceRoute, 1);
    unreachable(&mut s, UnreachableCode::Host, 2);
    assert_eq!(s.rto(), before);
    s.silent();
    let mut fresh = Script::established();
    fresh.write(1000);
    fresh.discard();
    let before = fresh.rto();
    unreachable(&mut fresh, UnreachableCode::Host, 1);
    assert_eq!(fresh.rto(), before);
    fresh.silent();
}

/// RFC 6069: patience is a matter of time, since their number says nothing.
#[test]
fn a_path_that_stays_broken_ends_it_in_time() {
    let mut s = Script::established();
    s.write(1000);
    let end = s.now + std::time::Duration::from_secs(924);
    while s.now < end {
        s.run(100);
        unreachable(&mut s, UnreachableCode::Host, 1);
    }
    assert_eq!(s.state(), State::Established);
    s.run(120_000);
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::TimedOut)));
}
