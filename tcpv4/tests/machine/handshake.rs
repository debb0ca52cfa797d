//! Opens (RFC 9293 §3.5, §3.10.7.3).

use crate::harness::decode;
use crate::script::*;
use tcpv4::connection::{Dropped, Events, Failure, Settings, State};
use tcpv4::segment::Segment;

#[test]
fn an_active_open() {
    let mut s = Script::connecting(&Settings::default());
    s.expect(seg().syn().seq(0).no_ack().len(0).mss(1460).scale(7).sack_permitted().win(65_535));
    s.silent();
    let outcome = s.inject(seg().syn().seq(0).ack(1).mss(1460));
    assert!(outcome.events.contains(Events::ESTABLISHED | Events::WRITABLE));
    s.expect(seg().seq(1).ack(1).len(0));
    s.silent();
    assert_eq!(s.state(), State::Established);
}

#[test]
fn options_stand_in_the_order_of_linux() {
    let mut s = Script::connecting(&Settings::default());
    let sent = s.expect(seg().syn());
    let options = &sent.bytes[20..];
    assert_eq!(options.len(), 20);
    assert_eq!(options[..4], [2, 4, 5, 180], "MSS");
    assert_eq!(options[4..8], [4, 2, 8, 10], "SACK-permitted, timestamps");
    assert_eq!(options[16..], [1, 3, 3, 7], "NOP, window scale");
}

#[test]
fn later_segments_have_aligned_timestamps() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.write(10);
    let sent = s.expect(seg().len(10).ts((s.own_ts(), 500)));
    assert_eq!(sent.bytes[20..24], [1, 1, 8, 10]);
}

#[test]
fn a_user_timeout_ends_the_attempt() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(5));
    let mut s = Script::connecting(&settings);
    s.run(10_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_refusal() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    let _ = s.inject(seg().rst().seq(0).ack(1));
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::Refused)));
    s.silent();
}

#[test]
fn a_reset_without_the_right_ack_is_ignored() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    let outcome = s.inject(seg().rst().seq(0).no_ack());
    assert_eq!(outcome.dropped, Some(Dropped::ResetIgnored));
    let outcome = s.inject(seg().rst().seq(0).ack(2));
    assert_eq!((outcome.dropped, outcome.reset_owed), (Some(Dropped::AckUnacceptable), false));
    assert_eq!(s.state(), State::SynSent);
    s.silent();
}

#[test]
fn a_wrong_ack_in_syn_sent_is_answered_with_a_reset() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    for ack in [0, 2, 1_000_000] {
        let outcome = s.inject(seg().syn().seq(0).ack(ack));
        assert!(outcome.reset_owed && outcome.dropped == Some(Dropped::AckUnacceptable));
    }
    assert_eq!(s.state(), State::SynSent);
    s.silent();
}

#[test]
fn neither_data_nor_fin_opens() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    assert_eq!(s.inject(seg().seq(0).ack(1).len(5)).dropped, Some(Dropped::NoAck));
    assert_eq!(s.inject(seg().seq(0).ack(1).fin()).dropped, Some(Dropped::NoAck));
    assert_eq!(s.inject(seg().seq(0).no_ack()).dropped, Some(Dropped::NoAck));
    assert_eq!(s.state(), State::SynSent);
}

#[test]
fn a_simultaneous_open() {
    let mut s = Script::connecting(&Settings::default());
    s.expect(seg().syn().no_ack());
    let _ = s.inject(seg().syn().seq(0).mss(1000).sack_permitted());
    assert_eq!(s.state(), State::SynReceived);
    s.expect(seg().syn().seq(0).ack(1).sack_permitted());
    s.silent();
    // The peer's SYN and ACK crosses it.
    let outcome = s.inject(seg().syn().seq(0).ack(1).mss(1000));
    assert!(outcome.events.contains(Events::ESTABLISHED));
    assert_eq!(s.state(), State::Established);
    s.expect(seg().seq(1).ack(1).len(0));
    s.write(10);
    s.expect(seg().seq(1).len(10));
}

#[test]
fn a_simultaneous_open_completed_by_an_ack() {
    let mut s = Script::connecting(&Settings::default());
    let _ = s.inject(seg().syn().seq(0).mss(1000));
    s.discard();
    let outcome = s.inject(seg().seq(1).ack(1));
    assert!(outcome.events.contains(Events::ESTABLISHED));
}

