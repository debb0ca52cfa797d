//! When data is acknowledged (RFC 9293 §3.8.6.3, RFC 5681 §4.2).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::Dropped;
use tcpv4::segment::Marks;

/// Uses the quick acknowledgements up. Returns the next number.
fn settled(s: &mut Script) -> u32 {
    let mut seq = 1;
    for _ in 0..17 {
        let _ = s.inject(data(seq, 1000));
        seq += 1000;
        s.run(50);
    }
    s.discard();
    s.read_from(0);
    s.discard();
    seq
}

#[test]
fn at_once_while_the_connection_is_young() {
    let mut s = Script::established();
    // The sixteenth was the one of the handshake.
    for n in 0..15 {
        let _ = s.inject(data(1 + n * 100, 100));
        s.expect(seg().ack(101 + n * 100));
    }
    let _ = s.inject(data(1501, 100));
    s.silent();
}

#[test]
fn later_after_40_ms() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let at = s.time();
    let _ = s.inject(data(seq, 100));
    s.silent();
    s.run(100);
    s.expect_at(at + 40, seg().ack(seq + 100));
    s.silent();
}

#[test]
fn at_once_for_every_second_full_segment() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 1000));
    s.silent();
    let _ = s.inject(data(seq + 1000, 1000));
    s.expect(seg().ack(seq + 2000));
    s.run(100);
    s.silent();
}

#[test]
fn small_segments_wait_for_the_timer() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    for n in 0..10 {
        let _ = s.inject(data(seq + n * 10, 10));
    }
    s.silent();
    s.run(40);
    s.expect(seg().ack(seq + 100));
}

#[test]
fn a_large_frame_counts_as_what_it_carries() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 1800).gso(1000));
    s.silent();
    let _ = s.inject(data(seq + 1800, 2000).gso(1000));
    s.expect(seg().ack(seq + 3800));
    s.silent();
}

#[test]
fn one_for_a_batch() {
    let mut s = Script::established();
    for n in 0..20 {
        let _ = s.inject_only(data(1 + n * 1000, 1000));
    }
    s.flush();
    s.expect(seg().ack(20_001));
    s.silent();
}

#[test]
fn it_rides_on_data() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 100));
    s.write(5);
    s.expect(seg().len(5).ack(seq + 100));
    s.run(100);
    s.silent();
}

#[test]
fn a_dialogue_ends_quick_acknowledgements() {
    let mut s = Script::established();
    let _ = s.inject_only(data(1, 100));
    s.write(5);
    s.expect(seg().len(5).ack(101));
    let _ = s.inject(data(101, 100).ack(6));
    s.silent();
}

#[test]
fn at_once_out_of_order_and_for_what_fills_the_hole() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq + 100, 100));
    s.expect(seg().ack(seq).sack(&[(seq + 100, seq + 200)]));
    let _ = s.inject(data(seq, 100));
    s.expect(seg().ack(seq + 200).sack(&[]));
    s.run(100);
    s.silent();
}

#[test]
fn at_once_for_part_of_a_hole() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq + 100, 100));
    let _ = s.inject(data(seq + 300, 100));
    s.discard();
    let _ = s.inject(data(seq, 100));
    s.expect(seg().ack(seq + 200).sack(&[(seq + 300, seq + 400)]));
}

#[test]
fn at_once_for_a_fin() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 100).fin());
    s.expect(seg().ack(seq + 101));
}

#[test]
fn at_once_for_what_came_before() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let outcome = s.inject(data(seq - 100, 100));
    assert_eq!(outcome.dropped, Some(Dropped::Duplicate));
    s.expect(seg().ack(seq).sack(&[(seq - 100, seq)]));
}

/// The peer has missed an acknowledgement, or goes by a window that is full: the
/// next ones come at once, also in a dialogue (as Linux).
#[test]
fn at_once_for_a_while_after_data_that_is_not_taken() {
    type Bad = fn(u32, u32) -> Seg;
    let before = |seq: u32, _| data(seq - 100, 100);
    let at_the_edge = |_, edge: u32| data(edge, 100);
    let stale = |seq: u32, _| data(seq - 50, 100).ts((400, 77_000));
    let beyond = |_, edge: u32| data(edge + 100, 100);
    let cases: [(bool, Bad, u32); 4] =
        [(false, before, 15), (false, at_the_edge, 15), (true, stale, 15), (false, beyond, 0)];
    for (is_stamped, bad, quick) in cases {
        let mut s = Script::open(&Start { ts: is_stamped, ..Start::default() });
        let mut seq = settled(&mut s);
        // A dialogue.
        let _ = s.inject_only(data(seq, 100));
        s.write(5);
        s.expect(seg().len(5).ack(seq + 100));
        let _ = s.inject(data(seq + 100, 10).ack(6));
        s.silent();
        s.run(40);
        seq += 110;
        let told = s.expect(seg().ack(seq));
        let edge = seq + u32::from(decode(&told.bytes).window.0);
        let _ = s.inject(bad(seq, edge).ack(6));
        s.expect(seg().ack(seq));
        for n in 0..20 {
            let _ = s.inject(data(seq, 10).ack(6));
            seq += 10;
            assert_eq!(s.discard(), usize::from(n < quick), "{n}");
            s.run(50);
            s.discard();
        }
    }
}

/// What came twice in part, or out of order, changes nothing beyond itself.
#[test]
fn reordering_brings_no_quick_acknowledgements() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq + 100, 100));
    let _ = s.inject(data(seq, 100));
    let _ = s.inject(data(seq + 100, 200));
    assert_eq!(s.discard(), 3);
    let _ = s.inject(data(seq + 300, 100));
    s.silent();
}

