//! A hypervisor, a xenstore and a backend in memory, in safe code.
//!
//! A [`World`] has grants, event channels and a xenstore; each [`Guest`] of it
//! is a [`Hypervisor`](crate::Hypervisor) that a
//! [`Netfront`](crate::Netfront) runs on. Time is whatever
//! [`Time`](traits::Time) the world was made with, virtual as a rule.
//!
//! [`Device`] is the tool stack's and the backend's view of a network device:
//! its nodes in xenstore, and [`BackQueue`]s over its rings, with which a test
//! does what it likes. [`Netback`] is a backend that does what Linux's does,
//! checks included, between the rings and any [`Network`](traits::Network).
//!
//! What stands in the rings is written down here a second time
//! ([`wire`]), not shared with the driver.

mod back_queue;
mod device;
mod guest;
mod netback;
mod store;
pub mod wire;
mod world;

pub use back_queue::{BackQueue, BackRing};
pub use device::{Attachment, Device};
pub use guest::{Guest, GuestChannel, GuestOutgoing, GuestShared};
pub use netback::{Behaviour, Netback, NetbackStatistics};
pub use store::StoreWatch;
pub use world::{GrantFault, World};
