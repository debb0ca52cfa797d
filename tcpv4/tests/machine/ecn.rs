//! Explicit congestion notification (RFC 3168).

use crate::script::*;
use tcpv4::connection::{Budget, Settings};
use tcpv4::recovery::Phase;
use tcpv4::segment::{Ecn, Marks};

fn offering() -> Settings {
    let mut settings = Settings::default();
    settings.ecn = true;
    settings
}

/// Both sides use ECN.
fn agreed() -> Script {
    let mut s = Script::connecting(&offering());
    s.expect(seg().syn().mark(Marks::ECE | Marks::CWR).exactly());
    s.run(100);
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000).sack_permitted().mark(Marks::ECE));
    s.expect(seg().seq(1).ack(1).exactly());
    s
}

#[test]
fn it_is_not_offered_unless_asked_for() {
    let mut s = Script::connecting(&Settings::default());
    s.expect(seg().syn().exactly());
    let _ = s.inject(seg().syn().seq(0).ack(1).mark(Marks::ECE));
    s.discard();
    let _ = s.inject(data(1, 10).ce());
    s.expect(seg().ack(11).exactly());
}

#[test]
fn a_syn_that_was_lost_is_sent_again_without() {
    let mut s = Script::connecting(&offering());
    s.run(1_001);
    s.expect(seg().syn().mark(Marks::ECE | Marks::CWR).exactly());
    s.expect(seg().syn().exactly());
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000).mark(Marks::ECE));
    s.discard();
    let _ = s.inject(data(1, 10).ce());
    s.expect(seg().ack(11).exactly());
}

#[test]
fn an_answer_that_reflects_everything_is_no_agreement() {
    let mut s = Script::connecting(&offering());
    let _ = s.inject(seg().syn().seq(0).ack(1).mss(1000).mark(Marks::ECE | Marks::CWR));
    s.discard();
    let _ = s.inject(data(1, 10).ce());
    s.expect(seg().ack(11).exactly());
}

#[test]
fn only_new_data_is_capable() {
    let mut s = agreed();
    let budget = Budget { mtu: 1500, gso_max_size: 0 };
    assert_eq!(s.connection.write(s.now, &[0; 1000]), Ok(1000));
    let first = s.connection.poll_transmit(s.now, &budget).unwrap();
    assert_eq!(first.ecn, Ecn::Capable0);
    s.connection.transmitted(s.now, &first);
    let due = s.connection.next_timeout().unwrap();
    s.now = due;
    let _ = s.connection.handle_timeout(due);
    let again = s.connection.poll_transmit(s.now, &budget).unwrap();
    assert_eq!((again.seq, again.ecn), (first.seq, Ecn::NotCapable));
}

/// RFC 3168 §6.1.1: nothing else is, and nothing at all without an agreement.
#[test]
fn what_is_no_new_data_is_not_capable() {
    let mut plain = Script::established();
    let mut marked = agreed();
    for (s, of_data) in [(&mut plain, Ecn::NotCapable), (&mut marked, Ecn::Capable0)] {
        s.write(3000);
        for _ in 0..3 {
            assert_eq!(s.expect(seg().len(1000)).ecn, of_data);
        }
        let _ = s.inject(data(1, 1000).ack(3001));
        assert_eq!(s.expect(seg().ack(1001).len(0)).ecn, Ecn::NotCapable);
        s.close();
        assert_eq!(s.expect(seg().fin().seq(3001)).ecn, Ecn::NotCapable);
        s.run(5000);
        while let Some(again) = s.out.pop_front() {
            assert_eq!(again.ecn, Ecn::NotCapable);
        }
    }
    let mut connecting = Script::connecting(&offering());
    assert_eq!(connecting.expect(seg().syn()).ecn, Ecn::NotCapable);
}

