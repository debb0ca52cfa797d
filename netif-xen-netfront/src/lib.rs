//! The frontend of Xen's split network driver: the bottom of a tower that is a
//! guest with nothing under it.
//!
//! ```
//! use netif_xen_netfront::{Hypervisor, Netfront};
//! use traits::{Network, Never};
//!
//! async fn start<H: Hypervisor>(guest: H) -> Result<Never, netif_xen_netfront::ConnectError> {
//!     let net = Netfront::connect(guest, 0).await?;
//!     match net.listen(|frame| drop(frame.bytes.len())).await {
//!         Ok(never) | Err(never) => match never {},
//!     }
//! }
//! ```
//!
//! The driver is safe code, generic over what it needs of the system under it
//! ([`Hypervisor`]): the run loop of a Xen guest (`os::xen`, with the feature
//! `xen`) or a `simulation` with a backend in it, which its tests and its fuzz
//! target run on.
//!
//! # A frame's way
//!
//! ```text
//!  write ─► pool: pages granted read-only, in one piece;     fill writes there
//!              │  one request a page, in the ring of the flow's queue
//!              ▼
//!           backend ─ copies or maps, then answers ─► the pages are free again
//!              │
//!              ▼  into pages granted for writing, posted once and again
//!  listen ◄── private buffer ◄── one copy, then checked
//! ```
//!
//! Pages are granted when the first backend is connected to and stay so: no
//! grant, no hypercall and no mapping a frame. What is sent is filled in place.
//! What is received is copied once, out of memory that the backend can still
//! write to: a header must not change between the check of its length and its
//! use. That copy is the price of not trusting the backend, beside the one that
//! the backend itself makes: 0.02 ns a byte of what the cache holds, as measured
//! on one machine, so 30 ns a frame of the usual length.
//!
//! The backend gets an event only when it has asked for one by its event index,
//! and once for all that a pass has put on a ring. The driver asks for events
//! about frames received when it has taken all of them, and about frames sent
//! only while someone waits for room.
//!
//! # What is agreed on
//!
//! | in xenstore | here |
//! |---|---|
//! | `mac`, `mtu` | [`mac`](traits::Network::mac), [`mtu`](traits::Network::mtu) |
//! | `feature-rx-copy` | needed: [`ConnectError::NoCopy`] |
//! | `feature-sg` | frames of several pages |
//! | `feature-gso-tcpv4` | [`TSO4`](traits::Offload::TSO4); [`LARGE_RECEIVE`](traits::Offload::LARGE_RECEIVE) the other way |
//! | `feature-no-csum-offload` | the opposite of [`TX_CHECKSUM`](traits::Offload::TX_CHECKSUM), [`RX_CHECKSUM`](traits::Offload::RX_CHECKSUM) |
//! | `feature-split-event-channels` | an event channel for each direction |
//! | `multi-queue-max-queues` | as many queues as the device's type says, if offered |
//!
//! A checksum that is left out is found by the backend from the headers, as it
//! is here; where it would not be found (in a fragment, in another protocol),
//! it is completed in software.
//!
//! All queues are served by one device: a guest has one processor here, and
//! what several queues are good for is the backend's threads, one for each.
//! Frames of a connection keep to one queue. The pages to send from are common
//! to all queues.
//!
//! # Backends that go
//!
//! A backend that closes, vanishes, moves to another domain or breaks the
//! contract of a ring is left and waited for, and connected to again;
//! meanwhile writes are [`Down`](traits::SendError::Down). A broken contract
//! costs a pause of a second, doubled each time up to about a minute.
//! `listen` never fails.
//!
//! A backend may stop the network. It can't do more: each word is loaded once
//! and then checked, the only index taken from it lies between two of our own,
//! ids name nothing but our own records, pieces end within their page. What is
//! wrong with one frame drops that frame, what is wrong with a ring ends the
//! connection; [`Counters`] has a counter for each.
//!
//! # Bounds
//!
//! | what | bound | beyond it |
//! |---|---|---|
//! | frames handed up in one go | [`BATCH`] | the others run, then it goes on |
//! | a frame sent | MTU + 14 bytes; with segmentation 65,535 or the pages there are | [`TooLong`](traits::SendError::TooLong) |
//! | frames sent and not answered | 256 slots a queue, the pages there are | [`Full`](traits::SendError::Full), `tx_full` |
//! | a frame received | 18 pieces; MTU + 18 bytes, 65,553 with large receive | dropped, counted |
//! | frames that wait to be received | the pages there are | the backend keeps or drops them |
//! | paths in xenstore | 128 bytes | no device |

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "simulation", feature = "xen"))]
extern crate alloc;

mod counters;
mod device;
mod frame;
mod hypervisor;
mod options;
mod pool;
mod protocol;
mod receive;
mod ring;
#[cfg(feature = "simulation")]
pub mod simulation;
mod store;
mod transmit;
#[cfg(feature = "xen")]
mod xen;

pub use counters::Counters;
pub use device::{BATCH, ConnectError, Netfront};
pub use hypervisor::{
    Channel, DomainId, Exhausted, GrantRef, Hypervisor, Outgoing, PAGE, Shared, StoreError, Watch,
};
pub use options::Options;
