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
mod flow;
mod half_open;
mod isn;
mod layer;
mod listener;
mod ports;
pub mod receive;
pub mod recovery;
pub mod segment;
pub mod send;
mod seq;
mod stats;
mod storage;
mod table;
mod time_wait;
mod timers;
pub mod wire;

pub use seq::{Mss, SeqNum, Window, WindowScale};
