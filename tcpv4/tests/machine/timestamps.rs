//! Timestamps (RFC 7323) where segments overtake each other.

use std::num::NonZeroU16;

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::{Dropped, Events};
use tcpv4::segment::{Ecn, Marks, Segment};
use tcpv4::wire::{Options, Timestamps};
use tcpv4::{SeqNum, Window};

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

/// An original of any age is taken, whatever the peer's clock does: TS.Recent was
/// 500 when the first data came, and nothing newer is of another turn of the
/// numbers.
#[test]
fn what_was_sent_since_the_stream_began_is_taken() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(data(1, 1000).ts((2_000, own)));
    s.discard();
    for (value, dropped) in [
        (2_000 - 301, None),
        (500, None),
        (499, Some(Dropped::Paws)),
        (2_000_u32.wrapping_sub(60_000), Some(Dropped::Paws)),
        (2_000_u32.wrapping_sub(0x7fff_ffff), Some(Dropped::Paws)),
    ] {
        let at = 1001 + s.connection.readable() as u32 - 1000;
        let outcome = s.inject(data(at, 10).ts((value, own)));
        assert_eq!(outcome.dropped, dropped, "{value}");
    }
    assert_eq!(s.connection.readable(), 1020);
}

/// `count` frames of 60,000 bytes from `seq` on, with TSval `ts`, all read at once.
fn stream(s: &mut Script, seq: &mut u32, count: u32, ts: u32) {
    let payload = vec![0; 60_000];
    for _ in 0..count {
        let segment = Segment {
            seq: SeqNum::new(IRS) + *seq,
            ack: Some(SeqNum::new(ISS) + 1),
            window: Window(60_000),
            control: None,
            marks: Marks::empty(),
            options: Options { timestamps: Some(Timestamps { value: ts, echo: s.own_ts() }), ..Options::NONE },
            ecn: Ecn::NotCapable,
            payload: &payload,
            segment_size: NonZeroU16::new(1000),
        };
        assert_eq!(s.connection.handle_segment(s.now, &segment).dropped, None);
        s.connection.consume(s.now, payload.len());
        s.flush();
        s.out.clear();
        *seq = seq.wrapping_add(60_000);
    }
}

/// The peer's clock may tick once a second (RFC 7323 §5.4), so what is old by a
/// few ticks may be of the turn of the numbers before this one. It is taken only
/// where it is younger than what came 2²⁹ bytes ago.
#[test]
fn a_slow_clock_protects_from_numbers_that_have_wrapped() {
    let mut s = open();
    let mut seq = 1;
    let late = |s: &mut Script, seq: &mut u32, ts: u32| {
        let own = s.own_ts();
        let outcome = s.inject(data(*seq, 10).ts((ts, own)));
        if outcome.dropped.is_none() {
            s.connection.consume(s.now, 10);
            *seq += 10;
        }
        s.flush();
        s.out.clear();
        outcome.dropped
    };
    for tick in 501..=585 {
        stream(&mut s, &mut seq, 100, tick);
        s.run(1000);
    }
    assert!((500_000_000..1 << 29).contains(&seq));
    assert_eq!(late(&mut s, &mut seq, 501), None);
    for tick in 586..=600 {
        stream(&mut s, &mut seq, 100, tick);
        s.run(1000);
    }
    for (ts, dropped) in [(585, Some(Dropped::Paws)), (501, Some(Dropped::Paws)), (592, None), (599, None)] {
        assert_eq!(late(&mut s, &mut seq, ts), dropped, "{ts}");
    }
}

/// As in Linux, whatever else is known.
#[test]
fn one_tick_is_never_too_late() {
    let mut s = open();
    let own = s.own_ts();
    let _ = s.inject(ack(1).ts((9_000, own)));
    assert_eq!(s.inject(data(1, 10).ts((8_998, own))).dropped, Some(Dropped::Paws));
    assert_eq!(s.inject(data(1, 10).ts((8_999, own))).dropped, None);
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
    let reported = s.out.iter().any(|sent| !decode(&sent.bytes).options.sack.is_empty());
    assert!(reported);
}