#[test]
fn a_mark_is_echoed_until_the_peer_has_slowed_down() {
    let mut s = agreed();
    let _ = s.inject(data(1, 10).ce());
    s.expect(seg().ack(11).mark(Marks::ECE).exactly());
    let _ = s.inject(data(11, 10));
    s.expect(seg().ack(21).mark(Marks::ECE).exactly());
    let _ = s.inject(data(21, 10).mark(Marks::CWR));
    s.expect(seg().ack(31).exactly());
    let _ = s.inject(data(31, 10).mark(Marks::CWR).ce());
    s.expect(seg().ack(41).mark(Marks::ECE).exactly());
}

#[test]
fn an_echo_slows_down_once_per_window_and_says_so() {
    let mut s = agreed();
    s.write(30_000);
    assert_eq!(s.discard(), 10);
    s.run(100);
    let _ = s.inject(ack(1001).mark(Marks::ECE));
    let reduced = s.connection.info();
    assert_eq!(reduced.ssthresh, Some(7_000));
    for n in 2..=6 {
        let _ = s.inject(ack(n * 1000 + 1).mark(Marks::ECE));
    }
    assert_eq!(s.connection.info().ssthresh, reduced.ssthresh);
    s.expect(seg().seq(10_001).mark(Marks::CWR).exactly());
    while !s.out.is_empty() {
        s.expect(seg().exactly().len(1000));
    }
}

/// The peer says ECE until CWR reaches it, which goes out with what lies beyond
/// the window that was marked: the acknowledgement of all of that has ECE still.
#[test]
fn a_mark_that_is_echoed_to_the_end_of_its_window_counts_once() {
    let mut s = agreed();
    s.write(60_000);
    assert_eq!(s.discard(), 10);
    s.run(100);
    let _ = s.inject(ack(1001).mark(Marks::ECE));
    let reduced = s.connection.info().ssthresh;
    assert_eq!(reduced, Some(7_000));
    for n in 2..=10 {
        let _ = s.inject(ack(n * 1000 + 1).mark(Marks::ECE));
    }
    let _ = s.inject(ack(11_001));
    assert_eq!(s.connection.info().ssthresh, reduced);
    // One of the next window counts again.
    let _ = s.inject(ack(12_001).mark(Marks::ECE));
    assert!(s.connection.info().ssthresh < reduced);
}

/// The same where the window came down for a loss.
#[test]
fn a_mark_beside_a_loss_counts_once() {
    let mut s = agreed();
    s.write(60_000);
    s.discard();
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 5001)]).mark(Marks::ECE));
    let reduced = s.connection.info().ssthresh;
    assert_eq!(reduced, Some(7_000));
    let _ = s.inject(ack(10_001).mark(Marks::ECE));
    assert_eq!(s.connection.info().ssthresh, reduced);
}

/// A mark is no guess about a loss: what came twice says nothing of it.
#[test]
fn what_came_twice_does_not_undo_a_mark() {
    let mut s = agreed();
    s.write(5_000);
    s.discard();
    s.run(100);
    let _ = s.inject(ack(1001).mark(Marks::ECE));
    let reduced = s.connection.info().ssthresh;
    assert!(reduced.is_some());
    // The tail loss probe.
    s.run(210);
    s.expect(seg().seq(4001).len(1000));
    let _ = s.inject(ack(4001).sack(&[(4001, 5001)]).mark(Marks::ECE));
    let _ = s.inject(ack(4001).sack(&[(4001, 5001), (4001, 5001)]));
    assert_eq!(s.connection.info().ssthresh, reduced);
}

#[test]
fn a_loss_after_a_mark_neither_reduces_again_nor_is_the_mark_undone_with_it() {
    let mut s = agreed();
    s.write(60_000);
    s.discard();
    s.run(100);
    let _ = s.inject(ack(1001).mark(Marks::ECE));
    let reduced = s.connection.info().ssthresh;
    s.discard();
    let _ = s.inject(ack(1001).sack(&[(2001, 5001)]).mark(Marks::ECE));
    s.expect(seg().seq(1001).len(1000));
    assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Recovery, reduced));
    // It was only late.
    s.run(50);
    let _ = s.inject(ack(5001).mark(Marks::ECE));
    let _ = s.inject(ack(6001).sack(&[(1001, 2001)]).mark(Marks::ECE));
    assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Reduced, reduced));
}

