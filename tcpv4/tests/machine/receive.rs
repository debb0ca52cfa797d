//! The receiving side beside a set of bytes: pieces of a stream in any order,
//! twice, overlapping; what is read is the stream, what is acknowledged is
//! what is whole, and what is reported as held is held.

use std::collections::BTreeSet;

use crate::harness::decode;
use crate::script::*;
use proptest::prelude::*;
use tcpv4::SeqNum;
use tcpv4::connection::Settings;

/// The bytes of the stream.
const END: u32 = 8_000;

#[derive(Clone, Debug)]
enum Step {
    /// A piece: where it starts, and how long it is.
    Piece(u32, u32),
    /// The next bytes that are missing.
    Next(u32),
    Read,
    /// Milliseconds.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..END, 1u32..700).prop_map(|(start, len)| Step::Piece(start, len)),
        3 => (1u32..700).prop_map(Step::Next),
        1 => Just(Step::Read),
        1 => (0u64..300).prop_map(Step::Pass),
    ]
}

struct Receiver {
    script: Script,
    held: BTreeSet<u32>,
    read: u32,
}

impl Receiver {
    fn new() -> Self {
        let mut settings = Settings::default();
        // Wide enough that the whole stream lies in the window.
        settings.receive_limit = 20_000;
        let script = Script::open(&Start { settings, ..Start::default() });
        Self { script, held: BTreeSet::new(), read: 0 }
    }

    /// The first byte that is missing.
    fn hole(&self) -> u32 {
        (self.read..).find(|at| !self.held.contains(at)).unwrap_or(END)
    }

    fn piece(&mut self, start: u32, len: u32) {
        let end = (start + len).min(END);
        let _ = self.script.inject(data(1 + start, end - start));
        self.held.extend(start.max(self.read)..end);
        self.look();
    }

    fn read(&mut self) {
        let hole = self.hole();
        let count = self.script.read_from(self.read.into()) as u32;
        assert_eq!(self.read + count, hole, "all that is whole can be read");
        self.read = hole;
        self.look();
    }

    /// What was said is true.
    fn look(&mut self) {
        let hole = self.hole();
        while let Some(sent) = self.script.out.pop_front() {
            let segment = decode(&sent.bytes);
            let place = |seq: SeqNum| seq.value().wrapping_sub(IRS).wrapping_sub(1);
            assert_eq!(segment.ack.map(place), Some(hole));
            for block in segment.options.sack.as_slice() {
                let (start, end) = (place(block.start), place(block.end));
                // The first may be of what was read already (RFC 2883).
                let is_held = |at: u32| at < hole || self.held.contains(&at);
                assert!(start < end && (start..end).all(is_held), "told of {start}..{end}, which is not held");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_read_is_the_stream(steps in prop::collection::vec(step(), 0..50)) {
        let mut receiver = Receiver::new();
        for step in steps {
            match step {
                Step::Piece(start, len) => receiver.piece(start, len),
                Step::Next(len) => {
                    let hole = receiver.hole();
                    if hole < END {
                        receiver.piece(hole, len);
                    }
                }
                Step::Read => receiver.read(),
                Step::Pass(millis) => {
                    receiver.script.run(millis);
                    receiver.look();
                }
            }
            prop_assert_eq!(receiver.script.connection.readable() as u32, receiver.hole() - receiver.read);
        }
        // What is missing comes at last.
        while receiver.hole() < END {
            receiver.piece(receiver.hole(), 1460);
        }
        receiver.read();
        prop_assert_eq!(receiver.read, END);
    }
}
