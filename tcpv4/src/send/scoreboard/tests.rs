//! The scoreboard against a list of single numbers.

use core::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

type Small = heapless::Vec<Record, 24>;

#[derive(Clone, Copy, Debug)]
enum Step {
    Send(u32),
    Ack(u32),
    Sack(u32, u32),
    LoseFirst(u32),
    LoseOld(u64),
    LoseLate(u64, u64),
    Resend(u32),
    Undo,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (1u32..40).prop_map(Step::Send),
        (0u32..60).prop_map(Step::Ack),
        (0u32..120, 1u32..30).prop_map(|(a, b)| Step::Sack(a, b)),
        (1u32..20).prop_map(Step::LoseFirst),
        (0u64..40).prop_map(Step::LoseOld),
        (0u64..70, 0u64..20).prop_map(|(newest, patience)| Step::LoseLate(newest, patience)),
        (1u32..20).prop_map(Step::Resend),
        Just(Step::Undo),
    ];
    proptest::collection::vec(step, 0..200)
}

fn check<L: List<Record>>(board: &Scoreboard<L, Vec<Resent>>, una: SeqNum, nxt: SeqNum) {
    let mut at = una;
    let (mut sacked, mut sacked_segments, mut lost) = (0, 0, 0);
    for record in board.records() {
        assert_eq!(record.start, at, "no gap");
        assert!(record.len > 0);
        at = record.end();
        match record.mark {
            Mark::Sent => {}
            Mark::Sacked => {
                sacked += record.len;
                sacked_segments += record.segments;
            }
            Mark::Lost => lost += record.len,
        }
    }
    assert_eq!(at, nxt);
    assert_eq!((sacked, sacked_segments, lost), (board.sacked, board.sacked_segments, board.lost));
}

fn run<L: List<Record>>(start: u32, steps: &[Step]) {
    let mut board = Scoreboard::<L, Vec<Resent>>::default();
    let (mut una, mut nxt) = (SeqNum::new(start), SeqNum::new(start));
    for (time, step) in steps.iter().enumerate() {
        let now = Instant::from_millis(time as u64 / 3);
        match *step {
            Step::Send(len) => {
                board.sent(now, nxt, len, len.div_ceil(10));
                nxt += len;
            }
            Step::Ack(len) => {
                let ack = (una + len).earlier(nxt);
                let before = board.sacked;
                let mut new = 0;
                board.acknowledged(ack, |record| new += record.len);
                assert_eq!(new + (before - board.sacked), ack.since(una));
                una = ack;
            }
            Step::Sack(offset, len) => {
                let (from, to) = ((una + offset).earlier(nxt), (una + offset + len).earlier(nxt));
                let before = board.sacked;
                let mut new = 0;
                board.sack(from, to, |record| new += record.len);
                assert_eq!(board.sacked, before + new);
            }
            Step::LoseFirst(len) => {
                board.mark_first_lost(len);
            }
            Step::LoseOld(millis) => {
                board.mark_lost(|record| record.sent_at < Instant::from_millis(millis));
            }
            Step::LoseLate(newest, patience) => {
                let (newest, patience) = (Instant::from_millis(newest), Duration::from_millis(patience));
                let is_late =
                    |r: &Record| r.mark == Mark::Sent && r.sent_at < newest && r.sent_at + patience <= now;
                let is_early =
                    |r: &&Record| r.mark == Mark::Sent && r.sent_at < newest && r.sent_at + patience > now;
                let next = board.records().iter().filter(is_early).map(|r| r.sent_at + patience).min();
                let late = board.records().iter().filter(|r| is_late(r)).map(|r| r.len).sum::<u32>();
                let found = board.mark_late(now, patience, |sent_at, _| sent_at < newest);
                // At the bound of the list, what is sent again may go unnoticed.
                assert!(L::LIMIT < 1000 || found == (late, next), "{found:?} {late} {next:?}");
            }
            Step::Resend(len) => {
                if let Some(lost) = board.first_lost() {
                    let end = lost.start + len.min(lost.len);
                    board.retransmitted(now, lost.start, end);
                }
            }
            Step::Undo => board.unmark_lost(),
        }
        check(&board, una, nxt);
    }
}

proptest! {
    #[test]
    fn stays_whole(start: u32, steps in steps()) {
        run::<Small>(start, &steps);
        run::<Vec<Record>>(start, &steps);
    }
}

#[test]
fn a_block_is_marked_exactly_where_there_is_room() {
    let mut board = Scoreboard::<Vec<Record>, Vec<Resent>>::default();
    let base = SeqNum::new(u32::MAX - 50);
    board.sent(Instant::ZERO, base, 100, 10);
    let mut seen = Vec::new();
    board.sack(base + 30, base + 60, |record| seen.push((record.start, record.len)));
    board.sack(base + 20, base + 70, |record| seen.push((record.start, record.len)));
    assert_eq!(seen, [(base + 30, 30), (base + 20, 10), (base + 60, 10)]);
    assert_eq!((board.sacked(), board.records().len()), (50, 3), "neighbours have joined");
    assert_eq!(board.pipe(100), 50);
}

