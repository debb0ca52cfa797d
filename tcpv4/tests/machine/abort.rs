//! Ends before their time, with something left to say or to read.

use crate::script::*;
use tcpv4::connection::{Failure, State};

/// LAST-ACK or CLOSING, with `unsent` bytes and a FIN to go.
fn closing(state: State, unread: u32, queued: usize) -> Script {
    let mut s = Script::established();
    let peer_closes = |s: &mut Script| {
        let _ = s.inject(seg().fin().seq(1).ack(1).len(unread));
    };
    if state == State::LastAck {
        peer_closes(&mut s);
    }
    assert_eq!(s.connection.write(s.now, &vec![0; queued]), Ok(queued));
    s.close();
    if state == State::Closing {
        peer_closes(&mut s);
    }
    assert_eq!(s.state(), state);
    s.discard();
    s
}

/// The call enters these states, not the FIN (Linux: `tcp_disconnect`).
#[test]
fn what_is_given_up_unsent_is_told() {
    for state in [State::LastAck, State::Closing] {
        let mut s = closing(state, 0, 50_000);
        s.connection.abort();
        s.flush();
        s.expect(seg().rst().seq(10_001));
        s.silent();
        assert_eq!(s.failure(), Some(Failure::Aborted));
        assert!(s.connection.is_done());
    }
}

/// RFC 9293 §3.6.1; Linux resets in any state when data was not read.
#[test]
fn what_is_given_up_unread_is_told() {
    for state in [State::LastAck, State::Closing] {
        for queued in [0, 50_000] {
            let mut s = closing(state, 5, queued);
            s.connection.detach(s.now);
            s.flush();
            s.expect(seg().rst());
            s.silent();
        }
    }
}

/// All of it waits for the window.
#[test]
fn what_the_window_kept_back_is_told() {
    let mut s = Script::established();
    let _ = s.inject(ack(1).win(0));
    s.write(10);
    let _ = s.inject(seg().fin().seq(1).ack(1).win(0));
    s.close();
    assert_eq!(s.state(), State::LastAck);
    s.discard();
    s.connection.abort();
    s.flush();
    s.expect(seg().rst().seq(1));
}

/// All is said, and only acknowledgements are missing (RFC 9293 §3.10.5).
#[test]
fn nothing_is_told_when_all_was_said() {
    for state in [State::LastAck, State::Closing] {
        let mut s = closing(state, 0, 0);
        s.connection.abort();
        s.flush();
        s.silent();
        assert!(s.connection.is_done());
    }
}

/// A connection that ends by itself delivers what was written.
#[test]
fn leaving_with_all_read_delivers_the_rest() {
    let mut s = closing(State::LastAck, 0, 20_000);
    s.connection.detach(s.now);
    s.flush();
    s.silent();
    let _ = s.inject(seg().seq(2).ack(10_001));
    assert_eq!(s.discard(), 10);
    let _ = s.inject(seg().seq(2).ack(20_002));
    assert!(s.connection.is_done());
    s.silent();
}