#[test]
fn an_acknowledgement_is_not_acknowledged() {
    let mut s = Script::established();
    s.write(10);
    s.discard();
    let _ = s.inject(ack(11));
    s.run(1000);
    s.silent();
}

#[test]
fn the_echoed_timestamp_is_that_of_the_first_segment_not_acknowledged() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let seq = settled(&mut s);
    let own = s.own_ts();
    let _ = s.inject(data(seq, 100).mark(Marks::PSH).ts((1000, own)));
    let _ = s.inject(data(seq + 100, 100).mark(Marks::PSH).ts((1010, own)));
    s.run(40);
    s.expect(seg().ack(seq + 200).ts((own + 40, 1000)));
}

#[test]
fn a_timestamp_beyond_a_hole_is_not_echoed() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let own = s.own_ts();
    let _ = s.inject(data(101, 100).ts((1000, own)));
    s.expect(seg().ack(1).ts((own, 500)));
    let _ = s.inject(data(1, 100).ts((990, own)));
    s.expect(seg().ack(201).ts((own, 990)));
}

/// Full segments have become smaller: the path is narrower, or the peer has begun
/// to use an option. Two in a row show it.
#[test]
fn at_once_for_every_second_full_segment_that_has_become_smaller() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    let _ = s.inject(data(seq, 500));
    s.silent();
    for n in 1..8 {
        let _ = s.inject(data(seq + n * 500, 500));
        if n % 2 == 1 {
            s.expect(seg().ack(seq + (n + 1) * 500));
        }
        s.silent();
    }
    // And they may grow again.
    let _ = s.inject(data(seq + 4000, 1000));
    s.silent();
    let _ = s.inject(data(seq + 5000, 1000));
    s.expect(seg().ack(seq + 6000));
}

/// What a peer has no more of at the time is no full segment.
#[test]
fn small_segments_that_are_pushed_are_no_full_ones() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    for n in 0..3 {
        let _ = s.inject(data(seq + n * 500, 500).mark(Marks::PSH));
    }
    s.silent();
    s.run(40);
    s.expect(seg().ack(seq + 1500));
}

/// Two of different sizes, one of which is a full one, tell nothing either.
#[test]
fn one_smaller_segment_is_no_full_one() {
    let mut s = Script::established();
    let mut seq = settled(&mut s);
    for len in [500, 1000, 500] {
        let _ = s.inject(data(seq, len));
        seq += len;
    }
    s.expect(seg().ack(seq));
    s.silent();
    let _ = s.inject(data(seq, 500));
    s.silent();
}

/// SACK blocks take room from the data of full segments.
#[test]
fn full_segments_with_blocks_are_as_large_as_those_without() {
    let mut s = Script::established();
    let seq = settled(&mut s);
    for n in 0..2 {
        let _ = s.inject(data(seq + n * 988, 988).sack(&[(5, 6)]));
    }
    s.silent();
    let _ = s.inject(data(seq + 1976, 24));
    s.expect(seg().ack(seq + 2000));
}

/// Blocks as a receiver with holes reports them (RFC 2018 §4): the newest first,
/// as many as the options have room for.
#[test]
fn holes_are_told_newest_first() {
    for (options, most) in [(Start::default(), 4), (Start { ts: true, ..Start::default() }, 3)] {
        let mut s = Script::open(&options);
        let seq = settled(&mut s);
        let hole = |n: u32| (seq + 200 * n, seq + 200 * n + 100);
        let mut told = Vec::new();
        for n in [1, 4, 2, 5, 3] {
            told.insert(0, hole(n));
            let _ = s.inject(data(hole(n).0, 100));
            s.expect(seg().ack(seq).sack(&told[..told.len().min(most)]));
        }
        // What comes again, and then the block that it lies in (RFC 2883 §4).
        let _ = s.inject(data(hole(4).0 + 20, 50));
        told.retain(|block| *block != hole(4));
        told.insert(0, hole(4));
        let again = [&[(hole(4).0 + 20, hole(4).0 + 70)], &told[..]].concat();
        s.expect(seg().ack(seq).sack(&again[..most]));
    }
}

/// Options of an acknowledgement with blocks, byte by byte: two NOPs before each,
/// as Linux pads them.
#[test]
fn blocks_stand_behind_two_nops() {
    for (options, before) in [(Start::default(), 0), (Start { ts: true, ..Start::default() }, 12)] {
        let mut s = Script::open(&options);
        let seq = settled(&mut s);
        let _ = s.inject(data(seq + 100, 100));
        let sent = s.out.pop_front().expect("an acknowledgement");
        let options = &sent.bytes[20..];
        assert_eq!(options.len(), before + 12);
        assert_eq!(options[..before.min(4)], [1, 1, 8, 10][..before.min(4)]);
        assert_eq!(options[before..before + 4], [1, 1, 5, 10]);
    }
}

/// RFC 2883 §4.2.1; of what an early piece and what fills the hole share.
#[test]
fn what_fills_a_hole_and_more_is_reported_as_far_as_it_came_before() {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 1000));
    s.expect(seg().ack(1).sack(&[(1001, 2001)]));
    let _ = s.inject(data(1, 1500));
    s.expect(seg().ack(2001).sack(&[(1001, 1501)]));
    let _ = s.inject(data(3001, 10));
    s.expect(seg().ack(2001).sack(&[(3001, 3011)]));
    let _ = s.inject(data(1501, 2000));
    s.expect(seg().ack(3501).sack(&[(1501, 2001)]));
}
