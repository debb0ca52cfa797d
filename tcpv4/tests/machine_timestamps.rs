//! Timestamps (RFC 7323) where segments overtake each other.

mod machine;

use machine::script::*;
use tcpv4::connection::{Dropped, Events};

/// TS.Recent is 500, the peer 100 ms away, the timeout 300 ms.
fn open() -> Script {
    let s = Script::open(&Start { ts: true, ..Start::default() });
    assert_eq!(s.rto(), 300);
    s
}

/// 1..1001 was sent at 520 and lost, 1001..2001 at 521 and is late; the first
/// comes again, sent at 700.
#[test]
fn an_original_behind_a_retransmission_is_taken() {
    let mut s = open();
    let own = s.own_ts();
    assert_eq!(s.inject(data(1, 1000).ts((700, own))).dropped, None);
    s.expect(seg().ack(1001).ts((own, 700)));
    let outcome = s.inject(data(1001, 1000).ts((521, own)));
    assert_eq!(outcome.dropped, None);
    assert!(outcome.events.contains(Events::READABLE));
    // Its own time is not echoed: TS.Recent never goes back.
    s.run(50);
    s.expect(seg().ack(2001).ts((own, 700)));
    assert_eq!(s.read_from(0), 2000);
}

#[test]
fn a_late_original_that_fills_a_hole_is_taken() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(data(1, 1000).ts((700, own)));
    let _ = s.inject(data(2001, 1000).ts((701, own)));
    s.discard();
    assert_eq!(s.inject(data(1001, 1000).ts((521, own))).dropped, None);
    s.expect(seg().ack(3001));
    assert_eq!(s.read_from(0), 3000);
}

#[test]
fn a_late_end_of_the_stream_is_taken() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(data(1, 1000).ts((700, own)));
    s.discard();
    assert!(s.inject(seg().seq(1001).ack(1).fin().ts((600, own))).events.contains(Events::PEER_CLOSED));
    s.expect(seg().ack(1002));
}

/// By a timeout at most.
#[test]
fn an_old_duplicate_with_numbers_of_the_window_is_dropped() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(data(1, 1000).ts((2_000, own)));
    s.discard();
    for (value, dropped) in [
        (2_000 - 300, None),
        (2_000 - 301, Some(Dropped::Paws)),
        (2_000_u32.wrapping_sub(60_000), Some(Dropped::Paws)),
        (2_000_u32.wrapping_sub(0x7fff_ffff), Some(Dropped::Paws)),
    ] {
        let at = 1001 + s.connection.readable() as u32 - 1000;
        let outcome = s.inject(data(at, 10).ts((value, own)));
        assert_eq!(outcome.dropped, dropped, "{value}");
    }
    assert_eq!(s.connection.readable(), 1010);
}

/// Numbers wrap fastest where round trips, and so timeouts, are long.
#[test]
fn never_by_more_than_a_second() {
    let mut s = Script::open(&Start { ts: true, rtt: 900, ..Start::default() });
    assert!(s.rto() > 2_000);
    let own = s.own_ts();
    let _ = s.inject(data(1, 10).ts((9_000, own)));
    assert_eq!(s.inject(data(11, 10).ts((7_999, own))).dropped, Some(Dropped::Paws));
    assert_eq!(s.inject(data(11, 10).ts((8_000, own))).dropped, None);
}

/// Without new data there is nothing to be gained.
#[test]
fn what_brings_nothing_new_is_dropped_when_it_is_old() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(data(1, 1000).ts((700, own)));
    s.discard();
    assert_eq!(s.inject(seg().seq(1001).ack(1).ts((699, own))).dropped, Some(Dropped::Paws));
    assert_eq!(s.inject(data(1, 1000).ts((699, own))).dropped, Some(Dropped::Paws));
    assert_eq!(s.inject(seg().seq(1001).syn().ts((699, own))).dropped, Some(Dropped::Paws));
    // It is told of as a duplicate all the same (RFC 2883 §4).
    s.run(1);
    let reported = s.out.iter().any(|sent| !machine::decode(&sent.bytes).options.sack.is_empty());
    assert!(reported);
}
