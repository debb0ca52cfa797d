//! Where the peer's stream ends, when its FIN comes before what precedes it, or
//! more than one does.

use crate::script::*;
use tcpv4::connection::{Dropped, Events, State};

/// 1001..2001 and a FIN behind it are there, 1..1001 is missing.
fn early() -> Script {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 1000).fin());
    s.expect(seg().ack(1).sack(&[(1001, 2002)]));
    s
}

/// What is missing comes: the stream has `len` bytes, and ends.
fn ends_after(mut s: Script, missing: Seg, len: u32) {
    let outcome = s.inject(missing);
    assert!(outcome.events.contains(Events::PEER_CLOSED), "{outcome:?}");
    assert_eq!(s.state(), State::CloseWait);
    s.expect(seg().ack(1 + len + 1).sack(&[]));
    assert_eq!(s.read_from(0), len as usize);
    assert!(s.connection.is_read_closed());
}

#[test]
fn an_early_fin_ends_it_when_all_is_there() {
    ends_after(early(), data(1, 1000), 2000);
}

#[test]
fn a_later_fin_does_not_move_the_end() {
    let mut s = early();
    let _ = s.inject(seg().seq(3001).ack(1).fin());
    s.expect(seg().ack(1).sack(&[(1001, 2002)]));
    ends_after(s, data(1, 1000), 2000);
}

#[test]
fn nor_does_one_with_data_which_is_dropped() {
    let mut s = early();
    for beyond in [data(2001, 1000).fin(), data(2001, 1000), data(5001, 10)] {
        assert_eq!(s.inject(beyond).dropped, Some(Dropped::Unwanted));
        s.expect(seg().ack(1).sack(&[(1001, 2002)]));
    }
    // Of what reaches beyond the end, the part before it is taken.
    assert_eq!(s.inject(data(901, 2000)).dropped, Some(Dropped::Unwanted));
    s.discard();
    ends_after(s, data(1, 900), 2000);
}

#[test]
fn data_beyond_a_fin_that_comes_later_is_forgotten() {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 1000));
    let _ = s.inject(data(4001, 1000));
    s.discard();
    let _ = s.inject(seg().seq(1501).ack(1).fin());
    s.expect(seg().ack(1).sack(&[(1001, 1502)]));
    ends_after(s, data(1, 1000), 1500);
}

#[test]
fn an_earlier_fin_counts_rather_than_a_later_one() {
    let mut s = early();
    let _ = s.inject(seg().seq(1501).ack(1).fin());
    s.discard();
    ends_after(s, data(1, 1000), 1500);
}

#[test]
fn a_fin_in_order_ends_it_before_what_has_come_already() {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 1000));
    s.discard();
    ends_after(s, data(1, 1000).fin(), 1000);
}

/// It says of itself that it is old.
#[test]
fn a_fin_within_what_has_come_ends_nothing() {
    let mut s = Script::established();
    let _ = s.inject(data(1, 1000));
    let _ = s.inject(seg().seq(501).ack(1).fin());
    assert_eq!(s.state(), State::Established);
    s.discard();
    let _ = s.inject(data(1001, 10));
    assert_eq!(s.read_from(0), 1010);
}

/// Its sender sees what was lost, and that the FIN was not (as Linux tells it).
#[test]
fn an_early_fin_alone_is_a_block() {
    let mut s = Script::established();
    let _ = s.inject(seg().seq(1001).ack(1).fin());
    s.expect(seg().ack(1).sack(&[(1001, 1002)]));
    let _ = s.inject(data(501, 100));
    s.expect(seg().ack(1).sack(&[(501, 601), (1001, 1002)]));
    let _ = s.inject(seg().seq(901).ack(1).fin());
    s.expect(seg().ack(1).sack(&[(901, 902), (501, 601)]));
    ends_after(s, data(1, 1000), 900);
}

#[test]
fn a_fin_that_came_before_is_a_duplicate() {
    let mut s = Script::established();
    let _ = s.inject(data(1, 1000).fin());
    s.expect(seg().ack(1002).sack(&[]));
    let _ = s.inject(data(501, 500).fin());
    s.expect(seg().ack(1002).sack(&[(501, 1002)]));
    let _ = s.inject(seg().seq(1001).ack(1).fin());
    s.expect(seg().ack(1002).sack(&[(1001, 1002)]));
}

#[test]
fn an_early_fin_that_comes_again_is_a_duplicate() {
    let mut s = early();
    let _ = s.inject(seg().seq(2001).ack(1).fin());
    s.expect(seg().ack(1).sack(&[(2001, 2002), (1001, 2002)]));
    ends_after(s, data(1, 1000), 2000);
}

#[test]
fn what_was_said_to_lie_behind_the_end_is_told_of_no_more() {
    let mut s = Script::established();
    let _ = s.inject(data(1001, 500));
    s.expect(seg().ack(1).sack(&[(1001, 1501)]));
    let _ = s.inject(seg().seq(1).ack(1).fin());
    s.expect(seg().ack(2).sack(&[]));
}

/// RFC 9293 §3.10.7.4: "this should not occur", and is ignored.
#[test]
fn data_behind_the_end_is_ignored_in_silence() {
    let mut s = Script::established();
    let _ = s.inject(seg().seq(1).ack(1).fin());
    s.discard();
    assert_eq!(s.inject(data(2, 10)).dropped, Some(Dropped::Unwanted));
    s.silent();
}

/// Whoever read all of it learns of no failure that came later (as Linux).
#[test]
fn a_stream_that_has_ended_has_whatever_fails_later() {
    let mut s = Script::established();
    let _ = s.inject(seg().rst().seq(1));
    assert!(!s.connection.has_peer_ended());
    let mut s = Script::established();
    let _ = s.inject(data(1, 10).fin());
    let _ = s.inject(seg().rst().seq(12));
    assert_eq!(s.state(), State::Closed);
    assert!(s.connection.has_peer_ended() && s.connection.failure().is_some());
}
