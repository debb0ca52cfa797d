//! How RACK learns how far things are reordered (RFC 8985 §6.2, step 4).

use crate::script::*;
use tcpv4::recovery::Phase;

/// A script in which the first segment was overtaken, and eight more are under
/// way, acknowledged up to `at`.
fn reordered() -> (Script, u32) {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    let _ = s.inject(ack(2001));
    s.silent();
    (s, 2001)
}

/// Sends two, of which the first is missing, over a path of `rtt` milliseconds.
/// Returns how long after word of the second that is repeated.
fn patience(s: &mut Script, at: &mut u32, rtt: u64) -> u64 {
    s.write(2_000);
    assert_eq!(s.discard(), 2);
    s.run(rtt);
    let _ = s.inject(ack(*at).sack(&[(*at + 1000, *at + 2000)]));
    s.silent();
    let told = s.time();
    while s.out.is_empty() {
        s.run(1);
    }
    let patience = s.time() - told;
    s.expect(seg().seq(*at).len(1000));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    *at += 2000;
    s.run(rtt);
    let _ = s.inject(ack(*at));
    s.silent();
    patience
}

/// All that is under way arrives.
fn finish(s: &mut Script, at: &mut u32) {
    *at = 10_001;
    let _ = s.inject(ack(*at));
    s.discard();
}

#[test]
fn once_something_was_overtaken_three_are_no_proof() {
    let (mut s, at) = reordered();
    let _ = s.inject(ack(at).sack(&[(at + 1000, at + 6000)]));
    s.silent();
    s.run(30);
    s.expect_at(125, seg().seq(at).len(1000));
}

/// Repeats the third, and has the peer tell that it came twice.
fn repeat_needlessly(s: &mut Script, at: u32) {
    let _ = s.inject(ack(at).sack(&[(at + 1000, at + 6000)]));
    s.run(30);
    s.expect(seg().seq(at).len(1000));
    let _ = s.inject(ack(at + 6000));
    let _ = s.inject(ack(at + 6000).sack(&[(at, at + 1000)]));
    assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Open, None));
}

#[test]
fn a_needless_retransmission_makes_it_more_patient_for_sixteen_recoveries() {
    let (mut s, mut at) = reordered();
    repeat_needlessly(&mut s, at);
    finish(&mut s, &mut at);
    for round in 0..16 {
        assert_eq!(patience(&mut s, &mut at, 100), 50, "{round}");
    }
    assert_eq!(patience(&mut s, &mut at, 100), 25);
}

/// Where nothing was seen to be reordered, as Linux.
#[test]
fn without_reordering_nothing_is_learnt_from_what_came_twice() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 8001)]));
    s.expect(seg().seq(1).len(1000));
    let _ = s.inject(ack(8001));
    let _ = s.inject(ack(8001).sack(&[(1, 1001)]));
    assert_eq!(s.connection.info().ssthresh, None);
    let mut at = 0;
    finish(&mut s, &mut at);
    assert_eq!(patience(&mut s, &mut at, 100), 25);
}

/// Of a tail loss probe, or of the network.
#[test]
fn what_came_twice_for_another_reason_teaches_nothing() {
    let far = 10_001u32.wrapping_sub(70_000);
    for (twice, is_probed) in [
        ((9_001, 10_001), true),
        ((9_001, 10_001), false),
        ((8_001, 9_001), false),
        // Before what the window may have held.
        ((far, far + 1000), true),
        // Never sent.
        ((20_001, 21_001), true),
    ] {
        let (mut s, mut at) = reordered();
        if is_probed {
            s.run(210);
            s.expect(seg().seq(9_001).len(1000));
        }
        finish(&mut s, &mut at);
        let _ = s.inject(ack(at).sack(&[twice]));
        assert_eq!(patience(&mut s, &mut at, 100), 25, "{twice:?}");
    }
}

/// The least round trip is one of the last five minutes.
#[test]
fn a_path_that_grew_longer_is_believed_in_the_end() {
    let (mut s, mut at) = reordered();
    finish(&mut s, &mut at);
    for round in 0..400 {
        s.write(1000);
        s.run(200);
        at += 1000;
        let _ = s.inject(ack(at));
        s.run(600);
        s.discard();
        if round == 100 {
            assert_eq!(patience(&mut s, &mut at, 200), 25);
        }
    }
    assert_eq!(patience(&mut s, &mut at, 200), 50);
}
