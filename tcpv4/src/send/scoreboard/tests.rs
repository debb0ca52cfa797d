//! The scoreboard against a list of single numbers.

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
        (1u32..20).prop_map(Step::Resend),
        Just(Step::Undo),
    ];
    proptest::collection::vec(step, 0..200)
}

fn check<L: List<Record>>(board: &Scoreboard<L>, una: SeqNum, nxt: SeqNum) {
    let mut at = una;
    let (mut sacked, mut lost) = (0, 0);
    for record in board.records() {
        assert_eq!(record.start, at, "no gap");
        assert!(record.len > 0);
        at = record.end();
        match record.mark {
            Mark::Sent => {}
            Mark::Sacked => sacked += record.len,
            Mark::Lost => lost += record.len,
        }
    }
    assert_eq!(at, nxt);
    assert_eq!((sacked, lost), (board.sacked, board.lost));
}

fn run<L: List<Record>>(start: u32, steps: &[Step]) {
    let mut board = Scoreboard::<L>::default();
    let (mut una, mut nxt) = (SeqNum::new(start), SeqNum::new(start));
    for (time, step) in steps.iter().enumerate() {
        let now = Instant::from_millis(time as u64 / 3);
        match *step {
            Step::Send(len) => {
                board.sent(now, nxt, len);
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
    let mut board = Scoreboard::<Vec<Record>>::default();
    let base = SeqNum::new(u32::MAX - 50);
    board.sent(Instant::ZERO, base, 100);
    let mut seen = Vec::new();
    board.sack(base + 30, base + 60, |record| seen.push((record.start, record.len)));
    board.sack(base + 20, base + 70, |record| seen.push((record.start, record.len)));
    assert_eq!(seen, [(base + 30, 30), (base + 20, 10), (base + 60, 10)]);
    assert_eq!((board.sacked(), board.records().len()), (50, 3), "neighbours have joined");
    assert_eq!(board.pipe(100), 50);
}

#[test]
fn a_lost_range_is_sent_again_piece_by_piece() {
    let mut board = Scoreboard::<Vec<Record>>::default();
    let base = SeqNum::new(0);
    board.sent(Instant::ZERO, base, 100);
    assert_eq!(board.mark_lost(|_| true), 100);
    let later = Instant::from_millis(1);
    board.retransmitted(later, base, base + 40);
    assert_eq!(board.first_lost().map(|r| (r.start, r.len)), Some((base + 40, 60)));
    board.retransmitted(later, base + 40, base + 100);
    assert_eq!((board.lost(), board.records().len()), (0, 1));
    assert!(board.records()[0].retransmitted);
}
