//! The retransmission timer (RFC 6298), and how long it goes on.

use crate::script::*;
use tcpv4::connection::{Events, Failure, Settings, State};
use tcpv4::recovery::Phase;

#[test]
fn the_timer_repeats_the_first_and_backs_off() {
    let mut s = flying(&reno(), 3);
    s.run(3_000);
    let mut at = 0;
    for n in 0..3 {
        at += 300 << n;
        s.expect_at(at, seg().seq(1).len(1000));
    }
    s.silent();
    assert_eq!(s.connection.info().cwnd, 1000);
}

#[test]
fn after_a_timeout_slow_start_repeats_the_rest() {
    let mut s = flying(&reno(), 4);
    s.run(310);
    s.expect(seg().seq(1).len(1000));
    s.run(90);
    let _ = s.inject(ack(1001));
    s.expect(seg().seq(1001).len(1000));
    s.expect(seg().seq(2001).len(1000));
    s.silent();
    let _ = s.inject(ack(4001));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn a_connection_without_answers_is_given_up() {
    let mut s = flying(&Start::default(), 1);
    s.run(2_000_000);
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::TimedOut)));
    assert!(s.events.contains(Events::FAILED | Events::CLOSED | Events::DOUBTFUL));
}

#[test]
fn a_user_timeout_ends_it_earlier() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(5));
    let mut s = flying(&Start { settings, ..reno() }, 1);
    s.run(4_900);
    assert_eq!(s.failure(), None);
    s.run(200);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_long_user_timeout_outlasts_fifteen_tries() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(4_000));
    let mut s = flying(&Start { settings, ..reno() }, 1);
    s.run(3_900_000);
    assert_eq!(s.failure(), None);
    s.run(200_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn the_timer_starts_anew_with_each_acknowledgement() {
    let mut s = flying(&reno(), 3);
    s.run(250);
    let _ = s.inject(ack(1001));
    let (at, rto) = (s.time(), s.rto());
    s.run(rto + 1);
    s.expect_at(at + rto, seg().seq(1001).len(1000));
}

#[test]
fn all_acknowledged_leaves_no_timer() {
    let mut s = flying(&Start::default(), 3);
    let _ = s.inject(ack(3001));
    s.run(3_000);
    s.silent();
    assert_eq!(s.connection.held(), 0);
    assert_eq!(s.connection.next_timeout(), None);
}

/// The timer takes for lost what is oldest and what is late, not what was sent
/// a moment ago (RFC 8985 §6.3).
#[test]
fn a_timeout_spares_what_was_just_sent() {
    let mut s = Script::established();
    s.write(2000);
    s.expect(data(1, 1000).seq(1).ack(1));
    s.expect(data(1001, 1000).ack(1));
    s.run(250);
    // The tail loss probe, from which the timer counts.
    s.expect_at(208, seg().seq(1001).len(1000));
    let rto = s.rto();
    s.run(rto + 208 - 250 - 10);
    s.silent();
    s.write(1000);
    s.expect(data(2001, 1000).seq(2001).ack(1));
    s.run(20);
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().lost, 1000, "the second segment; the third was sent 10 ms ago");
}

/// What had been SACKed before the timeout opens no window when the hole before it
/// is filled (RFC 3465 §2.3).
#[test]
fn a_hole_that_is_filled_after_a_timeout_is_no_burst() {
    let mut s = Script::open(&Start { scale: Some(7), window: 60_000, ..Start::default() });
    let mut next = 1u32;
    for _ in 0..4 {
        let cwnd = s.connection.info().cwnd;
        s.write(cwnd as usize);
        s.discard();
        next += cwnd;
        s.run(100);
        let _ = s.inject(ack(next));
    }
    s.write(100_000);
    assert_eq!(s.discard(), 100);
    s.run(100);
    let _ = s.inject(ack(next).sack(&[(next + 1000, next + 100_000)]));
    assert_eq!(s.discard(), 1);
    while s.connection.info().timeouts == 0 {
        s.run(5);
    }
    assert_eq!((s.connection.info().cwnd, s.discard()), (1000, 1));
    s.write(31_000);
    s.run(100);
    let _ = s.inject(ack(next + 100_000));
    assert_eq!((s.discard(), s.connection.info().cwnd), (2, 2_000));
}

/// The same without SACK, where only the peer knows what it has.
#[test]
fn after_a_timeout_an_acknowledgement_counts_as_a_segment() {
    let mut s = flying(&reno(), 10);
    s.write(20_000);
    s.run(310);
    s.expect(seg().seq(1));
    s.run(100);
    let _ = s.inject(ack(10_001));
    assert_eq!((s.discard(), s.connection.info().cwnd), (2, 2_000));
}

/// As Linux: for what is under way the window came down already.
#[test]
fn a_timeout_in_recovery_keeps_the_threshold() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    let reduced = s.connection.info().ssthresh;
    assert_eq!(reduced, Some(7_000));
    while s.connection.info().timeouts == 0 {
        s.run(5);
    }
    assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Loss, reduced));
}

/// RFC 5681 §3.1: "retransmitted at least once already", so the threshold stays.
#[test]
fn a_second_timeout_of_the_same_data_keeps_the_threshold() {
    let mut s = flying(&reno(), 10);
    s.run(310);
    let reduced = s.connection.info().ssthresh;
    assert_eq!((reduced, s.discard()), (Some(7_000), 1));
    s.run(600);
    assert_eq!((s.connection.info().timeouts, s.connection.info().ssthresh), (2, reduced));
    // The first arrives, the next is lost again.
    let _ = s.inject(ack(1001));
    s.run(2_000);
    assert!(s.connection.info().ssthresh < reduced, "a timeout of other data counts");
}

/// The echo of a retransmission is a round trip, which ends the back-off
/// (RFC 7323 §4.1).
#[test]
fn the_echo_of_a_retransmission_is_a_sample() {
    let mut s = Script::open(&Start { ts: true, sack: false, ..Start::default() });
    let rto = s.rto();
    s.write(988);
    s.run(rto + 1);
    assert_eq!(s.discard(), 2);
    assert_eq!(s.rto(), 2 * rto);
    let again = s.own_ts() - 1;
    s.run(99);
    let _ = s.inject(ack(989).ts((501, again)));
    assert!(s.rto() <= rto, "{}", s.rto());
}

/// How often a closed window had to be probed says nothing of the path.
#[test]
fn the_back_off_ends_when_a_closed_window_opens() {
    let mut s = Script::established();
    let rto = s.rto();
    let _ = s.inject(ack(1).win(0));
    s.write(1000);
    s.run(20 * rto);
    assert!(s.discard() > 3 && s.rto() > 8 * rto);
    let _ = s.inject(ack(1));
    s.expect(seg().seq(1).len(1000));
    assert_eq!(s.rto(), rto);
}

/// Samples come by the dozen: what is late once in a round trip is not forgotten
/// by those after it (as Linux).
#[test]
fn the_timeout_minds_what_is_late_once_in_a_round() {
    let mut s = Script::open(&Start { rtt: 900, ..Start::default() });
    let (mut next, mut rto) = (1, 0);
    for _ in 0..12 {
        s.write(10_000);
        s.run(900);
        for n in 1..=9 {
            let _ = s.inject(ack(next + n * 1000));
        }
        rto = s.rto();
        s.run(800);
        next += 10_000;
        let _ = s.inject(ack(next));
        assert_eq!(s.discard(), 10, "nothing was sent twice");
    }
    assert!((1500..2500).contains(&rto), "{rto}");
}
