//! Where this stack answers otherwise than Linux, on purpose.

use tests::frames::{ACK, FIN, RST, SYN, URG};

use crate::dialogue::{Dialogue, Probe};

/// A reason to answer otherwise, and to what it applies.
pub(crate) struct Departure {
    pub(crate) why: &'static str,
    pub(crate) applies: fn(state: &str, stray: &Probe) -> bool,
}

/// All of them. The first that applies to a dialogue counts.
pub(crate) const DEPARTURES: &[Departure] = &[
    Departure {
        why: "SYN and FIN at once are dropped with the header, in whatever state",
        applies: |_, stray| stray.flags & (SYN | FIN) == SYN | FIN,
    },
    Departure {
        why: "without ACK: the number is judged first (RFC 9293 §3.10.7.4), Linux drops it unseen",
        applies: |_, stray| stray.flags & (ACK | SYN | RST) == 0,
    },
    Departure {
        why: "urgent data is data like any other (RFC 6093 §6), Linux takes its last byte out of the stream",
        applies: |_, stray| stray.flags & URG != 0,
    },
    Departure {
        why: "a reset that begins before the window is ignored (RFC 5961 §3.2), Linux challenges one that reaches into it",
        applies: |_, stray| stray.flags & RST != 0 && stray.seq == -1,
    },
    Departure {
        why: "no reset ends TIME-WAIT (RFC 1337)",
        applies: |state, stray| state.starts_with("TIME-WAIT") && stray.flags & RST != 0,
    },
    Departure {
        why: "half-open: the number is judged before the acknowledgement (RFC 9293 §3.10.7.4), Linux resets first",
        applies: |state, stray| state == "SYN-RECEIVED" && stray.flags & ACK != 0 && stray.ack != 0,
    },
    Departure {
        why: "half-open: a SYN in the window is challenged (RFC 5961 §4.2), Linux resets",
        applies: |state, stray| state == "SYN-RECEIVED" && stray.flags & SYN != 0,
    },
    Departure {
        why: "FIN-WAIT-2 without a user is a connection like any other, Linux keeps a small entry that says less",
        applies: |state, _| state == "FIN-WAIT-2, closed",
    },
    Departure {
        why: "both opened: SYN and ACK are said again for a SYN again, and an acknowledgement of nothing is none",
        applies: |state, stray| {
            state == "SYN-RECEIVED, both opened" && (stray.flags & SYN != 0 || stray.ack == -1)
        },
    },
    Departure {
        why: "data that begins before the peer's FIN and goes on behind it is old, Linux resets for what nobody reads",
        applies: |state, stray| has_ended(state) && stray.seq == -1,
    },
    Departure {
        why: "the peer's stream ends at the first FIN, whatever is said to lie behind; Linux keeps it until it gets there",
        applies: |state, stray| {
            state.starts_with("ESTABLISHED, a") && (stray.flags & FIN != 0 || stray.seq == 1000)
        },
    },
    Departure {
        why: "what comes after both have closed is reported by D-SACK or not, by where it meets the FIN",
        applies: |state, stray| state.starts_with("FIN-WAIT") && stray.flags & FIN != 0,
    },
    Departure {
        why: "what acknowledges too old a number is dropped with its data (RFC 5961 §5.2), Linux takes the data on its fast path",
        applies: |state, stray| {
            state.starts_with("ESTABLISHED") && stray.len > 0 && stray.seq == 0 && stray.ack < 0
        },
    },
];

/// Whether the peer's stream has ended, and the connection has not.
fn has_ended(state: &str) -> bool {
    ["CLOSE-WAIT", "CLOSING", "LAST-ACK"].iter().any(|ended| state.starts_with(ended))
}

/// Why the dialogue may go otherwise.
pub(crate) fn departure(dialogue: &Dialogue) -> Option<usize> {
    let stray = dialogue.stray?;
    DEPARTURES.iter().position(|departure| (departure.applies)(dialogue.state, &stray))
}
