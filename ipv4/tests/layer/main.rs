//! The layer against a link of virtual time, by topic.

mod addresses;
mod arbitrary;
mod common;
mod fragment_bounds;
mod fragments_received;
mod fragments_sent;
mod groups;
mod header;
mod icmp;
mod path_mtu;
mod plain;
mod receive;
mod routing;
mod timers;
