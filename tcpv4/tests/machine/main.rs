//! The machine without I/O, by topic: scripts of what is injected and what has to
//! come out, and when; and two machines with a pipe between them.

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
mod handshake;
mod harness;
mod pair;
mod path;
mod patience;
mod receive;
mod recovery;
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
