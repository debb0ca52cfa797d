//! When segments smaller than full ones are sent (RFC 9293 §3.7.4, Nagle's
//! algorithm), and what is pushed (RFC 9293 §3.9.1.2).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::Settings;
use tcpv4::segment::Marks;

#[test]
fn nagle_holds_a_second_small_segment_back() {
    let mut s = Script::established();
    s.write(10);
    s.expect(seg().seq(1).len(10));
    s.write(20);
    s.write(30);
    s.silent();
    let _ = s.inject(ack(11));
    s.expect(seg().seq(11).len(50));
}

#[test]
fn a_full_segment_does_not_wait() {
    let mut s = Script::established();
    s.write(10);
    s.write(1500);
    s.expect(seg().seq(1).len(10));
    s.expect(seg().seq(11).len(1000));
    s.silent();
    let _ = s.inject(ack(11));
    s.expect(seg().seq(1011).len(500));
}

/// A full one is what segments are cut to: SACK blocks take their room from it.
#[test]
fn a_full_segment_beside_blocks_is_no_small_one() {
    for gso in [0, 65_000] {
        let mut s = Script::established();
        s.gso = gso;
        let _ = s.inject(data(101, 100));
        s.discard();
        s.write(2 * 988);
        s.expect(seg().seq(1).len(988).sack(&[(101, 201)]));
        s.expect(seg().seq(989).len(988));
        s.write(10);
        s.expect(seg().seq(1977).len(10));
        s.write(10);
        s.silent();
    }
}

#[test]
fn a_small_one_behind_full_ones_beside_blocks_is_small() {
    let mut s = Script::established();
    s.gso = 65_000;
    let _ = s.inject(data(101, 100));
    s.discard();
    // Eight full ones, and 96 bytes.
    s.write(8000);
    assert_eq!(s.discard(), 9);
    s.write(10);
    s.silent();
}

#[test]
fn nodelay_sends_at_once() {
    let mut settings = Settings::default();
    settings.nodelay = true;
    let mut s = Script::open(&Start { settings, ..Start::default() });
    for n in 0..5 {
        s.write(10);
        s.expect(seg().seq(1 + 10 * n).len(10).mark(Marks::PSH));
    }
}

#[test]
fn push_marks_the_end_of_what_is_written() {
    let mut s = Script::established();
    s.write(2500);
    let first = s.expect(seg().len(1000));
    assert!(!decode(&first.bytes).marks.contains(Marks::PSH));
    s.expect(seg().len(1000));
    s.expect(seg().len(500).mark(Marks::PSH));
}

/// Which of the segments that were sent are pushed, counted from 1.
fn pushed(s: &mut Script) -> Vec<usize> {
    let sent = s.out.drain(..).map(|sent| decode(&sent.bytes).marks.contains(Marks::PSH));
    sent.enumerate().filter(|(_, is_pushed)| *is_pushed).map(|(n, _)| n + 1).collect()
}

/// As in Linux: a receiver that hands on what is pushed never waits for more.
#[test]
fn push_comes_after_half_of_the_largest_window() {
    // 12,800 bytes.
    let mut s = Script::open(&Start { scale: Some(7), window: 100, ..Start::default() });
    let _ = s.inject(ack(1));
    s.write(30_000);
    assert_eq!(pushed(&mut s), [7]);
    s.run(100);
    let _ = s.inject(ack(10_001));
    // Behind 7001, and then behind 14,001, of twelve segments.
    assert_eq!(pushed(&mut s), [4, 11]);
    s.run(100);
    // The largest counts, whatever it is by now.
    let _ = s.inject(ack(22_001).win(20));
    assert_eq!((s.out.len(), pushed(&mut s)), (2, vec![]));
    s.run(100);
    let _ = s.inject(ack(24_001));
    assert_eq!(pushed(&mut s), [4, 6], "behind 21,001, and the end of what is written");
}

/// The device cuts it, and the last piece has the mark.
#[test]
fn a_push_within_a_large_segment_stands_at_its_end() {
    let mut s = Script::open(&Start { scale: Some(7), window: 100, ..Start::default() });
    s.gso = 65_535;
    let _ = s.inject(ack(1));
    s.write(30_000);
    assert_eq!(pushed(&mut s), [10], "of the first window");
}
