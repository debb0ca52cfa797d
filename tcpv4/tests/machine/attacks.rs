//! Segments that nobody honest sends, and what becomes of them (RFC 5961,
//! RFC 1337, RFC 7323 §5).

use crate::script::*;
use tcpv4::connection::{Dropped, Events, Failure, State};
use tcpv4::segment::Marks;

#[test]
fn a_reset_in_the_window_but_not_exact_is_challenged() {
    let mut s = Script::established();
    let outcome = s.inject(seg().rst().seq(100));
    assert_eq!(outcome.dropped, Some(Dropped::ResetInexact));
    s.expect(seg().seq(1).ack(1).len(0));
    assert_eq!(s.state(), State::Established);
}

/// Its sender goes by the blocks, which nobody else sees (as Linux).
#[test]
fn a_reset_right_behind_the_last_block_counts() {
    let behind = |start: &Start, seq: u32| {
        let mut s = Script::open(start);
        for at in [4001, 2001] {
            let _ = s.inject(data(at, 1000));
        }
        s.discard();
        let outcome = s.inject(seg().rst().seq(seq));
        (outcome.dropped, s.discard(), s.failure())
    };
    let challenged = (Some(Dropped::ResetInexact), 1, None);
    assert_eq!(behind(&Start::default(), 5001), (None, 0, Some(Failure::Reset)));
    for other in [2001, 3001, 4001, 5000, 5002] {
        assert_eq!(behind(&Start::default(), other), challenged, "{other}");
    }
    // Whom nothing was told of.
    assert_eq!(behind(&reno(), 5001), challenged);
}

/// A block that tells of what came twice is none of those.
#[test]
fn a_reset_behind_what_came_twice_is_challenged() {
    let mut s = Script::established();
    let _ = s.inject(data(1, 1000));
    let _ = s.inject(data(3001, 1000));
    let _ = s.inject_only(data(3001, 500));
    let outcome = s.inject_only(seg().rst().seq(3501));
    assert_eq!(outcome.dropped, Some(Dropped::ResetInexact));
}

#[test]
fn a_reset_outside_of_the_window_is_ignored() {
    let mut s = Script::established();
    for seq in [0, 100_000, 0x8000_0000] {
        assert_eq!(s.inject(seg().rst().seq(seq)).dropped, Some(Dropped::ResetIgnored));
    }
    s.silent();
}

#[test]
fn a_syn_is_challenged_wherever_it_is() {
    for seq in [1, 100, 0, 100_000] {
        let mut s = Script::established();
        let outcome = s.inject(seg().syn().seq(seq).no_ack());
        assert!(matches!(outcome.dropped, Some(Dropped::Syn | Dropped::Sequence)));
        assert_eq!(s.state(), State::Established);
        s.expect(seg().seq(1).ack(1).len(0));
        s.silent();
    }
}

#[test]
fn challenges_are_throttled_per_connection() {
    let mut s = Script::established();
    let mut other = Script::established();
    for _ in 0..100 {
        let _ = s.inject(seg().rst().seq(100));
        let _ = s.inject(seg().syn().seq(100).no_ack());
        let _ = s.inject(ack(50_000));
    }
    assert_eq!(s.discard(), 1);
    let _ = other.inject(seg().rst().seq(100));
    assert_eq!(other.discard(), 1, "another connection has its own");
    s.run(500);
    let _ = s.inject(seg().rst().seq(100));
    assert_eq!(s.discard(), 1);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent() {
    let mut s = Script::established();
    s.write(10);
    s.discard();
    let outcome = s.inject(data(1, 10).ack(12));
    assert_eq!(outcome.dropped, Some(Dropped::AckUnacceptable));
    s.expect(seg().seq(11).ack(1).len(0));
    assert_eq!(s.connection.readable(), 0, "its data is not taken either");
    assert!(!s.connection.is_flushed());
}

#[test]
fn an_acknowledgement_older_than_any_window() {
    let mut s = Script::open(&Start { window: 1000, ..Start::default() });
    for sent in [1000, 2000] {
        s.write(1000);
        s.discard();
        let _ = s.inject(ack(1 + sent).win(1000));
    }
    let outcome = s.inject(data(1, 10).ack(2001 - 1001).win(1000));
    assert_eq!(outcome.dropped, Some(Dropped::AckUnacceptable));
    s.expect(seg().seq(2001).ack(1));
    let outcome = s.inject(data(1, 10).ack(2001 - 1000).win(1000));
    assert_eq!(outcome.dropped, None, "an old one, no more");
}

#[test]
fn no_ack_at_all() {
    let mut s = Script::established();
    let outcome = s.inject(seg().seq(1).no_ack().len(10));
    assert_eq!(outcome.dropped, Some(Dropped::NoAck));
    s.silent();
    assert_eq!(s.connection.readable(), 0);
}

#[test]
fn out_of_window_segments_are_answered_never_in_a_loop() {
    let mut s = Script::established();
    for _ in 0..10 {
        assert_eq!(s.inject(seg().seq(500_000).ack(1)).dropped, Some(Dropped::Sequence));
    }
    assert_eq!(s.discard(), 1);
    for _ in 0..10 {
        let _ = s.inject(data(500_000, 10));
    }
    assert_eq!(s.discard(), 10, "data is answered each time");
}

#[test]
fn the_urgent_pointer_changes_nothing() {
    let mut s = Script::established();
    let outcome = s.inject(data(1, 10).mark(Marks::URG));
    assert!(outcome.events.contains(Events::READABLE));
    assert_eq!(s.read_from(0), 10);
}

#[test]
fn an_old_timestamp_is_dropped_and_answered() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let own = s.own_ts();
    // Older by more than a timeout.
    let rto = s.rto() as u32;
    let outcome = s.inject(data(1, 10).ts((499 - rto, own)));
    assert_eq!(outcome.dropped, Some(Dropped::Paws));
    s.expect(seg().seq(1).ack(1).len(0));
    assert_eq!(s.connection.readable(), 0);
    let outcome = s.inject(data(1, 10).ts((500u32.wrapping_sub(0x7fff_ffff), own)));
    assert_eq!(outcome.dropped, Some(Dropped::Paws));
    let outcome = s.inject(data(1, 10).ts((501, own)));
    assert_eq!(outcome.dropped, None);
}

