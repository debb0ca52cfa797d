//! How long a closed window is borne, and resets while closing.

mod machine;

use machine::script::*;
use tcpv4::connection::{Events, Failure, Settings, State};

/// A peer that shuts its window and answers every probe is borne for ever
/// (RFC 9293 §3.8.6.1); one that answers none, for the user timeout (RFC 5482).
fn shut(timeout: Option<u64>) -> Script {
    let mut settings = Settings::default();
    settings.user_timeout = timeout.map(std::time::Duration::from_secs);
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
        let _ = s.inject(seg().seq(next.wrapping_sub(1)).rst());
        assert_eq!(s.state(), state, "before the window");
        assert!(s.inject(seg().seq(next).rst()).events.contains(Events::CLOSED), "{state:?}");
        assert_eq!(s.state(), State::Closed);
        s.discard();
        let again = s.inject(seg().seq(next).rst());
        assert!(!again.reset_owed && again.events.is_empty(), "{state:?}");
        s.silent();
    }
}
