//! Network in memory: links and switches with virtual time.
//!
//! A [`Switch`] joins any number of [`Port`]s; a [`Link`] is one with two. A
//! port is a [`Network`](traits::Network): a tower stands on it as on any
//! other device. What one port writes, the others receive after the line's
//! rate, delay and queue ([`Settings`]).
//!
//! Nothing here reads a clock of the machine. Time is whatever
//! [`Time`](traits::Time) the switch was made with: under the run loop of `os`
//! that loop's, in tests a [`VirtualClock`], which [`simulate`] and
//! [`Simulator`] move from deadline to deadline. A simulation is deterministic to the last byte and
//! takes no longer than its computing.
//!
//! ```
//! use core::cell::Cell;
//! use core::pin::pin;
//! use core::time::Duration;
//! use netif_memory::{Link, Settings, Simulator, VirtualClock};
//! use traits::{Instant, Layer, Network, TxMeta};
//!
//! let clock = VirtualClock::new();
//! let link = Link::new(&clock, Settings::new().with_delay(Duration::from_millis(30)));
//! let [a, b] = link.ports();
//!
//! let arrived = Cell::new(None);
//! let receive = b.listen(|frame| arrived.set(Some((b.now(), frame.bytes.len()))));
//! a.write(TxMeta::NONE, 60, |buffer| buffer.len())?;
//! Simulator::new(&clock).run_until(pin!(receive), Instant::from_secs(1))?;
//! assert_eq!(arrived.get(), Some((Instant::from_millis(30), 60)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Storage
//!
//! [`Heap`] queues grow up to [`Settings::capacity`] and are the default;
//! [`Fixed`] ones are arrays inside the switch, for towers without an
//! allocator.
//!
//! # Offloads
//!
//! A port offers what its [`Settings::capabilities`] say. A checksum that the
//! sender left to the device arrives as
//! [`Blank`](traits::ChecksumVerdict::Blank) at a port that has
//! [`RX_CHECKSUM`](traits::Offload::RX_CHECKSUM) and completed at the others;
//! a large frame arrives whole at a port that has
//! [`LARGE_RECEIVE`](traits::Offload::LARGE_RECEIVE) and cut at the others.
//! The code that does so is in [`segment`].

#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

mod clock;
mod port;
pub mod segment;
mod settings;
#[cfg(feature = "alloc")]
mod simulate;
mod storage;
mod switch;

pub use clock::{SleepUntil, VirtualClock};
pub use port::Port;
pub use settings::{Forwarding, Settings, WhenFull};
#[cfg(feature = "alloc")]
pub use simulate::{SimulationError, Simulator, simulate};
#[cfg(feature = "alloc")]
pub use storage::Heap;
pub use storage::{Fixed, InFlight, Queue};
pub use switch::{Link, Switch};