#[test]
fn a_lost_range_is_sent_again_piece_by_piece() {
    let mut board = Scoreboard::<Vec<Record>, Vec<Resent>>::default();
    let base = SeqNum::new(0);
    board.sent(Instant::ZERO, base, 100, 10);
    assert_eq!(board.mark_lost(|_| true), 100);
    let later = Instant::from_millis(1);
    board.retransmitted(later, base, base + 40);
    assert_eq!(board.first_lost().map(|r| (r.start, r.len)), Some((base + 40, 60)));
    board.retransmitted(later, base + 40, base + 100);
    assert_eq!((board.lost(), board.records().len()), (0, 1));
    assert!(board.records()[0].retransmitted);
}

/// 500 holes, each sent again, each lost again, while what lies between arrives
/// piece by piece: an acknowledgement costs a look at what is due, not at all.
#[test]
fn looks_only_at_what_is_due() {
    let mut board = Scoreboard::<Vec<Record>, Vec<Resent>>::default();
    let base = SeqNum::new(u32::MAX - 50);
    let at = |n: u32| Instant::from_millis(u64::from(n));
    for n in 0..1000 {
        board.sent(at(n), base + n, 1, 1);
    }
    let patience = Duration::from_millis(10);
    let mut most = 0;
    let mut newest = |board: &mut Scoreboard<_, _>, now: u32, newest: Instant| {
        board.looked_at.set(0);
        let lost = board.mark_late(at(now), patience, |sent_at, _| sent_at < newest).0;
        most = most.max(board.looked_at.get());
        lost
    };
    let mut lost = 0;
    for n in 0..500 {
        board.sack(base + (2 * n + 1), base + (2 * n + 2), |_| {});
        lost += newest(&mut board, 1000 + 2 * n, at(2 * n + 1));
    }
    assert_eq!(lost, 500);
    for (n, start) in (0..1000).step_by(2).enumerate() {
        board.retransmitted(at(2000 + n as u32), base + start, base + start + 1);
    }
    assert_eq!(board.lost(), 0);
    // The last of them arrives, then one after the other is due.
    board.sack(base + 998, base + 999, |_| {});
    let lost: u32 = (0..600).map(|n| newest(&mut board, 2000 + n, at(2499))).sum();
    assert_eq!(lost, 499);
    assert!(most <= 4, "{most}");
}

/// What was sent again as one arrives piece by piece, with holes: neither question
/// walks over all of it for each acknowledgement.
#[test]
fn a_burst_that_was_sent_again_is_not_walked_for_each_acknowledgement() {
    let mut board = Scoreboard::<Vec<Record>, Vec<Resent>>::default();
    let base = SeqNum::new(u32::MAX - 50);
    let at = Instant::from_millis;
    board.sent(at(0), base, 1000, 100);
    board.mark_lost(|_| true);
    board.retransmitted(at(1), base, base + 1000);
    let mut most = 0;
    for n in 0..450 {
        board.sack(base + (2 * n + 1), base + (2 * n + 2), |_| {});
        board.looked_at.set(0);
        assert_eq!(board.mark_late(at(100), Duration::ZERO, |_, _| false).0, 0);
        assert!(board.has_resent());
        most = most.max(board.looked_at.get());
    }
    assert!(most <= 8, "{most}");
    // In pieces, each in its own time: those before the last that arrived.
    let newest = base + 400;
    assert_eq!(board.mark_late(at(100), Duration::ZERO, |_, end| end.before(newest)).0, 200);
}

/// The list may be too short for all that was sent again: what is not in it is
/// under way all the same.
#[test]
fn what_was_sent_again_is_known_beyond_the_list() {
    type Short = heapless::Vec<Resent, 2>;
    let mut board = Scoreboard::<Vec<Record>, Short>::default();
    let base = SeqNum::new(7);
    let at = Instant::from_millis;
    for n in 0..5 {
        board.sent(at(n), base + 10 * n as u32, 10, 1);
    }
    board.mark_lost(|_| true);
    for n in 0..5 {
        let start = base + 10 * n as u32;
        board.retransmitted(at(10 + n), start, start + 10);
    }
    for n in 0..5 {
        assert!(board.has_resent(), "{n} have arrived");
        board.acknowledged(base + 10 * (n + 1), |_| {});
    }
    assert!(!board.has_resent());
}

/// And those are found late when their time comes.
#[test]
fn what_found_no_place_in_the_list_is_found_late_after_the_others() {
    type Short = heapless::Vec<Resent, 2>;
    let mut board = Scoreboard::<Vec<Record>, Short>::default();
    let base = SeqNum::new(7);
    let at = Instant::from_millis;
    for n in 0..5 {
        board.sent(at(n), base + 10 * n as u32, 10, 1);
    }
    board.mark_lost(|_| true);
    for n in 0..5 {
        let start = base + 10 * n as u32;
        board.retransmitted(at(10 + n), start, start + 10);
    }
    assert_eq!(board.mark_late(at(100), Duration::ZERO, |sent_at, _| sent_at < at(14)), (40, None));
    assert_eq!(board.lost(), 40);
}

/// What has just been sent has not arrived, whatever it shares a record with.
#[test]
fn what_finds_no_place_never_counts_as_arrived() {
    let mut board = Scoreboard::<heapless::Vec<Record, 1>, Vec<Resent>>::default();
    let base = SeqNum::new(u32::MAX - 15);
    board.sent(Instant::ZERO, base, 10, 1);
    board.sack(base, base + 10, |_| {});
    assert_eq!((board.sacked(), board.sacked_segments()), (10, 1));
    board.sent(Instant::ZERO, base + 10, 10, 1);
    assert_eq!((board.sacked(), board.sacked_segments()), (0, 0));
    check(&board, base, base + 20);
}
