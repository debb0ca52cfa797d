//! The path: ICMP, its MTU, keepalive, pauses.

use std::time::Duration;

use crate::script::*;
use tcpv4::SeqNum;
use tcpv4::connection::{Budget, Dropped, Failure, Keepalive, Settings, State};
use tcpv4::recovery::Phase;
use traits::{IcmpErrorKind, UnreachableCode};

fn at(seq: u32) -> SeqNum {
    SeqNum::new(ISS) + seq
}

#[test]
fn an_unreachable_peer_ends_a_connect() {
    for (code, failure) in [
        (UnreachableCode::Host, Failure::Unreachable),
        (UnreachableCode::Network, Failure::Unreachable),
        (UnreachableCode::Port, Failure::Refused),
    ] {
        let mut s = Script::connecting(&Settings::default());
        let outcome = s.connection.handle_icmp(s.now, IcmpErrorKind::Unreachable(code), at(0));
        assert!(outcome.dropped.is_none());
        assert_eq!((s.state(), s.failure()), (State::Closed, Some(failure)));
    }
}

#[test]
fn it_does_not_end_an_open_connection() {
    let mut s = Script::established();
    s.write(10);
    for code in [UnreachableCode::Host, UnreachableCode::Port, UnreachableCode::Protocol] {
        let outcome = s.connection.handle_icmp(s.now, IcmpErrorKind::Unreachable(code), at(1));
        assert_eq!(outcome.dropped, None);
    }
    assert_eq!(s.state(), State::Established);
}

#[test]
fn a_quote_of_what_is_not_under_way_is_forged() {
    let mut s = Script::connecting(&Settings::default());
    let kind = IcmpErrorKind::Unreachable(UnreachableCode::Host);
    for seq in [1, 5, u32::MAX] {
        assert_eq!(s.connection.handle_icmp(s.now, kind, at(seq)).dropped, Some(Dropped::Sequence));
    }
    assert_eq!(s.state(), State::SynSent);
    let mut s = Script::established();
    s.write(10);
    let kind = IcmpErrorKind::FragmentationNeeded { mtu: 576 };
    assert_eq!(s.connection.handle_icmp(s.now, kind, at(11)).dropped, Some(Dropped::Sequence));
    assert_eq!(s.connection.info().mss, 1000);
}

