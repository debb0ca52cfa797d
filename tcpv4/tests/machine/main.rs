//! The machine without I/O, by topic: scripts of what is injected and what has to
//! come out, and when; and two machines with a pipe between them. Memory is from
//! the allocator; `machine_fixed` runs the same modules in fixed memory.

mod abort;
mod acks;
mod acks_read;
mod attacks;
mod black_hole;
mod chaos;
mod close;
mod congestion;
mod cubic;
mod ecn;
mod end_of_stream;
mod growth;
mod handshake;
mod harness;
mod pair;
mod path;
mod patience;
mod receive;
mod recovery;
mod reneging;
mod reordering;
mod script;
mod slow_start;
mod small;
mod spurious;
mod syn;
mod tail_probe;
mod timeout;
mod timestamps;
mod unreachable;
mod windows;
mod wire;

use tcpv4::connection::{Buffers, Settings};

/// What the machines of all scripts have their bytes and lists in.
type Memory = tcpv4::buffer::Growing;

/// The buffers of a machine with these settings.
fn buffers(_: &Settings) -> Buffers<Memory> {
    Buffers::default()
}
