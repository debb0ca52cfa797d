//! Network over Network: loss, duplication, reordering and more, from a seed.
//!
//! [`Faults`] stands between a device and a tower and spoils what passes, in
//! each direction by its own [`Impairments`]. What is spoilt depends on the
//! generator alone: the same seed over the same traffic gives the same faults
//! to the last bit. Nothing is periodic.
//!
//! ```
//! use core::time::Duration;
//! use netif_faults::{Faults, Impairments, Probability};
//! use netif_memory::{Link, Settings, VirtualClock};
//! use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
//!
//! let clock = VirtualClock::new();
//! let link = Link::new(&clock, Settings::new());
//! let [a, b] = link.ports();
//!
//! let lossy = Impairments::NONE
//!     .with_loss(Probability::percent(10))
//!     .with_reordering(Probability::percent(5), Duration::from_millis(20));
//! let a = Faults::new(a, ChaCha8Rng::seed_from_u64(7), lossy, lossy);
//! // `a` is a `Network`: the tower goes on top.
//! # let _ = (a, b);
//! ```
//!
//! What is held back leaves on time by [`Layer::poll`](traits::Layer::poll):
//! the tower's task (`run`) has to run, as it does anyhow.
//!
//! # Bounds
//!
//! Each direction holds at most 1024 frames and 4 MiB back, unless
//! [set](Faults::with_held) otherwise; what would have to be held beyond is
//! dropped and counted ([`Counts::overflow`]).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod device;
mod fate;
mod held;
mod impairments;
mod mark;
mod network;
mod way;

pub use device::Faults;
pub use impairments::{Counts, FaultStatistics, Impairments, Probability};
