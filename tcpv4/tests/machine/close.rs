//! Ends (RFC 9293 §3.6, §3.10.4, §3.10.5).

use crate::script::*;
use tcpv4::connection::{Dropped, Events, Failure, State};

#[test]
fn closed_here_first() {
    let mut s = Script::established();
    s.write(10);
    s.close();
    assert_eq!(s.state(), State::FinWait1);
    s.expect(seg().seq(1).len(10));
    s.expect(seg().fin().seq(11).ack(1).len(0));
    s.silent();
    let outcome = s.inject(ack(12));
    assert!(outcome.events.contains(Events::FLUSHED));
    assert_eq!(s.state(), State::FinWait2);
    let outcome = s.inject(seg().fin().seq(1).ack(12));
    assert!(outcome.events.contains(Events::TIME_WAIT | Events::PEER_CLOSED));
    s.expect(seg().seq(12).ack(2).len(0));
    assert_eq!(s.state(), State::TimeWait);
    s.run(59_000);
    assert_eq!(s.state(), State::TimeWait);
    s.run(1_001);
    assert_eq!(s.state(), State::Closed);
    assert!(s.connection.is_done() && s.failure().is_none());
    s.silent();
}

#[test]
fn a_fin_goes_with_the_last_data() {
    let mut s = Script::established();
    assert_eq!(s.connection.write(s.now, &[0; 1500]), Ok(1500));
    s.close();
    s.expect(seg().seq(1).len(1000));
    s.expect(seg().fin().seq(1001).len(500));
    s.silent();
}

#[test]
fn closed_by_the_peer_first() {
    let mut s = Script::established();
    let outcome = s.inject(seg().fin().seq(1).ack(1).len(5));
    assert!(outcome.events.contains(Events::PEER_CLOSED | Events::READABLE));
    s.expect(seg().seq(1).ack(7));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_from(0), 5);
    assert!(s.connection.is_read_closed());
    // Half-closed: this side still sends.
    s.write(20);
    s.expect(seg().seq(1).ack(7).len(20));
    s.close();
    assert_eq!(s.state(), State::LastAck);
    s.expect(seg().fin().seq(21).ack(7));
    let outcome = s.inject(seg().seq(7).ack(22));
    assert!(outcome.events.contains(Events::CLOSED | Events::FLUSHED));
    assert!(s.connection.is_done());
    s.silent();
}

#[test]
fn the_peer_still_sends_after_a_half_close() {
    let mut s = Script::established();
    s.close();
    s.expect(seg().fin().seq(1));
    let _ = s.inject(ack(2));
    let outcome = s.inject(data(1, 1000));
    assert!(outcome.events.contains(Events::READABLE));
    s.expect(seg().ack(1001));
    assert_eq!(s.read_from(0), 1000);
    assert_eq!(s.state(), State::FinWait2);
}

#[test]
fn closed_by_both_at_the_same_time() {
    let mut s = Script::established();
    s.close();
    s.expect(seg().fin().seq(1).ack(1));
    let _ = s.inject(seg().fin().seq(1).ack(1));
    assert_eq!(s.state(), State::Closing);
    s.expect(seg().seq(2).ack(2).len(0));
    let outcome = s.inject(seg().seq(2).ack(2));
    assert!(outcome.events.contains(Events::TIME_WAIT));
    assert_eq!(s.state(), State::TimeWait);
}

#[test]
fn fin_and_its_acknowledgement_in_one() {
    let mut s = Script::established();
    s.close();
    s.expect(seg().fin());
    let _ = s.inject(seg().fin().seq(1).ack(2));
    assert_eq!(s.state(), State::TimeWait);
    s.expect(seg().seq(2).ack(2));
}

#[test]
fn a_fin_before_its_data_is_remembered() {
    let mut s = Script::established();
    let _ = s.inject(seg().fin().seq(1001).ack(1).len(500));
    s.expect(seg().ack(1).sack(&[(1001, 1502)]));
    assert_eq!(s.state(), State::Established);
    let outcome = s.inject(data(1, 1000));
    assert!(outcome.events.contains(Events::PEER_CLOSED));
    s.expect(seg().ack(1502));
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.read_from(0), 1500);
}

#[test]
fn a_lone_fin_before_its_data_is_remembered() {
    let mut s = Script::established();
    let _ = s.inject(seg().fin().seq(101).ack(1));
    s.expect(seg().ack(1));
    let _ = s.inject(data(1, 100));
    s.expect(seg().ack(102));
    assert_eq!(s.state(), State::CloseWait);
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut s = Script::established();
    s.close();
    s.expect_at(0, seg().fin().seq(1));
    s.run(320);
    s.expect_at(300, seg().fin().seq(1));
    s.run(600);
    s.expect_at(600, seg().fin().seq(1));
}

