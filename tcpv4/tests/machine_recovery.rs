//! Loss and its repair (RFC 6298, 5681, 6582, 6675, 8985, 6937).

mod machine;

use machine::script::*;
use tcpv4::connection::{Events, Failure, Settings, State};
use tcpv4::recovery::Phase;

fn reno() -> Start {
    Start { sack: false, ..Start::default() }
}

/// A script with `segments` under way, sent at 0.
fn flying(start: &Start, segments: usize) -> Script {
    let mut s = Script::open(start);
    s.write(segments * 1000);
    for n in 0..segments {
        s.expect(seg().seq(1 + n as u32 * 1000).len(1000));
    }
    s.silent();
    s
}

#[test]
fn the_timer_repeats_the_first_and_backs_off() {
    let mut s = flying(&reno(), 3);
    s.run(3_000);
    let mut at = 0;
    for n in 0..3 {
        at += 300 << n;
        s.expect_at(at, seg().seq(1).len(1000));
    }
    s.silent();
    assert_eq!(s.connection.info().cwnd, 1000);
}

#[test]
fn after_a_timeout_slow_start_repeats_the_rest() {
    let mut s = flying(&reno(), 4);
    s.run(310);
    s.expect(seg().seq(1).len(1000));
    s.run(90);
    let _ = s.inject(ack(1001));
    s.expect(seg().seq(1001).len(1000));
    s.expect(seg().seq(2001).len(1000));
    s.silent();
    let _ = s.inject(ack(4001));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn a_connection_without_answers_is_given_up() {
    let mut s = flying(&Start::default(), 1);
    s.run(2_000_000);
    assert_eq!((s.state(), s.failure()), (State::Closed, Some(Failure::TimedOut)));
    assert!(s.events.contains(Events::FAILED | Events::CLOSED | Events::DOUBTFUL));
}

#[test]
fn a_user_timeout_ends_it_earlier() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(5));
    let mut s = flying(&Start { settings, ..reno() }, 1);
    s.run(4_900);
    assert_eq!(s.failure(), None);
    s.run(200);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn a_long_user_timeout_outlasts_fifteen_tries() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(4_000));
    let mut s = flying(&Start { settings, ..reno() }, 1);
    s.run(3_900_000);
    assert_eq!(s.failure(), None);
    s.run(200_000);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

#[test]
fn three_duplicates_repeat_the_first() {
    let mut s = flying(&reno(), 6);
    s.run(100);
    let _ = s.inject(ack(1));
    let _ = s.inject(ack(1));
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    s.run(100);
    let _ = s.inject(ack(6001));
    assert_eq!(s.connection.info().phase, Phase::Open);
    let info = s.connection.info();
    assert_eq!(Some(info.cwnd), info.ssthresh);
}

#[test]
fn limited_transmit_sends_something_new_for_the_first_two() {
    let mut s = flying(&reno(), 10);
    s.write(5_000);
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(10_001).len(1000));
    let _ = s.inject(ack(1));
    s.expect(seg().seq(11_001).len(1000));
    s.silent();
    let _ = s.inject(ack(1));
    s.expect(seg().seq(1).len(1000));
}

