//! TCP over any [`Ip`](traits::Ip).

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod buffer;
pub mod congestion;
pub mod connection;
mod cookie;
mod flow;
mod half_open;
mod isn;
mod layer;
mod listener;
mod ports;
pub mod receive;
pub mod recovery;
mod reply;
pub mod segment;
pub mod send;
mod seq;
mod stats;
mod storage;
mod table;
mod time_wait;
mod timers;
pub mod wire;

pub use flow::{Flow, IoError, ReadHalf, WriteHalf};
pub use layer::{ConnectionId, Tcp, Usage};
pub use listener::{Accept, DEFAULT_BACKLOG, Listener};
pub use seq::{Mss, SeqNum, Window, WindowScale};
pub use stats::Statistics;
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{DefaultStorage, Fixed, Limits, Memory, Storage};