/// Also when less is under way already, of which a new reduction would be one.
#[test]
fn a_loss_while_the_window_comes_down_keeps_what_it_comes_down_to() {
    let mut s = agreed();
    s.write(60_000);
    s.discard();
    s.run(100);
    for n in 1..=6 {
        let _ = s.inject(ack(n * 1000 + 1).mark(Marks::ECE));
    }
    let before = s.connection.info();
    assert!(before.phase == Phase::Reduced && before.cwnd < 9000 && before.ssthresh == Some(7000));
    s.discard();
    let _ = s.inject(ack(6001).sack(&[(7001, 10_001)]).mark(Marks::ECE));
    s.expect(seg().seq(6001).len(1000));
    let after = s.connection.info();
    assert_eq!((after.phase, after.ssthresh), (Phase::Recovery, Some(7000)));
}

#[test]
fn a_mark_in_recovery_keeps_what_it_calls_for() {
    let mut s = agreed();
    s.write(60_000);
    s.discard();
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 5001)]));
    let reduced = s.connection.info().ssthresh;
    let _ = s.inject(ack(1).sack(&[(1001, 6001)]).mark(Marks::ECE));
    let _ = s.inject(ack(6001));
    let _ = s.inject(ack(7001).sack(&[(1, 1001)]));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh, info.lost), (Phase::Reduced, reduced, 0));
}

/// The timer's reduction is undone, the mark's stands: from what is under way the
/// window comes down to it evenly, as if the mark had come alone.
#[test]
fn a_mark_beside_a_spurious_timeout_still_brings_the_window_down() {
    let mut s = agreed();
    s.write(60_000);
    assert_eq!(s.discard(), 10);
    while s.connection.info().phase != Phase::Loss {
        s.run(10);
    }
    let reduced = s.connection.info().ssthresh;
    assert_eq!(reduced, Some(7000));
    let _ = s.inject(ack(1001).mark(Marks::ECE));
    s.discard();
    // All that was sent again is told to have come twice.
    let _ = s.inject(ack(2001).sack(&[(1, 2001)]).mark(Marks::ECE));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh, info.lost), (Phase::Reduced, reduced, 0));
    let mut windows = vec![info.cwnd];
    for n in 3..=9 {
        assert!(s.discard() <= 1, "{windows:?}");
        let _ = s.inject(ack(n * 1000 + 1).mark(Marks::ECE));
        windows.push(s.connection.info().cwnd);
    }
    assert!(windows.is_sorted_by(|before, after| before > after && before - after < 1_000), "{windows:?}");
    let _ = s.inject(ack(10_001));
    assert_eq!(s.connection.info().cwnd, 7_000);
}

/// In proportion to what arrives (as Linux), not by silence at first.
#[test]
fn after_a_mark_the_window_comes_down_evenly() {
    let mut s = agreed();
    s.write(60_000);
    s.discard();
    s.run(100);
    let mut sent = Vec::new();
    for n in 1..=10 {
        let _ = s.inject(ack(n * 1000 + 1).mark(Marks::ECE));
        sent.push(s.discard());
    }
    assert!(sent.iter().all(|&sent| sent <= 1), "{sent:?}");
    assert_eq!((sent[..5].iter().sum::<usize>(), sent[..9].iter().sum::<usize>()), (2, 6), "{sent:?}");
    assert!((7_000..7_100).contains(&s.connection.info().cwnd));
}

#[test]
fn a_timeout_is_told_of_too() {
    let mut s = agreed();
    s.write(1_000);
    s.run(1_000);
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.discard();
    let _ = s.inject(ack(1001));
    s.write(1_000);
    s.expect(seg().seq(1001).mark(Marks::CWR));
}

