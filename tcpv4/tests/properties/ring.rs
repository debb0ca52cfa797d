//! The ring of bytes under both queues beside a queue that keeps each byte
//! with its place.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use tcpv4::buffer::{Bytes, Ring};

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    /// Bytes so far behind those in use.
    Ahead(usize, Vec<u8>),
    /// What was written ahead without a hole is in use.
    Join,
    Advance(usize),
    Reserve(usize),
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        bytes().prop_map(Step::Push),
        (0usize..60, bytes()).prop_map(|(offset, bytes)| Step::Ahead(offset, bytes)),
        Just(Step::Join),
        (0usize..50).prop_map(Step::Advance),
        (0usize..5000).prop_map(Step::Reserve),
        Just(Step::Release),
    ]
}

/// What is in use, and what was written ahead by its place behind that.
#[derive(Default)]
struct Model {
    used: VecDeque<u8>,
    ahead: BTreeMap<usize, u8>,
}

impl Model {
    fn write(&mut self, offset: usize, bytes: &[u8], capacity: usize) {
        for (at, byte) in (offset..).zip(bytes).take_while(|(at, _)| *at < capacity) {
            self.ahead.insert(at, *byte);
        }
    }

    fn join(&mut self, most: usize) -> usize {
        let mut count = 0;
        while count < most
            && let Some(byte) = self.ahead.remove(&self.used.len())
        {
            self.used.push_back(byte);
            count += 1;
        }
        count
    }

    /// How far from the head bytes matter.
    fn reach(&self) -> usize {
        self.ahead.keys().next_back().map_or(self.used.len(), |at| at + 1)
    }
}

fn contents<B: Bytes>(ring: &Ring<B>, offset: usize, len: usize) -> Vec<u8> {
    let (first, second) = ring.slices(offset, len);
    [first, second].concat()
}

fn course<B: Bytes>(mut ring: Ring<B>, steps: Vec<Step>) {
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Push(bytes) => {
                let pushed = ring.push(&bytes);
                assert_eq!(pushed, bytes.len().min(ring.capacity() - model.used.len()));
                model.write(model.used.len(), &bytes[..pushed], ring.capacity());
                assert_eq!(model.join(pushed), pushed);
            }
            Step::Ahead(offset, bytes) => {
                ring.write_at(model.used.len() + offset, &bytes);
                model.write(model.used.len() + offset, &bytes, ring.capacity());
            }
            Step::Join => ring.extend(model.join(usize::MAX)),
            Step::Advance(count) => {
                ring.advance(count);
                let count = count.min(model.used.len());
                model.used.drain(..count);
                model.ahead =
                    std::mem::take(&mut model.ahead).into_iter().map(|(at, b)| (at - count, b)).collect();
            }
            Step::Reserve(wanted) => {
                let room = ring.reserve(wanted, 4096, model.reach());
                assert_eq!(room, ring.capacity());
                assert!(!B::GROWS || room >= wanted.min(4096));
            }
            Step::Release if model.ahead.is_empty() => ring.release(),
            Step::Release => {}
        }
        assert_eq!((ring.len(), ring.is_empty()), (model.used.len(), model.used.is_empty()));
        assert_eq!(contents(&ring, 0, model.used.len()), Vec::from(model.used.clone()));
        for (at, byte) in &model.ahead {
            assert_eq!(contents(&ring, *at, 1), [*byte], "written ahead at {at}");
        }
    }
}

proptest! {
    #[test]
    fn in_memory_that_grows(steps in prop::collection::vec(step(), 0..80)) {
        course(Ring::<Box<[u8]>>::default(), steps);
    }

    #[test]
    fn in_fixed_memory(steps in prop::collection::vec(step(), 0..80), capacity in 0usize..100) {
        let mut memory = vec![0xa5; capacity];
        course(Ring::new(&mut memory[..]), steps);
    }
}