#[test]
fn what_was_too_long_goes_again_in_smaller_pieces() {
    let mut s = Script::established();
    s.write(3000);
    assert_eq!(s.discard(), 3);
    let before = s.connection.info().cwnd;
    let outcome = s.connection.handle_icmp(s.now, IcmpErrorKind::FragmentationNeeded { mtu: 540 }, at(1));
    assert_eq!(outcome.dropped, None);
    s.mtu = 540;
    s.flush();
    for n in 0..6 {
        s.expect(seg().seq(1 + n * 500).len(500));
    }
    s.silent();
    assert_eq!(s.connection.info().cwnd, before, "it is no congestion");
    let _ = s.inject(ack(3001));
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn a_larger_mtu_is_not_believed_of_icmp() {
    let mut s = Script::established();
    s.write(1000);
    s.discard();
    let _ = s.connection.handle_icmp(s.now, IcmpErrorKind::FragmentationNeeded { mtu: 9000 }, at(1));
    s.flush();
    s.silent();
}

#[test]
fn the_paths_mtu_bounds_the_segments() {
    let mut s = Script::open(&Start { ts: true, mss: 1460, ..Start::default() });
    s.write(2000);
    s.expect(seg().len(1448));
    let mut s = Script::open(&Start { mss: 1460, ..Start::default() });
    s.mtu = 1000;
    s.flush();
    s.write(2000);
    s.expect(seg().len(960));
}

#[test]
fn keepalive_asks_and_gives_up() {
    let mut settings = Settings::default();
    settings.keepalive =
        Some(Keepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 3 });
    let mut s = Script::open(&Start { settings, ..Start::default() });
    s.run(59_000);
    s.silent();
    s.run(1_001);
    s.expect_at(60_000, seg().seq(0).ack(1).len(0));
    // The peer is there.
    let _ = s.inject(ack(1));
    s.run(60_001);
    s.expect(seg().seq(0).ack(1).len(0));
    s.run(40_000);
    s.expect(seg().seq(0).len(0));
    s.expect(seg().seq(0).len(0));
    s.expect(seg().rst().seq(1));
    s.silent();
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn no_keepalive_unless_asked_for() {
    let mut s = Script::established();
    s.run(100_000_000);
    s.silent();
    assert_eq!(s.state(), State::Established);
    // It may be turned on later.
    let mut settings = Settings::default();
    settings.keepalive = Some(Keepalive::default());
    s.connection.configure(s.now, &settings);
    s.run(7_200_001);
    assert_eq!(s.discard(), 1);
}

#[test]
fn a_keepalive_of_the_peer_is_answered() {
    let mut s = Script::established();
    let _ = s.inject(seg().seq(0).ack(1));
    s.expect(seg().seq(1).ack(1).len(0));
    let _ = s.inject(seg().seq(0).ack(1).len(1));
    s.expect(seg().seq(1).ack(1).len(0));
    assert_eq!(s.connection.readable(), 0);
}

/// A connection whose window has grown, with nothing under way; and what is
/// acknowledged.
fn grown() -> (Script, u32) {
    let mut s = Script::established();
    let mut acked = 1;
    for _ in 0..3 {
        let cwnd = s.connection.info().cwnd;
        s.write(cwnd as usize);
        s.discard();
        s.run(100);
        acked += cwnd;
        let _ = s.inject(ack(acked));
    }
    assert!(s.connection.info().cwnd > 40_000);
    (s, acked)
}

#[test]
fn after_a_pause_the_window_is_small_again() {
    let (mut s, _) = grown();
    s.run(10_000);
    s.write(60_000);
    assert_eq!(s.discard(), 10);
}

/// What is kept of the time comes round after 78 hours.
#[test]
fn after_a_pause_of_days_the_window_is_small_again() {
    const ROUND: u64 = 1 << 48;
    for after in [ROUND - 50_000_000, ROUND, ROUND + 50_000_000, 2 * ROUND, 10 * ROUND + 150_000_000] {
        let (mut s, _) = grown();
        s.run_micros(after / 1000);
        s.write(60_000);
        assert_eq!(s.discard(), 10, "{after} ns");
        // Once: what is written while it is under way goes by what is acknowledged.
        assert_eq!(s.connection.info().cwnd, 10_000);
    }
}

/// Also where the peer talks all the time, and is only listened to.
#[test]
fn after_days_of_listening_the_window_is_small_again() {
    const ROUND: u64 = 1 << 48;
    let (mut s, acked) = grown();
    let end = s.now + Duration::from_nanos(ROUND);
    let mut seq = 1;
    while s.now < end - Duration::from_secs(3600) {
        s.run(3_000_000);
        let _ = s.inject(data(seq, 100).ack(acked));
        s.read_from(u64::from(seq) - 1);
        seq += 100;
    }
    s.run(100);
    s.discard();
    s.run_micros(end.duration_since(s.now).as_micros() as u64);
    s.write(60_000);
    assert_eq!(s.discard(), 10);
}

/// A pause counts once, though nothing can be sent after it for a while.
#[test]
fn a_pause_counts_once() {
    let (mut s, _) = grown();
    let before = s.connection.info().cwnd;
    s.run(s.rto() + 1);
    s.connection.write(s.now, &[0; 1000]).unwrap();
    let budget = Budget { mtu: 1500, gso_max_size: 0 };
    for _ in 0..5 {
        assert!(s.connection.poll_transmit(s.now, &budget).is_some(), "and is not sent");
        assert_eq!(s.connection.info().cwnd, before / 2);
    }
    let (mut s, _) = grown();
    s.run(400_000_000);
    s.connection.write(s.now, &[0; 1000]).unwrap();
    for _ in 0..5 {
        assert!(s.connection.poll_transmit(s.now, &budget).is_some());
        assert_eq!(s.connection.info().cwnd, 10_000);
    }
}

#[test]
fn a_window_that_is_not_used_does_not_grow() {
    let mut s = Script::established();
    let mut acked = 1;
    for _ in 0..50 {
        s.write(1000);
        acked += 1000;
        s.run(50);
        let _ = s.inject(ack(acked));
    }
    assert_eq!(s.connection.info().cwnd, 10_000);
}

#[test]
fn slow_start_doubles_with_each_round_trip() {
    for step in [1, 2, 5, 10] {
        let mut s = Script::established();
        s.write(60_000);
        assert_eq!(s.discard(), 10);
        s.run(100);
        for n in 1..=10 / step {
            let _ = s.inject(ack(1 + n * step * 1000));
        }
        assert_eq!(s.discard(), 20, "by bytes, however many acknowledgements tell of them");
    }
}
