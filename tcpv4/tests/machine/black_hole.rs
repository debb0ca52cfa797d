//! Paths that swallow large packets in silence (RFC 4821).

use crate::harness::decode;
use crate::script::*;
use tcpv4::recovery::Phase;

/// A peer that takes large segments, with a window for many.
fn start() -> Start {
    Start { mss: 1460, window: 64_000, ..Start::default() }
}

/// Lets the timer fire until segments are of `len` bytes, and returns how
/// often it did.
fn shrink(s: &mut Script, len: u32) -> u32 {
    for timeouts in 1..20 {
        s.run(s.rto());
        let is_smaller = s.out.iter().any(|sent| decode(&sent.bytes).payload.len() as u32 == len);
        s.discard();
        if is_smaller {
            return timeouts;
        }
    }
    panic!("never {len} bytes");
}

#[test]
fn full_segments_without_answer_are_tried_smaller() {
    let mut s = Script::open(&start());
    s.write(1460);
    s.expect(seg().seq(1).len(1460));
    // The tail loss probe comes before; the fourth timeout makes it smaller.
    s.run(400);
    s.discard();
    assert_eq!(s.connection.info().mss, 1460);
    while s.connection.info().timeouts < 4 {
        s.run(s.rto());
    }
    assert_eq!(s.connection.info().mss, 1024);
    // It is the size that was wrong, and the connection goes on with less.
    let first = s.out.pop_back().map(|sent| decode(&sent.bytes).payload.len());
    assert_eq!(first, Some(436), "the rest of it");
    s.discard();
    let _ = s.inject(ack(1461));
    s.write(3000);
    s.expect(seg().seq(1461).len(1024));
}

#[test]
fn ever_smaller_down_to_a_floor() {
    let mut s = Script::open(&start());
    s.write(1460);
    let mut sizes = vec![1460];
    for _ in 0..8 {
        s.run(s.rto());
        let mss = s.connection.info().mss;
        if sizes.last() != Some(&mss) {
            sizes.push(mss);
        }
    }
    assert_eq!(sizes, [1460, 1024, 512, 256]);
}

#[test]
fn small_segments_without_answer_say_nothing_of_the_size() {
    let mut s = Script::open(&start());
    s.write(500);
    for _ in 0..6 {
        s.run(s.rto());
    }
    assert_eq!(s.connection.info().mss, 1460);
}

/// A connection at 1024 bytes a segment, all acknowledged up to the number
/// returned, with a window wide enough for probes.
fn narrowed() -> (Script, u32) {
    let mut s = Script::open(&start());
    s.write(1460);
    s.discard();
    shrink(&mut s, 1024);
    let _ = s.inject(ack(1461));
    s.discard();
    assert_eq!(s.connection.info().mss, 1024);
    (s, 1461)
}

/// Writes and acknowledges as the window allows, until a segment of more than
/// `mss` bytes comes: its number and length.
fn until_probe(s: &mut Script, next: &mut u32, mss: u32) -> (u32, u32) {
    for _ in 0..40 {
        s.write(s.connection.writable().min(20_000));
        s.run(100);
        let mut found = None;
        while let Some(sent) = s.out.pop_front() {
            let segment = decode(&sent.bytes);
            let seq = segment.seq.value().wrapping_sub(ISS);
            let len = segment.payload.len() as u32;
            if len > mss {
                assert!(found.is_none(), "one at a time");
                found = Some((seq, len));
            }
            *next = (*next).max(seq + len);
        }
        if let Some(found) = found {
            return found;
        }
        let _ = s.inject(ack(*next));
    }
    panic!("no probe");
}

#[test]
fn probes_find_the_way_up_again() {
    let (mut s, mut next) = narrowed();
    for (mss, probe) in [(1024, 1240), (1240, 1360), (1360, 1420), (1420, 1452), (1452, 1460)] {
        assert_eq!(u32::from(s.connection.info().mss), mss);
        assert_eq!(until_probe(&mut s, &mut next, mss).1, probe);
        let _ = s.inject(ack(next));
    }
    assert_eq!(s.connection.info().mss, 1460);
}

#[test]
fn a_lost_probe_is_no_congestion_and_waits_for_ten_minutes() {
    let (mut s, mut next) = narrowed();
    let (seq, len) = until_probe(&mut s, &mut next, 1024);
    let cwnd = s.connection.info().cwnd;
    // All that follows it arrives.
    let _ = s.inject(ack(seq).sack(&[(seq + len, next)]));
    s.run(100);
    assert_eq!(s.connection.info().phase, Phase::Open);
    assert!(s.connection.info().cwnd >= cwnd);
    // It goes again in pieces that are known to pass.
    s.expect(seg().seq(seq).len(1024));
    s.expect(seg().seq(seq + 1024).len(len - 1024));
    s.run(100);
    next += s.out.iter().map(|sent| decode(&sent.bytes).payload.len() as u32).sum::<u32>();
    s.discard();
    let _ = s.inject(ack(next));
    // None for a while, then one.
    for _ in 0..10 {
        s.write(5000);
        while let Some(sent) = s.out.pop_front() {
            let segment = decode(&sent.bytes);
            assert!(segment.payload.len() <= 1024);
            next = next.max(segment.seq.value().wrapping_sub(ISS) + segment.payload.len() as u32);
        }
        let _ = s.inject(ack(next));
        while let Some(sent) = s.out.pop_front() {
            let segment = decode(&sent.bytes);
            assert!(segment.payload.len() <= 1024);
            next = next.max(segment.seq.value().wrapping_sub(ISS) + segment.payload.len() as u32);
        }
        let _ = s.inject(ack(next));
        s.discard();
        s.run(1000);
    }
    s.run(600_000);
    until_probe(&mut s, &mut next, 1024);
}

#[test]
fn a_peer_that_takes_no_more_is_not_probed() {
    let mut s = Script::open(&Start { mss: 1000, ..start() });
    s.write(1000);
    s.discard();
    shrink(&mut s, 512);
    let mut next = 1001;
    let _ = s.inject(ack(next));
    s.discard();
    assert_eq!(until_probe(&mut s, &mut next, 512).1, 1000);
    let _ = s.inject(ack(next));
    for _ in 0..5 {
        s.write(10_000);
        s.run(100);
        while let Some(sent) = s.out.pop_front() {
            let segment = decode(&sent.bytes);
            assert!(segment.payload.len() <= 1000);
            next = next.max(segment.seq.value().wrapping_sub(ISS) + segment.payload.len() as u32);
        }
        let _ = s.inject(ack(next));
    }
    assert_eq!(s.connection.info().mss, 1000);
}

#[test]
fn no_probe_while_blocks_are_to_be_reported() {
    let (mut s, mut next) = narrowed();
    // A hole: every segment now carries a block, which a probe has no room for.
    let _ = s.inject(data(101, 50).ack(next));
    for _ in 0..10 {
        s.write(s.connection.writable().min(20_000));
        s.run(100);
        while let Some(sent) = s.out.pop_front() {
            let segment = decode(&sent.bytes);
            assert!(segment.payload.len() <= 1024);
            next = next.max(segment.seq.value().wrapping_sub(ISS) + segment.payload.len() as u32);
        }
        let _ = s.inject(ack(next));
    }
    // Once it is filled, the way up is looked for.
    let _ = s.inject(data(1, 100).ack(next));
    assert_eq!(s.connection.readable(), 150);
}
