//! SYNs that are lost, or late.

use crate::script::*;
use tcpv4::connection::{Events, Failure, Settings, State};

/// What timestamps leave of the peer's 1000 bytes.
const MSS: u32 = 988;

/// Linux since 6.5 (`tcp_syn_linear_timeouts` 4, `tcp_syn_retries` 6).
#[test]
fn a_lost_syn_is_sent_again_each_second_at_first() {
    let mut s = Script::connecting(&Settings::default());
    s.run(130_999);
    s.expect(seg().syn());
    for at in [1, 2, 3, 4, 5, 7, 11, 19, 35, 67] {
        s.expect_at(at * 1000, seg().syn().seq(0).no_ack());
    }
    s.silent();
    assert_eq!(s.state(), State::SynSent);
    s.run(2);
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::TimedOut)));
    assert!(s.events.contains(Events::FAILED | Events::DOUBTFUL));
    s.silent();
}

/// The answer after `wait` ms to the SYN that was sent `sent_before` ms earlier.
fn answered(wait: u64, sent_before: u32) -> Script {
    let mut s = Script::connecting(&Settings::default());
    s.run(wait);
    s.discard();
    let mut answer = seg().syn().seq(0).ack(1).mss(1000);
    answer.ts = Some((500, s.own_ts().wrapping_sub(sent_before)));
    let _ = s.inject(answer);
    assert_eq!(s.state(), State::Established);
    s
}

/// RFC 7323 §4.1: which of them is answered is no question.
#[test]
fn the_echo_of_a_syn_that_was_sent_again_is_a_sample() {
    let s = answered(1050, 50);
    let info = s.connection.info();
    assert_eq!(info.rtt.map(|rtt| rtt.as_millis()), Some(50));
    assert!(info.rto.as_millis() < 300, "{info:?}");
}

/// RFC 5681 §3.1: one segment, when the second was lost, too.
#[test]
fn two_losses_make_for_a_small_window() {
    assert_eq!(answered(2050, 50).connection.info().cwnd, MSS);
    assert_eq!(answered(1050, 50).connection.info().cwnd, 10 * MSS);
}

/// The first SYN was late, not lost (Linux: `tcp_try_undo_spurious_syn`).
#[test]
fn a_path_that_is_long_is_no_loss() {
    let s = answered(2500, 2500);
    let info = s.connection.info();
    assert_eq!((info.cwnd, info.rtt.map(|rtt| rtt.as_millis())), (10 * MSS, Some(2500)));
}

/// Whatever is not the echo of a SYN of this connection tells nothing.
#[test]
fn a_wrong_echo_is_no_sample() {
    for sent_before in [1100, 900_000, u32::MAX - 5] {
        let s = answered(1050, sent_before);
        assert_eq!(s.connection.info().rtt, None, "{sent_before}");
        assert_eq!(s.rto(), 3000);
    }
}

/// Karn's rule, without timestamps (RFC 6298 §5.7).
#[test]
fn without_an_echo_there_is_no_sample() {
    let mut s = Script::connecting(&Settings::default());
    s.run(1050);
    s.discard();
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000));
    assert_eq!((s.connection.info().rtt, s.rto()), (None, 3000));
}