#[test]
fn timestamps_wrap() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let own = s.own_ts();
    let mut ts = 500u32;
    for n in 0..6 {
        ts = ts.wrapping_add(0x7000_0000);
        assert_eq!(s.inject(data(1 + n * 10, 10).ts((ts, own))).dropped, None);
    }
}

#[test]
fn an_old_timestamp_on_a_reset_does_not_matter() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    let outcome = s.inject(seg().rst().seq(1).ts((100, 0)));
    assert!(outcome.events.contains(Events::FAILED));
}

#[test]
fn a_timestamp_is_not_trusted_for_ever() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.run(25 * 86_400_000);
    let own = s.own_ts();
    assert_eq!(s.inject(data(1, 10).ts((400, own))).dropped, None);
    // From now on this one is the recent.
    assert_eq!(s.inject(data(11, 10).ts((401, own))).dropped, None);
    assert_eq!(s.inject(data(21, 10).ts((390, own))).dropped, Some(Dropped::Paws));
    assert_eq!(s.read_from(0), 20);
}

#[test]
fn a_segment_without_timestamps_passes() {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.peer_ts = None;
    assert_eq!(s.inject(data(1, 10)).dropped, None);
    assert_eq!(s.read_from(0), 10);
}

#[test]
fn thousands_of_crumbs_out_of_order_are_bounded() {
    let mut s = Script::established();
    let mut refused = 0;
    for n in 0..3000 {
        if s.inject(data(2 + n * 20, 1)).dropped == Some(Dropped::NoRoom) {
            refused += 1;
        }
    }
    assert!(refused >= 3000 - 1024, "{refused}");
    assert!(s.connection.held() < 300_000, "{}", s.connection.held());
    // The connection lives: what is missing comes, in order.
    let outcome = s.inject(data(1, 1000));
    assert!(outcome.events.contains(Events::READABLE));
    for n in 1..61 {
        let _ = s.inject(data(1 + n * 1000, 1000));
    }
    assert_eq!(s.read_from(0), 61_000);
}

#[test]
fn sack_holes_with_a_tiny_mss_are_bounded() {
    let mut s = Script::open(&Start { mss: 48, ..Start::default() });
    assert_eq!(s.connection.info().mss, 88, "the floor");
    s.write(60_000);
    let mut acked = 1;
    for _ in 0..12 {
        let sent = s.discard() as u32;
        acked += sent * 88;
        let _ = s.inject(ack(acked.min(60_001)));
    }
    // Every other byte of what is under way.
    let outstanding = s.connection.info().outstanding;
    for n in 0..outstanding / 2 {
        let at = 60_001 - outstanding + 2 * n + 1;
        let _ = s.inject(ack(60_001 - outstanding).sack(&[(at, at + 1)]));
    }
    assert!(s.connection.held() < 300_000);
    let _ = s.inject(ack(60_001));
    assert_eq!(s.connection.info().outstanding, 0);
}

#[test]
fn overlaps_are_no_harm() {
    let mut s = Script::established();
    let _ = s.inject(data(51, 100));
    let _ = s.inject(data(101, 100));
    let _ = s.inject(data(21, 300));
    let _ = s.inject(data(1, 60));
    assert_eq!(s.read_from(0), 320);
    let _ = s.inject(data(300, 100));
    assert_eq!(s.read_from(320), 79);
}

#[test]
fn an_optimistic_acknowledgement_does_not_open_the_window() {
    let mut s = Script::established();
    s.write(30_000);
    s.discard();
    let before = s.connection.info().cwnd;
    for n in 0..50 {
        s.run(500);
        s.discard();
        let _ = s.inject(ack(20_001 + n));
    }
    assert!(s.connection.info().cwnd <= before);
}

/// RFC 5961 §5.2 lets an acknowledgement lie a window back; nobody has sent one
/// of what lies before the first number (as Linux).
#[test]
fn an_acknowledgement_from_before_the_beginning_is_challenged() {
    let mut s = Script::established();
    s.write(100);
    s.discard();
    let _ = s.inject(ack(101));
    for old in [1, 0] {
        let outcome = s.inject(data(1, 10).ack(old));
        assert_ne!(outcome.dropped, Some(Dropped::AckUnacceptable), "{old}");
        s.run(500);
    }
    s.discard();
    let outcome = s.inject(data(11, 10).ack(u32::MAX));
    assert_eq!(outcome.dropped, Some(Dropped::AckUnacceptable));
    s.expect(seg().seq(101).ack(11).len(0));
}
