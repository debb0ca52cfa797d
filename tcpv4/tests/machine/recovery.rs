//! Loss and its repair (RFC 5681, 6582, 6675, 8985, 6937).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::Settings;
use tcpv4::recovery::Phase;

#[test]
fn three_duplicates_repeat_the_first() {
    let mut s = flying(&reno(), 6);
    s.run(100);
    let _ = s.inject(ack(1));
    let _ = s.inject(ack(1));
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    s.run(100);
    let _ = s.inject(ack(6001));
    assert_eq!(s.connection.info().phase, Phase::Open);
    let info = s.connection.info();
    assert_eq!(Some(info.cwnd), info.ssthresh);
}

#[test]
fn limited_transmit_sends_something_new_for_the_first_two() {
    let mut s = flying(&reno(), 10);
    s.write(5_000);
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(10_001).len(1000));
    let _ = s.inject(ack(1));
    s.expect(seg().seq(11_001).len(1000));
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(1).len(1000));
}

#[test]
fn a_partial_acknowledgement_repeats_the_next() {
    let mut s = flying(&reno(), 8);
    s.run(100);
    for _ in 0..5 {
        let _ = s.inject(ack(1));
    }
    s.expect(seg().seq(1));
    s.silent();
    s.run(100);
    let _ = s.inject(ack(3001));
    s.expect(seg().seq(3001).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    let _ = s.inject(ack(8001));
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn duplicates_that_echo_a_recovery_start_no_other() {
    let mut s = flying(&reno(), 4);
    s.run(310);
    s.expect(seg().seq(1));
    let _ = s.inject(ack(4001));
    s.write(5_000);
    s.discard();
    for _ in 0..5 {
        let _ = s.inject(ack(4001));
    }
    assert_eq!(s.connection.info().phase, Phase::Open);
    assert!(s.out.iter().all(|sent| decode(&sent.bytes).seq.value() != ISS.wrapping_add(4001)));
}

#[test]
fn data_and_window_updates_are_no_duplicates() {
    let mut s = flying(&reno(), 6);
    for n in 0..5 {
        let _ = s.inject(data(1 + n * 10, 10));
    }
    for n in 0..5 {
        let _ = s.inject(seg().seq(51).ack(1).win(30_000 + n));
    }
    s.run(50);
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn sack_names_what_is_missing() {
    let mut s = flying(&Start::default(), 8);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    let _ = s.inject(ack(1).sack(&[(1001, 3001)]));
    s.silent();
    let _ = s.inject(ack(1).sack(&[(1001, 4001)]));
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
}

#[test]
fn several_holes_are_repeated_each_once() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    // 1, 3001 and 5001 are missing.
    let _ = s.inject(ack(1).sack(&[(6001, 10_001), (4001, 5001), (1001, 3001)]));
    s.run(90);
    let mut repeated: Vec<u32> = Vec::new();
    for next in [3001, 5001] {
        s.run(100);
        repeated.extend(s.out.drain(..).map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)));
        let _ = s.inject(ack(next).sack(&[(6001, 10_001)]));
    }
    s.run(10);
    repeated.extend(s.out.drain(..).map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)));
    repeated.sort();
    assert_eq!(repeated, [1, 3001, 5001]);
    let _ = s.inject(ack(10_001));
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn blocks_that_make_no_sense_are_ignored() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    for block in [
        (2001, 1001),
        (1001, 1001),
        (4001, 9001),
        (50_000, 60_000),
        (0x8000_0000, 0x8000_1000),
        (u32::MAX - 5000, u32::MAX - 1000),
        (1001, 0x9000_0000),
    ] {
        let _ = s.inject(ack(1).sack(&[block]));
    }
    assert_eq!((s.connection.info().phase, s.connection.info().lost), (Phase::Open, 0));
    s.silent();
}

#[test]
fn a_late_segment_is_not_taken_for_lost() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    // One segment ahead of another: within the reordering window.
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    s.run(10);
    let _ = s.inject(ack(2001));
    s.run(10);
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn what_stays_away_for_a_quarter_of_a_round_trip_is_lost() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    s.silent();
    s.run(60);
    s.expect_at(125, seg().seq(1).len(1000));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
}

#[test]
fn a_lost_retransmission_is_noticed() {
    let mut s = flying(&Start::default(), 10);
    s.write(10_000);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    s.expect(seg().seq(1).len(1000));
    s.run(0);
    let next = s.discard();
    assert!(next > 0, "new data follows");
    s.run(100);
    // What was sent after it has arrived, it has not.
    let _ = s.inject(ack(1).sack(&[(1001, 10_001 + 1000 * next as u32)]));
    s.run(60);
    let repeated: Vec<_> = s.out.iter().map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert!(repeated.contains(&1), "{repeated:?}");
}

