//! The retransmission timer (RFC 6298), and how long it goes on.

mod machine;

use machine::script::*;
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
fn all_acknowledged_leaves_no_timer_but_memory_to_give_back() {
    let mut s = flying(&Start::default(), 3);
    assert!(s.connection.held() > 0);
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
