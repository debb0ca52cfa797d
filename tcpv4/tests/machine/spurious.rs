//! Retransmissions that were not needed, and what is undone then (RFC 3522, 4015,
//! 5682, 3708).

use crate::script::*;
use tcpv4::recovery::Phase;

#[test]
fn a_timeout_proven_spurious_by_its_echo_is_undone() {
    let mut s = Script::open(&Start { ts: true, sack: false, ..Start::default() });
    s.write(9_880);
    assert_eq!(s.discard(), 10);
    let sent = s.own_ts();
    let before = s.connection.info();
    s.run(350);
    s.expect(seg().seq(1).len(988));
    assert_eq!(s.connection.info().cwnd, 988);
    // The acknowledgement of the original comes late.
    let _ = s.inject(ack(989).ts((501, sent)));
    let after = s.connection.info();
    assert_eq!((after.phase, after.ssthresh, after.lost), (Phase::Open, None, 0));
    assert!(after.cwnd >= before.cwnd);
    s.silent();
}

#[test]
fn an_echo_of_the_retransmission_undoes_nothing() {
    let mut s = Script::open(&Start { ts: true, sack: false, ..Start::default() });
    s.write(9_880);
    s.run(301);
    s.discard();
    let again = s.own_ts();
    s.run(100);
    let _ = s.inject(ack(989).ts((501, again)));
    assert_eq!(s.connection.info().phase, Phase::Loss);
}

#[test]
fn a_timeout_proven_spurious_by_what_arrives_is_undone() {
    let mut s = flying(&Start::default(), 10);
    let before = s.connection.info();
    s.run(208);
    s.discard();
    let rto = s.rto();
    s.run(400);
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.discard();
    // The second, which was never sent again, is there.
    let _ = s.inject(ack(2001));
    let after = s.connection.info();
    assert_eq!((after.phase, after.lost), (Phase::Open, 0));
    assert!(after.cwnd >= before.cwnd);
    assert_eq!(s.rto(), rto, "the back-off ends too");
}

#[test]
fn a_recovery_proven_needless_by_d_sack_is_undone() {
    let mut s = flying(&Start::default(), 10);
    let before = s.connection.info().cwnd;
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 4001)]));
    s.expect(seg().seq(1).len(1000));
    // The original was only late, and the copy comes too.
    let _ = s.inject(ack(4001));
    let _ = s.inject(ack(5001).sack(&[(1, 1001)]));
    let info = s.connection.info();
    assert_eq!(info.phase, Phase::Open);
    assert!(info.cwnd >= before, "{info:?}");
}

/// An open script of timestamps and SACK with ten segments of 988 bytes under
/// way, sent at `own_ts`; numbers of segments, and where they begin.
fn stamped() -> (Script, u32) {
    let mut s = Script::open(&Start { ts: true, ..Start::default() });
    s.write(9_880);
    assert_eq!(s.discard(), 10);
    let sent = s.own_ts();
    (s, sent)
}

/// Where the `n`-th segment of [`stamped`] begins.
const fn nth(n: u32) -> u32 {
    1 + 988 * n
}

/// Linux: a partial acknowledgement of an original undoes only while nothing
/// that was sent again is under way.
#[test]
fn a_late_original_beside_a_true_loss_undoes_nothing() {
    let (mut s, sent) = stamped();
    s.run(100);
    // The first is late, the third lost; both are sent again.
    let _ = s.inject(ack(1).ts((501, sent)).sack(&[(nth(1), nth(2)), (nth(3), nth(10))]));
    s.expect(seg().seq(1).len(988));
    s.expect(seg().seq(nth(2)).len(988));
    let again = s.own_ts();
    let reduced = s.connection.info().ssthresh;
    assert!(reduced.is_some());
    // The first original comes.
    let _ = s.inject(ack(nth(2)).ts((502, sent)).sack(&[(nth(3), nth(10))]));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh), (Phase::Recovery, reduced));
    // Its copy comes too, which is told of by D-SACK: one of two.
    s.run(90);
    let _ = s.inject(ack(nth(2)).ts((502, sent)).sack(&[(1, nth(1)), (nth(3), nth(10))]));
    assert_eq!(s.connection.info().ssthresh, reduced);
    // The third was needed.
    s.run(10);
    let _ = s.inject(ack(nth(10)).ts((600, again)));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh), (Phase::Open, reduced));
    assert_eq!(Some(info.cwnd), reduced);
}

