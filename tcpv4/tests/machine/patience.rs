//! How long a closed window is borne, and resets while closing.

use std::time::Duration;

use crate::script::*;
use tcpv4::connection::{Events, Failure, Keepalive, Settings, State};

/// Without a user timeout a peer that shuts its window and answers every probe
/// is borne for ever
/// (RFC 9293 §3.8.6.1); with one (RFC 5482), for that long, as in Linux.
fn shut(timeout: Option<u64>) -> Script {
    let mut settings = Settings::default();
    settings.user_timeout = timeout.map(Duration::from_secs);
    let mut s = Script::open(&Start { settings, ..Start::default() });
    let _ = s.inject(ack(1).win(0));
    s.write(1000);
    s.silent();
    s
}

#[test]
fn a_user_timeout_ends_probing() {
    let mut s = shut(Some(5));
    s.run(4_000);
    assert_eq!(s.failure(), None);
    assert!(s.discard() > 1, "probes");
    s.run(8_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_peer_that_answers_probes_is_borne() {
    let mut s = shut(None);
    for _ in 0..40 {
        s.run(120_000);
        assert!(s.discard() > 0, "probes");
        let _ = s.inject(ack(1).win(0));
    }
    assert_eq!((s.state(), s.failure()), (State::Established, None));
}

/// Counted from the first probe, however often the peer answers.
#[test]
fn a_user_timeout_ends_probing_though_the_probes_are_answered() {
    let mut s = shut(Some(5));
    let first = s.rto();
    let mut ended = 0;
    while s.failure().is_none() && ended < 20_000 {
        s.run(50);
        ended += 50;
        if s.discard() > 0 && s.failure().is_none() {
            let _ = s.inject(ack(1).win(0));
        }
    }
    assert_eq!(s.failure(), Some(Failure::TimedOut));
    assert!((first + 5_000..=first + 5_100).contains(&ended), "{ended}");
}

/// Each closed window has the user timeout for itself.
#[test]
fn a_window_that_opens_in_between_ends_the_count() {
    let mut s = shut(Some(5));
    s.run(4_000);
    s.discard();
    let _ = s.inject(ack(1).win(1000));
    s.expect(seg().seq(1).len(1000));
    let _ = s.inject(ack(1001).win(0));
    s.write(1000);
    s.run(4_000);
    assert_eq!(s.failure(), None);
    s.run(2_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

/// A window shrunk to nothing over what is under way: borne while the peer
/// acknowledges, not when it falls silent.
#[test]
fn a_peer_that_shrinks_its_window_and_answers_is_borne() {
    let mut s = Script::established();
    s.write(2000);
    for _ in 0..40 {
        let _ = s.inject(ack(1).win(0));
        s.discard();
        s.run(120_000);
    }
    assert_eq!((s.state(), s.failure()), (State::Established, None));
    s.run(300_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

/// A user timeout no longer than the idle time: one probe is sent all the same.
#[test]
fn keepalive_with_a_user_timeout_asks_first() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(Duration::from_secs(30));
    settings.keepalive =
        Some(Keepalive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), probes: 1 });
    let mut s = Script::open(&Start { settings, ..Start::default() });
    for _ in 0..3 {
        s.run(60_001);
        s.expect(seg().seq(0).ack(1).len(0));
        let _ = s.inject(ack(1));
        s.silent();
    }
    s.run(70_001);
    s.expect(seg().seq(0).ack(1).len(0));
    s.expect(seg().rst());
    assert_eq!(s.failure(), Some(Failure::TimedOut));
    // A longer one outlasts the number of probes.
    settings.user_timeout = Some(Duration::from_secs(95));
    let mut s = Script::open(&Start { settings, ..Start::default() });
    s.run(99_000);
    assert_eq!((s.discard(), s.failure()), (4, None));
    s.run(2_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_user_timeout_ends_a_simultaneous_open() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(Duration::from_secs(5));
    let mut s = Script::connecting(&settings);
    let _ = s.inject(seg().syn().seq(0).mss(1000));
    assert_eq!(s.state(), State::SynReceived);
    s.run(4_900);
    assert_eq!(s.failure(), None);
    s.run(3_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

/// Scripts in each state that follows a close, with nothing unread.
fn closing() -> Vec<(Script, u32)> {
    let closed = || {
        let mut s = Script::established();
        s.close();
        s.discard();
        s
    };
    let wait_1 = closed();
    let mut wait_2 = closed();
    let _ = wait_2.inject(ack(2));
    let mut both = closed();
    let _ = both.inject(seg().seq(1).ack(1).fin());
    let mut close_wait = Script::established();
    let _ = close_wait.inject(seg().seq(1).ack(1).fin());
    let mut last_ack = Script::established();
    let _ = last_ack.inject(seg().seq(1).ack(1).fin());
    last_ack.close();
    let all = vec![(wait_1, 1), (wait_2, 1), (both, 2), (close_wait, 2), (last_ack, 2)];
    let states: Vec<State> = all.iter().map(|(s, _)| s.state()).collect();
    let wanted = [State::FinWait1, State::FinWait2, State::Closing, State::CloseWait, State::LastAck];
    assert_eq!(states, wanted);
    all
}

/// RFC 5961 §3.2, in every state, and it may come again.
#[test]
fn only_an_exact_reset_ends_a_connection_that_is_closing() {
    for (mut s, next) in closing() {
        let state = s.state();
        let _ = s.inject(seg().seq(next + 100).rst());
        assert_eq!(s.state(), state, "not exact");
        let _ = s.inject(seg().seq(next.wrapping_sub(2)).rst());
        assert_eq!(s.state(), state, "before the window");
        assert!(s.inject(seg().seq(next).rst()).events.contains(Events::CLOSED), "{state:?}");
        assert_eq!(s.state(), State::Closed);
        s.discard();
        let again = s.inject(seg().seq(next).rst());
        assert!(!again.reset_owed && again.events.is_empty(), "{state:?}");
        s.silent();
    }
}

/// Not RFC 5961 §3.2, but Linux (`tcp_reset_check`): macOS aborts a connection
/// that it has closed with a reset of its FIN's number, and answers no challenge
/// after that, so the connection would hang.
#[test]
fn a_reset_with_the_number_of_the_fin_ends_it_too() {
    for (mut s, next) in closing() {
        let state = s.state();
        let outcome = s.inject(seg().seq(next - 1).rst());
        match state {
            State::CloseWait | State::LastAck | State::Closing => {
                assert!(outcome.events.contains(Events::CLOSED), "{state:?}");
                assert_eq!(s.state(), State::Closed);
            }
            // No FIN has come: the number is that of an old byte.
            _ => assert_eq!(s.state(), state),
        }
    }
}

/// The same where the FIN was not acknowledged yet, and by an old timestamp.
#[test]
fn also_at_once_behind_it() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let own = s.own_ts();
    let _ = s.inject_only(seg().seq(1).ack(1).fin().ts((600, own)));
    assert_eq!(s.state(), State::CloseWait);
    let outcome = s.inject(seg().seq(1).ack(1).rst().ts((599, own)));
    assert!(outcome.events.contains(Events::CLOSED), "{outcome:?}");
    assert_eq!(s.failure(), Some(Failure::Reset));
}