#[test]
fn a_closing_side_whose_peer_vanished_gives_up() {
    let mut s = Script::established();
    s.close();
    s.connection.detach(s.now);
    s.run(200_000);
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::TimedOut)));
}

#[test]
fn the_last_acknowledgement_is_repeated_in_time_wait() {
    let mut s = Script::established();
    s.close();
    let _ = s.inject(seg().fin().seq(1).ack(2));
    s.discard();
    s.run(30_000);
    let _ = s.inject(seg().fin().seq(1).ack(2));
    s.expect(seg().seq(2).ack(2));
    s.run(40_000);
    assert_eq!(s.state(), State::TimeWait, "the wait began anew");
    s.run(20_001);
    assert_eq!(s.state(), State::Closed);
}

#[test]
fn time_wait_is_handed_over_when_all_is_read() {
    let mut s = Script::established();
    s.close();
    let _ = s.inject(seg().fin().seq(1).ack(2).len(10));
    assert_eq!(s.connection.time_wait(), None, "there is something left to read");
    s.discard();
    assert_eq!(s.read_from(0), 10);
    let remains = s.connection.time_wait().unwrap();
    assert_eq!(remains.snd_nxt.value(), ISS.wrapping_add(2));
    assert_eq!(remains.rcv_nxt.value(), IRS.wrapping_add(12));
    assert_eq!(remains.timestamps, None);
}

#[test]
fn fin_wait_2_lasts_while_somebody_waits() {
    let mut s = Script::established();
    s.close();
    let _ = s.inject(ack(2));
    s.run(10_000_000);
    assert_eq!(s.state(), State::FinWait2);
    s.connection.detach(s.now);
    s.run(60_001);
    assert_eq!((s.state(), s.failure()), (State::Closed, None));
}

#[test]
fn data_that_nobody_will_read_is_answered_with_a_reset() {
    let mut s = Script::established();
    s.close();
    s.connection.detach(s.now);
    s.discard();
    let outcome = s.inject(data(1, 10));
    assert_eq!(outcome.dropped, Some(Dropped::Unwanted));
    assert!(outcome.events.contains(Events::CLOSED) && outcome.reset_owed);
    s.silent();
}

#[test]
fn a_close_that_ends_by_itself() {
    let mut s = Script::established();
    s.close();
    s.connection.detach(s.now);
    s.discard();
    let _ = s.inject(ack(2));
    let _ = s.inject(seg().fin().seq(1).ack(2));
    s.expect(seg().seq(2).ack(2));
    assert!(s.connection.time_wait().is_some());
}

#[test]
fn an_abort_resets() {
    let mut s = Script::established();
    s.write(10);
    s.discard();
    s.connection.abort();
    s.flush();
    s.expect(seg().rst().seq(11).ack(1));
    s.silent();
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::Aborted)));
    assert!(s.connection.is_done());
    assert_eq!(s.connection.write(s.now, b"x"), Err(Failure::Aborted));
}

#[test]
fn a_reset_that_could_not_be_sent_stays_due() {
    let mut s = Script::established();
    s.connection.abort();
    assert!(!s.connection.is_done());
    let budget = tcpv4::connection::Budget { mtu: 1500, gso_max_size: 0 };
    let first = s.connection.poll_transmit(s.now, &budget);
    assert!(first.is_some() && first == s.connection.poll_transmit(s.now, &budget), "not committed");
    s.connection.transmitted(s.now, &first.unwrap());
    assert!(s.connection.is_done());
}

#[test]
fn leaving_without_a_close_resets() {
    let mut s = Script::established();
    s.connection.detach(s.now);
    s.flush();
    s.expect(seg().rst().seq(1));
}

#[test]
fn leaving_with_data_unread_resets() {
    let mut s = Script::established();
    let _ = s.inject(data(1, 10));
    s.close();
    s.discard();
    s.connection.detach(s.now);
    s.flush();
    s.expect(seg().rst());
    s.silent();
}

#[test]
fn a_reset_from_the_peer() {
    let mut s = Script::established();
    s.write(10);
    let _ = s.inject(data(1, 7));
    s.discard();
    let outcome = s.inject(seg().rst().seq(8));
    assert!(outcome.events.contains(Events::FAILED | Events::CLOSED));
    assert_eq!(s.failure(), Some(Failure::Reset));
    s.silent();
    assert_eq!(s.read_from(0), 7, "what came before can be read");
    assert_eq!(s.connection.write(s.now, b"x"), Err(Failure::Reset));
    let outcome = s.inject(seg().rst().seq(8));
    assert_eq!(outcome.dropped, Some(Dropped::Closed), "again: nothing");
    assert!(!outcome.reset_owed);
}

#[test]
fn a_reset_while_closing_ends_it() {
    {
        let mut s = Script::established();
        let _ = s.inject(seg().fin().seq(1).ack(1));
        s.close();
        s.discard();
        let _ = s.inject(seg().rst().seq(2));
        assert_eq!((s.state(), s.failure()), (State::Closed, None));
        s.silent();
    }
}