#[test]
fn a_syn_again_in_syn_received_is_answered_again() {
    let mut s = Script::connecting(&Settings::default());
    let _ = s.inject(seg().syn().seq(0).mss(1000));
    s.discard();
    let _ = s.inject(seg().syn().seq(0).mss(1000));
    s.expect(seg().syn().seq(0).ack(1));
}

#[test]
fn what_the_peer_does_not_offer_is_not_used() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    let _ = s.inject(seg().syn().seq(0).ack(1));
    s.discard();
    let _ = s.inject(data(11, 10));
    let sent = s.expect(seg().seq(1).ack(1));
    assert_eq!(sent.bytes.len(), 20, "no option at all");
    s.write(3000);
    s.expect(seg().seq(1).len(536));
}

#[test]
fn the_window_of_a_syn_is_not_scaled() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000).scale(7).win(2000));
    s.discard();
    assert_eq!(s.connection.info().send_window, 2000);
    let _ = s.inject(ack(1).win(2000));
    assert_eq!(s.connection.info().send_window, 2000 << 7);
}

#[test]
fn data_with_the_syn_and_ack_comes_again() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    let _ = s.inject(seg().syn().seq(0).ack(1).len(10));
    s.expect(seg().seq(1).ack(1));
    assert_eq!(s.state(), State::Established);
    let _ = s.inject(data(1, 10));
    assert_eq!(s.read_from(0), 10);
}

#[test]
fn data_written_early_follows_the_handshake() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    s.write(100);
    s.silent();
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000));
    s.expect(seg().seq(1).ack(1).len(100));
    s.silent();
}

#[test]
fn a_lost_syn_leaves_no_sample_and_a_cautious_timeout() {
    let mut s = Script::connecting(&Settings::default());
    s.run(1_500);
    s.discard();
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000));
    assert_eq!(s.connection.info().rtt, None);
    assert_eq!(s.connection.info().rto.as_secs(), 3);
    assert_eq!(s.connection.info().cwnd, 10_000, "one loss is forgiven");
}

#[test]
fn a_syn_lost_twice_makes_for_one_segment() {
    let mut s = Script::connecting(&Settings::default());
    s.run(3_500);
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000));
    assert_eq!(s.connection.info().cwnd, 1000);
}

#[test]
fn the_initial_window_is_ten_segments() {
    let mut s = Script::established();
    s.write(30_000);
    assert_eq!(s.discard(), 10);
    let mut s = Script::open(&Start { mss: 1460, ..Start::default() });
    s.write(30_000);
    assert_eq!(s.discard(), 10);
    let mut s = Script::open(&Start { mss: 8000, ..Start::default() });
    s.mtu = 9000;
    s.flush();
    s.write(60_000);
    assert_eq!(s.connection.info().cwnd, 14_600, "fewer of larger ones, by the MTU at the handshake");
}

#[test]
fn a_close_before_the_answer_leaves_nothing() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    s.close();
    assert_eq!(s.state(), State::Closed);
    assert!(s.events.contains(Events::CLOSED) && s.connection.is_done());
    s.silent();
}

#[test]
fn an_abort_before_the_answer_says_nothing() {
    let mut s = Script::connecting(&Settings::default());
    s.discard();
    s.connection.abort();
    s.flush();
    s.silent();
    assert!(s.connection.is_done());
    let outcome = s.inject(seg().syn().seq(0).ack(1));
    assert!(outcome.reset_owed, "what comes then belongs to nobody");
}

#[test]
fn the_reset_for_a_stray_segment() {
    let mut s = Script::established();
    s.discard();
    let bytes = {
        s.write(10);
        s.expect(seg().len(10)).bytes
    };
    let segment: Segment<'_> = decode(&bytes);
    let reset = segment.reset().unwrap();
    assert_eq!((Some(reset.seq), reset.ack), (segment.ack, None));
    let without_ack = Segment { ack: None, ..segment };
    let reset = without_ack.reset().unwrap();
    assert_eq!((reset.seq.value(), reset.ack), (0, Some(segment.seq + 10)));
    let other = Segment { control: Some(tcpv4::segment::Control::Rst), ..segment };
    assert!(other.reset().is_none());
}