#[test]
fn originals_that_were_all_late_undo_a_recovery() {
    let (mut s, sent) = stamped();
    let before = s.connection.info();
    s.run(100);
    let _ = s.inject(ack(1).ts((501, sent)).sack(&[(nth(1), nth(2)), (nth(3), nth(10))]));
    assert_eq!(s.discard(), 2);
    let _ = s.inject(ack(nth(2)).ts((502, sent)).sack(&[(nth(3), nth(10))]));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    let _ = s.inject(ack(nth(10)).ts((503, sent)));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh), (Phase::Open, None));
    assert!(info.cwnd >= before.cwnd);
}

/// The retransmission has filled the hole, so its time is echoed from then on.
#[test]
fn an_acknowledgement_after_the_retransmission_undoes_nothing() {
    let (mut s, sent) = stamped();
    s.run(100);
    let _ = s.inject(ack(1).ts((501, sent)).sack(&[(nth(2), nth(10))]));
    assert_eq!(s.discard(), 2);
    let again = s.own_ts();
    s.run(100);
    let _ = s.inject(ack(nth(1)).ts((601, again)).sack(&[(nth(2), nth(10))]));
    // The second was only late.
    let _ = s.inject(ack(nth(10)).ts((601, again)));
    assert!(s.connection.info().ssthresh.is_some());
}

/// D-SACK has to account for each retransmission of the episode, and for none
/// before it.
#[test]
fn every_retransmission_must_have_been_needless() {
    let mut s = flying(&Start::default(), 10);
    let before = s.connection.info().cwnd;
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001), (3001, 10_001)]));
    s.expect(seg().seq(1));
    s.expect(seg().seq(2001));
    let reduced = s.connection.info().ssthresh;
    let _ = s.inject(ack(10_001));
    let _ = s.inject(ack(10_001).sack(&[(1, 1001)]));
    s.write(1000);
    assert_eq!(s.connection.info().ssthresh, reduced, "one of two");
    let _ = s.inject(ack(10_001).sack(&[(2001, 3001)]));
    let info = s.connection.info();
    assert_eq!(info.ssthresh, None);
    assert!(info.cwnd >= before, "{info:?}");
}

/// One that fires in fast recovery says nothing of the loss that this is about
/// (RFC 5682 §3.1, step 1; as Linux).
#[test]
fn a_timeout_in_recovery_is_not_undone_with_the_recovery() {
    let mut s = flying(&Start::default(), 10);
    s.write(20_000);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    let reduced = s.connection.info().ssthresh;
    while s.connection.info().timeouts == 0 {
        s.run(5);
    }
    s.discard();
    // What was sent beside the retransmission was held up; that itself is lost.
    let _ = s.inject(ack(1).sack(&[(1001, 12_001)]));
    let info = s.connection.info();
    assert!(info.ssthresh.is_some() && info.ssthresh <= reduced, "{info:?}");
}

/// What the network doubled was never sent again here: it accounts for no
/// retransmission.
#[test]
fn what_the_network_doubled_undoes_nothing() {
    let mut s = flying(&Start::default(), 10);
    s.write(20_000);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    let reduced = s.connection.info().ssthresh;
    assert!(reduced.is_some());
    let _ = s.inject(ack(1).sack(&[(5001, 6001), (1001, 10_001)]));
    assert_eq!(s.connection.info().ssthresh, reduced);
    let _ = s.inject(ack(10_001));
    let _ = s.inject(ack(10_001).sack(&[(5001, 6001)]));
    assert_eq!(s.connection.info().ssthresh, reduced);
}

