//! A Linux tap device as the bottom of a tower.
//!
//! ```no_run
//! use netif_unix_tap::Tap;
//! use traits::Network;
//!
//! os::unix::run(async |os| {
//!     let net = Tap::open(os, "tap0")?;
//!     println!("{} has the address {}", net.name(), net.mac());
//!     net.listen(|frame| println!("{} bytes", frame.bytes.len())).await?;
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A tap is a cable with the kernel at its other end: [`setup::bring_up`] gives
//! that end an address, [`namespace::enter`] makes a network of one's own to do
//! so in, without privileges where the system allows.
//!
//! # Offloads
//!
//! With the header that the kernel puts before each frame (`IFF_VNET_HDR`, the
//! default), frames cross with their checksums left out and TCP segments and
//! runs of UDP datagrams in one piece of up to 64 KiB, either way. What the
//! kernel can do is in [`Layer::capabilities`](traits::Layer::capabilities);
//! [`Tap::set_offload`] switches each of it off and on at any time.
//!
//! # Bounds
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | frames handed up in one go | [`BATCH`]; four times as many of 512 to 2,048 bytes | the others run, then it goes on |
//! | a frame received | 65,549 bytes, a VLAN tag more | dropped, `rx_dropped` |
//! | a frame sent | MTU + 14 bytes; with segmentation [`GSO_MAX_SIZE`] | [`TooLong`](traits::SendError::TooLong) |
//! | frames kept, for others to follow or room to come | [`BATCH`], 65,559 bytes with a header of 10 bytes each | sent; where the device has no room, [`Full`](traits::SendError::Full), `tx_full` |
//!
//! Frames that wait to be read are in the device's own queue, whose length is
//! the interface's `txqueuelen`; the kernel drops what does not fit.

#![deny(unsafe_code)]

mod device;
mod header;
mod ioctl;
pub mod namespace;
mod open;
pub mod setup;
mod transmit;

pub use device::{BATCH, GSO_MAX_SIZE, Tap, TapError};
pub use open::{OpenError, Options};