#[test]
fn resets_in_time_wait_are_ignored() {
    let mut s = Script::established();
    s.close();
    let _ = s.inject(seg().fin().seq(1).ack(2));
    s.discard();
    for seq in [2, 3, 100] {
        let outcome = s.inject(seg().rst().seq(seq));
        assert_eq!(outcome.dropped, Some(Dropped::ResetIgnored));
    }
    assert_eq!(s.state(), State::TimeWait);
    s.silent();
}

#[test]
fn a_new_syn_in_time_wait_by_sequence_number() {
    let mut s = Script::established();
    s.close();
    let _ = s.inject(seg().fin().seq(1).ack(2));
    let check = |s: &Script, seq: u32, ts: Option<(u32, u32)>| s.connection.may_be_reopened_by(&syn(seq, ts));
    assert!(check(&s, 3, None) && check(&s, 1_000_000, None));
    assert!(!check(&s, 2, None) && !check(&s, u32::MAX, None));
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.close();
    let _ = s.inject(seg().fin().seq(1).ack(2));
    assert!(check(&s, 1, Some((501, 0))), "the timestamp is newer");
    assert!(!check(&s, 3, Some((499, 0))), "it is older");
    assert!(check(&s, 3, Some((500, 0))) && !check(&s, 1, Some((500, 0))), "the same: by number");
    let s = Script::established();
    assert!(!check(&s, 1_000_000, None), "not in TIME-WAIT");
}

#[test]
fn writing_after_a_close_is_an_error() {
    let mut s = Script::established();
    s.close();
    assert_eq!(s.connection.write(s.now, b"x"), Err(Failure::Aborted));
    assert_eq!(s.connection.writable(), 0);
    s.discard();
    s.close();
    s.silent();
}

#[test]
fn a_close_in_syn_received_follows_the_handshake() {
    let mut s = Script::connecting(&Default::default());
    let _ = s.inject(seg().syn().seq(0));
    s.discard();
    s.close();
    s.silent();
    let _ = s.inject(seg().seq(1).ack(1));
    assert_eq!(s.state(), State::FinWait1);
    s.expect(seg().fin().seq(1).ack(1));
}

#[test]
fn a_fin_waits_for_the_window() {
    let mut s = Script::open(&Start { window: 1000, ..Start::default() });
    assert_eq!(s.connection.write(s.now, &[0; 1500]), Ok(1500));
    s.close();
    s.expect(seg().seq(1).len(1000));
    s.silent();
    let _ = s.inject(ack(1001).win(1000));
    s.expect(seg().fin().seq(1001).len(500));
}

/// It takes a number of the window, too: with none left, that is asked for (as
/// in Linux).
#[test]
fn a_lone_fin_waits_for_the_window() {
    let mut s = Script::established();
    s.write(1000);
    s.discard();
    let _ = s.inject(ack(1001).win(0));
    s.close();
    s.silent();
    let rto = s.rto();
    s.run(rto + 1);
    s.expect(seg().seq(1000).len(0));
    s.silent();
    let _ = s.inject(ack(1001).win(1));
    s.expect(seg().fin().seq(1001).len(0));
}

/// Data that fills the window goes without it.
#[test]
fn a_fin_that_does_not_fit_comes_later() {
    let mut s = Script::open(&Start { window: 1000, ..Start::default() });
    assert_eq!(s.connection.write(s.now, &[0; 1000]), Ok(1000));
    s.close();
    s.expect(seg().seq(1).len(1000));
    s.silent();
    let _ = s.inject(ack(1001).win(1000));
    s.expect(seg().fin().seq(1001).len(0));
}

fn syn(seq: u32, ts: Option<(u32, u32)>) -> tcpv4::segment::Segment<'static> {
    use tcpv4::wire::{Options, Timestamps};
    tcpv4::segment::Segment {
        seq: tcpv4::SeqNum::new(IRS) + seq,
        ack: None,
        window: tcpv4::Window(1000),
        control: Some(tcpv4::segment::Control::Syn),
        marks: Default::default(),
        options: Options { timestamps: ts.map(|(value, echo)| Timestamps { value, echo }), ..Options::NONE },
        ecn: Default::default(),
        payload: &[],
        segment_size: None,
    }
}

/// Its number is the one that the peer expects, whatever of the own stream has
/// not come there (as Linux).
#[test]
fn data_for_nobody_is_reset_with_the_number_that_its_sender_expects() {
    let mut s = Script::established();
    s.write(100);
    s.close();
    s.discard();
    s.connection.detach(s.now);
    let outcome = s.inject(data(1, 10).ack(51));
    assert!(outcome.reset_owed, "{outcome:?}");
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::Aborted)));
    s.silent();
}
