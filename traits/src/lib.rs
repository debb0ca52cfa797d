//! The module types: what each layer, driver, clock and console of a Fata
//! tower promises to the one above it.
//!
//! | trait | who implements it | who uses it |
//! |---|---|---|
//! | [`Layer`] | everything in the tower | tasks: what is due, when, and who waits |
//! | [`Network`] | drivers, and devices over devices | Ethernet |
//! | [`Ethernet`] | `ethif` | IPv4, the DHCP client |
//! | [`Ip`] | `ipv4` | UDP, TCP, the DHCP client |
//! | [`Datagrams`], [`Receive`] | `udpv4`; whoever takes datagrams | the DHCP client, applications |
//! | [`Connections`], [`Flow`] | `tcpv4` | applications |
//! | [`Time`], [`Clock`] | a run loop | tasks that sleep |
//! | [`Console`] | a run loop | applications |
//!
//! Randomness is [`rand_core::Rng`].
//!
//! # The contract between the layers
//!
//! **Receiving is a push.** A driver hands each [`Frame`] to the closure given
//! to [`Network::listen`]; that closure calls the `input` of the layer above,
//! which calls the closures that it was given, and so up. What is handed up is
//! a slice of the driver's own buffer: nothing is copied on the way.
//!
//! **Sending is a fill.** Each `write` takes the length of what is to be sent
//! and a closure that fills it in. A layer asks the one below for its header's
//! length more, fills its header and lets the one above fill the rest: the
//! bytes are written once, into the driver's buffer. A filler gets a slice of
//! exactly `len` bytes (their content is whatever the buffer held) and returns
//! how many of them it used. **When `write` returns `Err`, the filler was not
//! called.** Where a device [gathers](Network::GATHERS), a large payload is not
//! filled in: `write_gathered` tells where it lies, and the device takes it from
//! there.
//!
//! **`write` never delivers.** Only [`Network::listen`] calls up. So `write`
//! may be called from within any listener; where that meets a buffer in use,
//! the result is [`SendError::Full`], never a panic.
//!
//! **A layer never wakes, calls up or calls down while it borrows its own
//! state.**
//!
//! **The device owns the clock.** [`Layer::now`] is the same clock from the
//! driver up to TCP, and that of [`Time`].

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod backlog;
mod connections;
mod console;
mod datagrams;
mod ethernet;
mod forward;
mod forward_device;
mod instant;
mod ip;
mod layer;
mod network;
mod offload;
mod payload;
mod run;
mod send;
mod time;
mod wakers;

pub use backlog::Backlog;
pub use connections::{ConnectError, Connections, Flow, FlowError};
pub use console::{Colour, Console, Styled, blue, green, red, yellow};
pub use datagrams::{Datagram, DatagramError, Datagrams, Endpoint, Receive};
pub use ethernet::{Conflict, Ethernet, To, Unresolved};
pub use instant::Instant;
pub use ip::{
    Cast, Config, Header, IcmpError, IcmpErrorKind, Inbound, Ip, Packet, Path, Prohibited, RouteEntry,
    UnreachableCode,
};
pub use layer::Layer;
pub use network::{Frame, Network, NetworkStatistics};
pub use offload::{
    Capabilities, ChecksumVerdict, LinkCast, Offload, PartialChecksum, RxMeta, Segmentation, SegmentationKind,
    TxMeta,
};
pub use payload::Payload;
pub use rand_core::Rng;
pub use run::Run;
pub use send::SendError;
pub use time::{Clock, DateTime, Time};
pub use wakers::WakerSet;
pub use wire::{Cidr, EtherType, MacAddr, Protocol};

/// What a task returns that can neither end nor fail.
pub type Never = core::convert::Infallible;
