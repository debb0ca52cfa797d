//! How much is under way, and how much is queued for it.

use crate::script::*;
use tcpv4::congestion::Algorithm;
use tcpv4::connection::{Events, Settings};
use tcpv4::recovery::Phase;

/// A peer with a window that never limits.
fn wide(congestion: Algorithm) -> Script {
    let mut settings = Settings::default();
    settings.congestion = congestion;
    Script::open(&Start { settings, scale: Some(7), window: 60_000, ..Start::default() })
}

/// Ten segments under way, of which the first is lost.
fn one_lost(congestion: Algorithm) -> Script {
    let mut s = wide(congestion);
    s.write(10_000);
    assert_eq!(s.discard(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    s
}

#[test]
fn cubic_gives_up_three_tenths() {
    assert_eq!(one_lost(Algorithm::Cubic).connection.info().ssthresh, Some(7000));
}

#[test]
fn new_reno_gives_up_half() {
    assert_eq!(one_lost(Algorithm::NewReno).connection.info().ssthresh, Some(5000));
}

#[test]
fn slow_start_counts_bytes_not_acknowledgements() {
    for acks in [[10_001].as_slice(), &[2001, 4001, 6001, 8001, 10_001]] {
        let mut s = wide(Algorithm::Cubic);
        s.write(60_000);
        assert_eq!(s.discard(), 10);
        s.run(100);
        for &at in acks {
            let _ = s.inject(ack(at));
        }
        assert_eq!(s.connection.info().cwnd, 20_000, "{acks:?}");
        assert_eq!(s.discard(), 20);
    }
}

#[test]
fn one_window_reduces_once() {
    let mut s = one_lost(Algorithm::NewReno);
    s.discard();
    s.run(10);
    // More of the same window is found missing.
    let _ = s.inject(ack(1001).sack(&[(3001, 10_001)]));
    assert_eq!(s.connection.info().ssthresh, Some(5000));
}

#[test]
fn the_algorithm_may_be_chosen_on_the_way() {
    let mut s = wide(Algorithm::Cubic);
    let mut settings = Settings::default();
    settings.congestion = Algorithm::NewReno;
    s.connection.configure(s.now, &settings);
    assert_eq!(s.connection.info().congestion, Algorithm::NewReno);
    s.write(10_000);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    assert_eq!(s.connection.info().ssthresh, Some(5000));
}

#[test]
fn no_more_is_queued_than_the_user_allows() {
    let mut settings = Settings::default();
    settings.send_limit = 5000;
    let mut s = Script::open(&Start { settings, ..Start::default() });
    assert_eq!(s.connection.write(s.now, &[0; 9000]), Ok(5000));
    s.flush();
    assert_eq!((s.connection.writable(), s.discard()), (0, 5));
    // The writer is woken when a third is free.
    let outcome = s.inject(ack(1001));
    assert!(!outcome.events.contains(Events::WRITABLE));
    let outcome = s.inject(ack(3001));
    assert!(outcome.events.contains(Events::WRITABLE));
    let outcome = s.inject(ack(5001));
    assert!(!outcome.events.contains(Events::WRITABLE), "once");
}

#[test]
fn what_was_sent_again_is_counted() {
    let mut s = one_lost(Algorithm::Cubic);
    s.expect(seg().seq(1).len(1000));
    assert_eq!(s.connection.info().totals.retransmissions, 1);
}

/// RFC 2861 §3.1: what is not used for a timeout goes, half at a time, but not
/// below the initial window.
#[test]
fn a_window_that_is_not_used_decays() {
    let mut s = Script::established();
    s.write(40_000);
    let mut next = 1;
    for _ in 0..20 {
        s.run(20);
        next = (next + 2000).min(40_001);
        let _ = s.inject(ack(next));
    }
    let grown = s.connection.info().cwnd;
    assert!(grown >= 30_000, "{grown}");
    s.discard();
    let mut last = grown;
    let mut changes = 0;
    for _ in 0..100 {
        s.write(1000);
        s.run(20);
        next += 1000;
        let _ = s.inject(ack(next));
        let info = s.connection.info();
        if info.cwnd != last {
            assert_eq!(info.cwnd, last.midpoint(10_000));
            changes += 1;
            last = info.cwnd;
        }
    }
    assert!((5..=8).contains(&changes), "once a timeout: {changes}");
    assert_eq!(s.connection.info().ssthresh, None);
}

/// The application has more to send all the time, and waits for room in the send
/// buffer: that says nothing of the path (as in Linux, where such a sender is
/// marked).
#[test]
fn a_window_that_the_send_buffer_leaves_unused_stays() {
    let mut settings = Settings::default();
    settings.send_limit = 30_000;
    let mut s = Script::open(&Start { settings, ..Start::default() });
    let more = vec![0; 60_000];
    let round = |s: &mut Script, next: &mut u32| {
        let _ = s.connection.write(s.now, &more);
        s.flush();
        s.discard();
        s.run(20);
        *next += s.connection.info().outstanding;
        let _ = s.inject(ack(*next));
        s.connection.info().cwnd
    };
    let mut next = 1;
    let grown = (0..10).map(|_| round(&mut s, &mut next)).last();
    assert!(grown > Some(40_000), "{grown:?}");
    for _ in 0..100 {
        assert_eq!(Some(round(&mut s, &mut next)), grown);
    }
    // When it has no more to send, the window decays.
    for _ in 0..50 {
        s.write(1000);
        s.run(20);
        next += 1000;
        let _ = s.inject(ack(next));
    }
    assert!(Some(s.connection.info().cwnd) < grown);
}

/// After a pause the window is small again, but slow start knows where it was
/// (RFC 2861 §3, as Linux): three quarters of it.
#[test]
fn after_a_pause_slow_start_goes_on_to_three_quarters_of_the_window() {
    let mut s = one_lost(Algorithm::NewReno);
    s.run(100);
    let mut next = 10_001;
    let _ = s.inject(ack(next));
    // A segment waits each time, so that it is the window that limits.
    s.write(1000);
    for round in 0..=20 {
        if round < 20 {
            s.write(s.connection.info().cwnd as usize);
        }
        s.discard();
        s.run(100);
        next += s.connection.info().outstanding;
        let _ = s.inject(ack(next));
    }
    s.run(100);
    next += s.connection.info().outstanding;
    let _ = s.inject(ack(next));
    assert_eq!(s.connection.info().unsent, 0);
    let before = s.connection.info();
    assert!(before.cwnd > 20_000 && before.ssthresh < Some(10_000), "{before:?}");
    let rto = s.rto();
    s.run(2 * rto);
    s.write(1000);
    let after = s.connection.info();
    assert_eq!((after.cwnd, after.ssthresh), (10_000, Some(before.cwnd / 4 * 3)));
}
