//! The layer, by topic: two hosts back to back in virtual time, and segments made
//! by hand; nearly all in both forms of memory.

#[macro_use]
mod net;

mod arbitrary;
mod buffered;
mod device;
mod dropped;
mod echo;
mod flood;
mod flow;
mod half_open;
mod halves;
mod handshake;
mod icmp;
mod idle;
mod limits;
mod list;
mod listener;
mod memory;
mod neighbour;
mod plain;
mod ports;
mod reset;
mod run;
mod scale;
mod settings;
mod time_wait;
mod tower;
mod wakes;
mod write_static;
mod write_with;
