//! The queue beside one that copies each byte.

use std::boxed::Box;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::buffer::{Fixed, Growing};

/// What is sent from where it lies. No byte is like its neighbours.
static CONSTANT: [u8; 251] = {
    let mut bytes = [0; 251];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = at as u8;
        at += 1;
    }
    bytes
};

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    /// From such a place in the constant, so many bytes.
    Static(usize, usize),
    /// So many bytes are lent at the most, and so many of them filled in.
    Lend(usize, usize),
    Acknowledge(usize),
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => (0usize..60).prop_map(Step::Write),
        8 => (0usize..251, 0usize..100).prop_map(|(at, len)| Step::Static(at, len)),
        4 => (1usize..60, 0usize..60).prop_map(|(most, filled)| Step::Lend(most, filled)),
        12 => (0usize..150).prop_map(Step::Acknowledge),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 0..120)
}

/// What a segment gets, whichever way it gets it.
fn shown<B: Backing>(queue: &SendQueue<B>, offset: usize, len: usize) -> Vec<u8> {
    let mut copied = vec![0xee; len];
    assert!(queue.copy_to(offset as u32, &mut copied));
    if let Some((first, second)) = queue.slices(offset as u32, len as u32) {
        assert_eq!([first, second].concat(), copied);
    } else {
        assert!(queue.pieces.len() > 0, "two runs at most");
    }
    copied
}

fn course<B: Backing>(mut queue: SendQueue<B>, most_pieces: usize, limit: u32, steps: &[Step]) {
    let mut model = VecDeque::new();
    let mut next = 0u8;
    let mut fresh = |len| {
        let bytes: Vec<u8> = (0..len).map(|n| next.wrapping_add(n as u8) ^ 0x80).collect();
        next = next.wrapping_add(len as u8);
        bytes
    };
    for step in steps {
        match *step {
            Step::Write(len) => {
                let bytes = fresh(len);
                let count = queue.write(&bytes, limit, limit);
                assert!(count <= (limit as usize).saturating_sub(model.len()));
                model.extend(&bytes[..count]);
            }
            Step::Static(at, len) => {
                let bytes = &CONSTANT[at..CONSTANT.len().min(at + len)];
                let has_room = model.len() < limit as usize && queue.pieces.len() < most_pieces;
                let count = queue.write_static(bytes, limit);
                assert_eq!(count, if has_room { bytes.len() } else { 0 }, "all or nothing");
                model.extend(&bytes[..count]);
            }
            Step::Lend(most, filled) => {
                let Some((mut ring, free)) = queue.lend(most, limit, limit) else { continue };
                assert_eq!(queue.len() as usize, model.len(), "while it is lent");
                let is_all_shown = queue.copy_to(0, &mut vec![0; model.len()]);
                assert_eq!(is_all_shown, ring.is_empty(), "what is lent is not to be seen");
                let (first, second) = queue.slices(0, u32::MAX).unwrap_or_default();
                assert!(ring.is_empty() || first.len() + second.len() < model.len());
                let filled = filled.min(free.len());
                let bytes = fresh(filled);
                ring.piece_mut(free)[..filled].copy_from_slice(&bytes);
                queue.give_back(ring, filled);
                model.extend(&bytes);
            }
            Step::Acknowledge(count) => {
                let count = count.min(model.len());
                queue.acknowledged(count as u32);
                model.drain(..count);
            }
            Step::Clear => {
                queue.clear();
                model.clear();
            }
        }
        assert_eq!(queue.len() as usize, model.len());
        assert!(queue.pieces.len() <= most_pieces);
        let all = Vec::from(model.clone());
        for offset in [0, 1, all.len() / 3, all.len()].map(|offset| offset.min(all.len())) {
            for len in [0, 1, 30, all.len()].map(|len| len.min(all.len() - offset)) {
                assert_eq!(shown(&queue, offset, len), all[offset..offset + len]);
            }
        }
        assert!(!queue.copy_to(0, &mut vec![0; all.len() + 1]), "there are no more");
    }
}

proptest! {
    #[test]
    fn in_memory_that_grows(steps in steps(), limit in 1u32..400) {
        course(SendQueue::<Growing>::default(), 64, limit, &steps);
    }

    #[test]
    fn in_fixed_memory(steps in steps(), capacity in 1usize..300) {
        let mut memory = vec![0xa5; capacity];
        let queue = SendQueue::<Fixed<'_>>::new(&mut memory[..]);
        course(queue, 1, capacity as u32, &steps);
    }
}

/// As many as there may be, and one more after the first is acknowledged.
#[test]
fn pieces_are_bounded() {
    let mut queue = SendQueue::<Growing>::default();
    for _ in 0..64 {
        assert_eq!(queue.write_static(&CONSTANT, u32::MAX), 251);
    }
    assert_eq!(queue.write_static(&CONSTANT, u32::MAX), 0);
    queue.acknowledged(250);
    assert_eq!(queue.write_static(&CONSTANT, u32::MAX), 0, "a byte of the first is left");
    queue.acknowledged(1);
    assert_eq!(queue.write_static(&CONSTANT, u32::MAX), 251);
    assert_eq!(queue.len(), 64 * 251);
}

/// As when a connection ends within the filler that writes in place.
#[test]
fn a_queue_is_cleared_while_its_ring_is_lent() {
    let mut queue = SendQueue::<Growing>::default();
    queue.write(&[1; 100], 1000, 1000);
    queue.write_static(&CONSTANT, 1000);
    let (ring, _) = queue.lend(50, 1000, 1000).unwrap();
    queue.clear();
    assert_eq!(queue.len(), 0);
    queue.give_back(ring, 50);
    assert_eq!((queue.len(), queue.pieces.len()), (150, 0), "what was lent, for the caller to clear");
    queue.clear();
    assert_eq!((queue.len(), queue.capacity()), (0, 0));
}

#[test]
fn a_loan_grows_the_ring_by_doubling_however_slowly_the_limit_moves() {
    let mut queue = SendQueue::<Growing>::default();
    let mut capacities = Vec::new();
    for limit in (1000..300_000).step_by(1000) {
        let (ring, free) = queue.lend(usize::MAX, limit, 1 << 20).unwrap();
        queue.give_back(ring, free.len());
        capacities.push(queue.capacity());
    }
    capacities.dedup();
    assert_eq!(capacities, [2048, 4096, 8192, 16_384, 32_768, 65_536, 131_072, 262_144, 524_288]);
}

/// Each byte is a piece's, so that nothing is copied and no memory is taken.
#[test]
fn pieces_take_no_memory_for_bytes() {
    let mut queue = SendQueue::<Growing>::default();
    let large: &'static [u8] = Box::leak(vec![1; 1 << 20].into_boxed_slice());
    assert_eq!(queue.write_static(large, 1), 1 << 20);
    assert_eq!(queue.capacity(), 0);
    assert_eq!(queue.slices(1000, 5000).unwrap().0.as_ptr(), large[1000..].as_ptr());
}