/// Between two that were sent again lies one that was not.
#[test]
fn what_was_sent_once_between_what_was_sent_twice_undoes_nothing() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001), (3001, 10_001)]));
    s.expect(seg().seq(1));
    s.expect(seg().seq(2001));
    let reduced = s.connection.info().ssthresh;
    let _ = s.inject(ack(1).sack(&[(1001, 2001), (1001, 2001), (3001, 10_001)]));
    let _ = s.inject(ack(10_001).sack(&[(1, 1001)]));
    assert_eq!(s.connection.info().ssthresh, reduced);
}

/// The network doubles what was once sent again: more came twice than was sent
/// twice, so that there is nothing to learn from it.
#[test]
fn what_comes_twice_long_after_undoes_nothing() {
    for doubled in [(1, 1001), (28_001, 29_001)] {
        let mut s = flying(&Start::default(), 10);
        s.run(100);
        let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
        s.discard();
        s.run(100);
        let _ = s.inject(ack(10_001));
        let reduced = s.connection.info().ssthresh;
        for n in 0..20 {
            s.write(1000);
            s.run(100);
            let _ = s.inject(ack(11_001 + 1000 * n));
        }
        s.write(1000);
        let _ = s.inject(ack(30_001).sack(&[doubled]));
        assert_eq!(s.connection.info().ssthresh, reduced);
    }
}

/// After a timeout without SACK and timestamps: the acknowledgement of what was
/// sent again, be it of the original. Something new is sent then (RFC 5682 §2.1,
/// step 2b), twenty thousand bytes of which wait.
fn asking(start: &Start) -> Script {
    let mut s = flying(start, 10);
    s.write(20_000);
    // The tail loss probe, with SACK.
    s.run(250);
    s.discard();
    while s.connection.info().timeouts == 0 {
        s.run(5);
    }
    s.expect(seg().seq(1).len(1000));
    s.silent();
    s.run(50);
    let _ = s.inject(ack(1001));
    s
}

#[test]
fn a_timeout_without_any_option_is_judged_by_new_data() {
    let mut s = asking(&reno());
    s.expect(seg().seq(10_001).len(1000));
    s.expect(seg().seq(11_001).len(1000));
    s.silent();
    // Of the second nothing was sent but the original.
    let _ = s.inject(ack(2001));
    let info = s.connection.info();
    assert_eq!((info.phase, info.ssthresh, info.lost), (Phase::Open, None, 0));
    assert!(info.cwnd >= 10_000, "{info:?}");
}

#[test]
fn a_duplicate_that_new_data_brings_shows_that_the_timeout_was_genuine() {
    let mut s = asking(&reno());
    assert_eq!(s.discard(), 2);
    s.run(100);
    let _ = s.inject(ack(1001));
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.expect(seg().seq(1001).len(1000));
    s.silent();
    let _ = s.inject(ack(1001));
    s.expect(seg().seq(2001).len(1000));
    s.silent();
    let _ = s.inject(ack(2001));
    assert_eq!(s.connection.info().ssthresh, Some(7_000));
}

#[test]
fn with_sack_new_data_is_sent_first_as_well() {
    let mut s = asking(&Start::default());
    s.expect(seg().seq(11_001).len(1000));
    s.discard();
    let mut genuine = asking(&Start::default());
    genuine.discard();
    let _ = s.inject(ack(2001));
    assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Open, None));
    let _ = genuine.inject(ack(1001).sack(&[(11_001, 12_001)]));
    assert_eq!(genuine.connection.info().phase, Phase::Loss);
    genuine.expect(seg().seq(1001).len(1000));
}

/// Nothing new to send: what is taken for lost is repeated, and nothing is
/// concluded from later acknowledgements.
#[test]
fn without_new_data_the_first_answer_alone_is_judged() {
    for start in [reno(), Start::default()] {
        let mut s = flying(&start, 10);
        s.run(250);
        while s.connection.info().timeouts == 0 {
            s.run(5);
        }
        s.discard();
        let _ = s.inject(ack(1001));
        s.expect(seg().seq(1001).len(1000));
        s.expect(seg().seq(2001).len(1000));
        s.silent();
        let _ = s.inject(if start.sack { ack(1001).sack(&[(5001, 6001)]) } else { ack(6001) });
        assert_eq!((s.connection.info().phase, s.connection.info().ssthresh), (Phase::Loss, Some(7_000)));
    }
}