#[test]
fn a_peer_that_gives_up_what_it_told_of_gets_it_again() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 4001)]));
    s.expect(seg().seq(1));
    let _ = s.inject(ack(1001).sack(&[(1001, 2001)]));
    s.discard();
    let _ = s.inject(ack(1001));
    s.run(2_000);
    let _ = s.inject(ack(2001));
    s.run(10_000);
    let seqs: Vec<_> = s.out.iter().map(|sent| decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert!(seqs.contains(&2001), "{seqs:?}");
    let _ = s.inject(ack(4001));
    assert!(s.connection.is_flushed());
}

#[test]
fn the_window_comes_down_evenly_in_recovery() {
    let mut settings = Settings::default();
    settings.congestion = tcpv4::congestion::Algorithm::NewReno;
    let mut s = flying(&Start { settings, ..Start::default() }, 10);
    s.write(20_000);
    s.run(100);
    let mut sent = Vec::new();
    for n in 2..=9u32 {
        let _ = s.inject(ack(1).sack(&[(1001, n * 1000 + 1)]));
        sent.push(s.discard());
    }
    // Two by limited transmit; then the retransmission; then about one for
    // every two that arrive.
    assert_eq!(sent[..3], [1, 1, 1]);
    let rest: usize = sent[3..].iter().sum();
    assert!((1..=4).contains(&rest), "{sent:?}");
    assert_eq!(s.connection.info().ssthresh, Some(5000));
}

/// Three were sent again at once; of these the second arrives. That the first was
/// lost again does not wait for word of the third (RFC 8985 §6.2, step 5).
#[test]
fn a_part_of_a_burst_that_was_lost_again_is_noticed_by_itself() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(3001, 10_001)]));
    for n in 0..3 {
        s.expect(seg().seq(1 + 1000 * n).len(1000));
    }
    s.silent();
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001), (3001, 10_001)]));
    s.expect_at(200, seg().seq(1).len(1000));
    s.silent();
}

/// RFC 8985 §6.2, step 4 counts segments, not bytes.
#[test]
fn three_small_segments_are_three() {
    for small in [3, 2] {
        let mut s = Script::open(&nodelay());
        for _ in 0..6 {
            s.write(100);
            s.run(1);
        }
        s.discard();
        s.run(100);
        let _ = s.inject(ack(1).sack(&[(101, 101 + 100 * small)]));
        assert_eq!(s.discard(), usize::from(small == 3));
    }
}

fn nodelay() -> Start {
    let mut settings = Settings::default();
    settings.nodelay = true;
    Start { settings, ..Start::default() }
}

/// RFC 6675 §4, NextSeg: what is new waits, though it is small enough for what the
/// window leaves.
#[test]
fn nothing_new_overtakes_what_was_lost() {
    let mut s = Script::open(&nodelay());
    s.write(9_500);
    s.write(500);
    assert_eq!(s.discard(), 11);
    s.write(100);
    s.run(100);
    // 2,500 bytes have arrived: two of those that are missing may go.
    let _ = s.inject(ack(1).sack(&[(3001, 5001), (9501, 10_001)]));
    s.expect(seg().seq(1).len(1000));
    s.expect(seg().seq(1001).len(1000));
    s.silent();
}

/// Below the target it grows back by what arrives, not beyond.
#[test]
fn recovery_aims_at_the_threshold() {
    let mut s = flying(&Start::default(), 10);
    s.write(20_000);
    s.run(100);
    // Five are under way, seven is the target.
    let _ = s.inject(ack(1).sack(&[(1001, 5001)]));
    s.expect(seg().seq(1).len(1000));
    s.expect(seg().seq(10_001).len(1000));
    s.silent();
}

/// A later one has overtaken it; its blocks are news all the same.
#[test]
fn blocks_of_an_overtaken_acknowledgement_count() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(3001));
    let _ = s.inject(ack(1001).sack(&[(2001, 2501)]));
    s.silent();
    let _ = s.inject(ack(2001).sack(&[(4001, 8001)]));
    s.expect(seg().seq(3001).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
}

/// Without SACK: the duplicates have told of what arrived, the acknowledgement
/// that follows tells of a segment more.
#[test]
fn what_duplicates_told_of_counts_once() {
    let mut s = flying(&reno(), 10);
    s.write(40_000);
    s.run(100);
    let _ = s.inject(ack(10_001));
    assert_eq!(s.discard(), 20);
    s.run(100);
    for _ in 0..3 {
        let _ = s.inject(ack(10_001));
    }
    assert_eq!(s.discard(), 3, "two by limited transmit, and what is missing");
    // Of 22 under way two have arrived since, for which 14/22 may follow; but what
    // is missing now goes at once (RFC 6582 §3.2, step 3).
    let _ = s.inject(ack(14_001));
    s.expect(seg().seq(14_001).len(1000));
    s.silent();
}