#[test]
fn a_partial_acknowledgement_repeats_the_next() {
    let mut s = flying(&reno(), 8);
    s.run(100);
    for _ in 0..5 {
        let _ = s.inject(ack(1));
    }
    s.expect(seg().seq(1));
    s.silent();
    s.run(100);
    let _ = s.inject(ack(3001));
    s.expect(seg().seq(3001).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
    let _ = s.inject(ack(8001));
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn duplicates_that_echo_a_recovery_start_no_other() {
    let mut s = flying(&reno(), 4);
    s.run(310);
    s.expect(seg().seq(1));
    let _ = s.inject(ack(4001));
    s.write(5_000);
    s.discard();
    for _ in 0..5 {
        let _ = s.inject(ack(4001));
    }
    assert_eq!(s.connection.info().phase, Phase::Open);
    assert!(s.out.iter().all(|sent| machine::decode(&sent.bytes).seq.value() != ISS.wrapping_add(4001)));
}

#[test]
fn data_and_window_updates_are_no_duplicates() {
    let mut s = flying(&reno(), 6);
    for n in 0..5 {
        let _ = s.inject(data(1 + n * 10, 10));
    }
    for n in 0..5 {
        let _ = s.inject(seg().seq(51).ack(1).win(30_000 + n));
    }
    s.run(50);
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn sack_names_what_is_missing() {
    let mut s = flying(&Start::default(), 8);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    let _ = s.inject(ack(1).sack(&[(1001, 3001)]));
    s.silent();
    let _ = s.inject(ack(1).sack(&[(1001, 4001)]));
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Recovery);
}

#[test]
fn several_holes_are_repeated_each_once() {
    let mut s = flying(&Start::default(), 10);
    s.run(100);
    // 1, 3001 and 5001 are missing.
    let _ = s.inject(ack(1).sack(&[(6001, 10_001), (4001, 5001), (1001, 3001)]));
    s.run(90);
    let mut repeated: Vec<u32> = Vec::new();
    for n in [1001, 4001, 5001] {
        s.run(100);
        repeated.extend(s.out.drain(..).map(|sent| machine::decode(&sent.bytes).seq.value().wrapping_sub(ISS)));
        let _ = s.inject(ack(if n == 1001 { 3001 } else { n }).sack(&[(6001, 10_001)]));
    }
    s.run(10);
    repeated.extend(s.out.drain(..).map(|sent| machine::decode(&sent.bytes).seq.value().wrapping_sub(ISS)));
    repeated.sort();
    assert_eq!(repeated, [1, 3001, 5001]);
    let _ = s.inject(ack(10_001));
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn blocks_that_make_no_sense_are_ignored() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    for block in [
        (2001, 1001),
        (1001, 1001),
        (4001, 9001),
        (50_000, 60_000),
        (0x8000_0000, 0x8000_1000),
        (u32::MAX - 5000, u32::MAX - 1000),
        (1001, 0x9000_0000),
    ] {
        let _ = s.inject(ack(1).sack(&[block]));
    }
    assert_eq!((s.connection.info().phase, s.connection.info().lost), (Phase::Open, 0));
    s.silent();
}

#[test]
fn a_late_segment_is_not_taken_for_lost() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    // One segment ahead of another: within the reordering window.
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    s.run(10);
    let _ = s.inject(ack(2001));
    s.run(10);
    s.silent();
    assert_eq!(s.connection.info().phase, Phase::Open);
}

#[test]
fn what_stays_away_for_a_quarter_of_a_round_trip_is_lost() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 2001)]));
    s.silent();
    s.run(60);
    s.expect_at(125, seg().seq(1).len(1000));
    assert_eq!(s.connection.info().phase, Phase::Recovery);
}

#[test]
fn a_lost_retransmission_is_noticed() {
    let mut s = flying(&Start::default(), 10);
    s.write(10_000);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 10_001)]));
    s.expect(seg().seq(1).len(1000));
    s.run(0);
    let next = s.discard();
    assert!(next > 0, "new data follows");
    s.run(100);
    // What was sent after it has arrived, it has not.
    let _ = s.inject(ack(1).sack(&[(1001, 10_001 + 1000 * next as u32)]));
    s.run(60);
    let repeated: Vec<_> =
        s.out.iter().map(|sent| machine::decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert!(repeated.contains(&1), "{repeated:?}");
}

#[test]
fn a_tail_loss_is_probed_for() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    // 2 · SRTT + 8 ms, before the timeout of 300 ms.
    s.expect_at(208, seg().seq(2001).len(1000));
    s.silent();
    s.run(50);
    let _ = s.inject(ack(1).sack(&[(2001, 3001)]));
    s.run(30);
    let repeated: Vec<_> =
        s.out.iter().map(|sent| machine::decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert_eq!(repeated, [1], "what is lost is known; PRR lets one go for the one that arrived");
    s.discard();
    let _ = s.inject(ack(1001).sack(&[(2001, 3001)]));
    s.expect(seg().seq(1001).len(1000));
}

#[test]
fn a_probe_with_new_data_where_there_is_some() {
    let mut s = flying(&Start::default(), 10);
    s.write(3000);
    s.silent();
    s.run(250);
    s.expect_at(208, seg().seq(10_001).len(1000));
    s.silent();
}

#[test]
fn a_probe_that_repaired_a_loss_shrinks_the_window() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    s.discard();
    let before = s.connection.info().cwnd;
    // All are there, the last by the probe: no D-SACK says that it came twice.
    let _ = s.inject(ack(3001));
    let _ = before;
    s.write(10_000);
    s.discard();
    let _ = s.inject(ack(4001));
    assert!(s.connection.info().ssthresh.is_some(), "reduced");
}

#[test]
fn a_probe_that_was_needless_does_not() {
    let mut s = flying(&Start::default(), 3);
    s.run(250);
    s.discard();
    let _ = s.inject(ack(3001).sack(&[(2001, 3001)]));
    s.write(10_000);
    s.discard();
    let _ = s.inject(ack(4001));
    assert_eq!(s.connection.info().ssthresh, None);
}

/// The report comes when all is acknowledged already.
#[test]
fn a_probe_that_is_found_needless_later_does_not_either() {
    for report in [ack(3001).sack(&[(2001, 3001)]), ack(3001)] {
        let mut s = flying(&Start::default(), 3);
        s.run(250);
        s.discard();
        let _ = s.inject(ack(3001));
        let _ = s.inject(report);
        s.write(10_000);
        s.discard();
        let _ = s.inject(ack(4001));
        assert_eq!(s.connection.info().ssthresh, None);
    }
}