#[test]
fn acknowledgements_probes_and_a_lone_fin_are_not_capable() {
    let mut s = agreed();
    let _ = s.inject(data(1, 10));
    assert_eq!(s.expect(seg().ack(11).len(0)).ecn, Ecn::NotCapable);
    s.write(1_000);
    assert_eq!(s.expect(seg().len(1000)).ecn, Ecn::Capable0);
    s.run(400);
    assert_eq!(s.expect(seg().seq(1).len(1000)).ecn, Ecn::NotCapable, "a tail loss probe");
    let _ = s.inject(seg().seq(11).ack(1001).win(0));
    s.write(1_000);
    s.run(400);
    s.discard();
    let rto = s.rto();
    s.run(rto + 1);
    assert_eq!(s.expect(seg().seq(1000).len(0)).ecn, Ecn::NotCapable, "a window probe");
    let _ = s.inject(seg().seq(11).ack(1001));
    s.discard();
    let _ = s.inject(seg().seq(11).ack(2001));
    s.close();
    assert_eq!(s.expect(seg().fin()).ecn, Ecn::NotCapable);
}

#[test]
fn nothing_is_capable_without_agreement() {
    let mut s = Script::established();
    s.write(2_000);
    assert_eq!(s.expect(seg().len(1000)).ecn, Ecn::NotCapable);
    assert_eq!(s.expect(seg().len(1000)).ecn, Ecn::NotCapable);
    let mut s = Script::connecting(&offering());
    assert_eq!(s.expect(seg().syn().mark(Marks::ECE | Marks::CWR)).ecn, Ecn::NotCapable, "RFC 3168 §6.1.1");
}

/// A sender that is told to slow down may have little under way, which waits for
/// each acknowledgement: two come at once behind the first mark (as Linux).
#[test]
fn acknowledgements_come_at_once_after_a_mark() {
    let mut s = agreed();
    let mut seq = 1;
    for _ in 0..20 {
        let _ = s.inject(data(seq, 1000));
        seq += 1000;
        s.run(50);
    }
    s.read_from(0);
    s.discard();
    // A dialogue.
    let _ = s.inject_only(data(seq, 100));
    s.write(5);
    s.expect(seg().len(5).ack(seq + 100));
    seq += 100;
    let _ = s.inject(data(seq, 100).ack(6).ce());
    s.expect(seg().ack(seq + 100).mark(Marks::ECE));
    let _ = s.inject(data(seq + 100, 100).ack(6));
    s.expect(seg().ack(seq + 200).mark(Marks::ECE));
    let _ = s.inject(data(seq + 200, 100).ack(6));
    s.silent();
    // Another mark before the sender has slowed down tells nothing new.
    s.run(40);
    s.expect(seg().ack(seq + 300));
    let _ = s.inject(data(seq + 300, 100).ack(6).ce());
    s.expect(seg().ack(seq + 400));
    let _ = s.inject(data(seq + 400, 100).ack(6));
    s.silent();
}

/// Both have opened, and this side has offered ECN.
fn both_opened(syn: Seg, lost: bool) -> Script {
    let mut s = Script::connecting(&offering());
    if lost {
        s.run(1_001);
    }
    s.discard();
    let _ = s.inject(syn.syn().seq(0).no_ack().mss(1000));
    s
}

#[test]
fn of_two_that_open_at_once_both_have_to_offer() {
    let offer = || seg().mark(Marks::ECE | Marks::CWR);
    for (syn, lost, agreed) in [(offer(), false, true), (seg(), false, false), (offer(), true, false)] {
        let mut s = both_opened(syn, lost);
        let marks = if agreed { Marks::ECE } else { Marks::empty() };
        s.expect(seg().syn().seq(0).ack(1).mark(marks).exactly());
        let _ = s.inject(ack(1));
        s.write(10);
        let sent = s.expect(seg().seq(1).len(10));
        assert_eq!(sent.ecn == Ecn::Capable0, agreed, "{sent:?}");
    }
}