/// RFC 8985 §7.2: the probe's time is at most the timeout's, in whose place it
/// goes out; the timeout follows after another one (§7.3).
#[test]
fn a_lone_segment_is_probed_in_place_of_the_timeout() {
    let mut s = flying(&Start::default(), 1);
    let before = s.connection.info();
    s.run(550);
    s.expect_at(300, seg().seq(1).len(1000));
    s.silent();
    let info = s.connection.info();
    assert_eq!((info.phase, info.cwnd, info.ssthresh), (Phase::Open, before.cwnd, None));
    s.run(100);
    s.expect_at(600, seg().seq(1).len(1000));
    s.silent();
    assert_eq!((s.connection.info().phase, s.connection.info().cwnd), (Phase::Loss, 1000));
}

#[test]
fn a_probe_does_not_lengthen_a_user_timeout() {
    let mut settings = Settings::default();
    settings.user_timeout = Some(std::time::Duration::from_secs(5));
    let mut s = flying(&Start { settings, ..Start::default() }, 1);
    s.run(4_990);
    assert_eq!(s.failure(), None);
    s.run(20);
    assert_eq!(s.failure(), Some(Failure::TimedOut));
}

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
    s.run(400);
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.discard();
    // The second, which was never sent again, is there.
    let _ = s.inject(ack(2001));
    let after = s.connection.info();
    assert_eq!((after.phase, after.lost), (Phase::Open, 0));
    assert!(after.cwnd >= before.cwnd);
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

#[test]
fn a_peer_that_gives_up_what_it_told_of_gets_it_again() {
    let mut s = flying(&Start::default(), 4);
    s.run(100);
    let _ = s.inject(ack(1).sack(&[(1001, 4001)]));
    s.expect(seg().seq(1));
    let _ = s.inject(ack(1001).sack(&[(1001, 2001)]));
    s.discard();
    let _ = s.inject(ack(1001));
    s.run(2_000);
    let _ = s.inject(ack(2001));
    s.run(10_000);
    let seqs: Vec<_> =
        s.out.iter().map(|sent| machine::decode(&sent.bytes).seq.value().wrapping_sub(ISS)).collect();
    assert!(seqs.contains(&2001), "{seqs:?}");
    let _ = s.inject(ack(4001));
    assert!(s.connection.is_flushed());
}

#[test]
fn the_window_comes_down_evenly_in_recovery() {
    let mut settings = Settings::default();
    settings.congestion = tcpv4::congestion::Algorithm::NewReno;
    let mut s = flying(&Start { settings, ..Start::default() }, 10);
    s.write(20_000);
    s.run(100);
    let mut sent = Vec::new();
    for n in 2..=9u32 {
        let _ = s.inject(ack(1).sack(&[(1001, n * 1000 + 1)]));
        sent.push(s.discard());
    }
    // Two by limited transmit; then the retransmission; then about one for
    // every two that arrive.
    assert_eq!(sent[..3], [1, 1, 1]);
    let rest: usize = sent[3..].iter().sum();
    assert!((1..=4).contains(&rest), "{sent:?}");
    assert_eq!(s.connection.info().ssthresh, Some(5000));
}

#[test]
fn the_timer_starts_anew_with_each_acknowledgement() {
    let mut s = flying(&reno(), 3);
    s.run(250);
    let _ = s.inject(ack(1001));
    let (at, rto) = (s.time(), s.rto());
    s.run(rto + 1);
    s.expect_at(at + rto, seg().seq(1001).len(1000));
}

#[test]
fn all_acknowledged_leaves_no_timer_but_memory_to_give_back() {
    let mut s = flying(&Start::default(), 3);
    assert!(s.connection.held() > 0);
    let _ = s.inject(ack(3001));
    s.run(3_000);
    s.silent();
    assert_eq!(s.connection.held(), 0);
    assert_eq!(s.connection.next_timeout(), None);
}

/// The timer takes for lost what is oldest and what is late, not what was sent
/// a moment ago (RFC 8985 §6.3).
#[test]
fn a_timeout_spares_what_was_just_sent() {
    let mut s = Script::established();
    s.write(2000);
    s.expect(data(1, 1000).seq(1).ack(1));
    s.expect(data(1001, 1000).ack(1));
    s.run(250);
    // The tail loss probe, from which the timer counts.
    s.expect_at(208, seg().seq(1001).len(1000));
    let rto = s.rto();
    s.run(rto + 208 - 250 - 10);
    s.silent();
    s.write(1000);
    s.expect(data(2001, 1000).seq(2001).ack(1));
    s.run(20);
    assert_eq!(s.connection.info().phase, Phase::Loss);
    s.expect(seg().seq(1).len(1000));
    s.silent();
    assert_eq!(s.connection.info().lost, 1000, "the second segment; the third was sent 10 ms ago");
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
