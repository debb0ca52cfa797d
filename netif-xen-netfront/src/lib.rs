//! Network over the Xen split network driver: **not written yet**.
//!
//! This crate is a place held. It has no public items; nothing can be built
//! on it today.
//!
//! # What it will be
//!
//! The frontend of Xen's paravirtual network device: a
//! [`Network`](traits::Network) for a tower that runs as a guest with no
//! operating system under it.
//!
//! - **Finding the backend.** Through xenstore: the state machine of both
//!   ends from `Initialising` to `Connected` and `Closed`, the features that
//!   the two agree on, and reconnecting when the backend goes away.
//! - **Two rings**, one for transmission, one for reception, in pages that are
//!   granted to the backend, with an event channel to wake the other side. A
//!   request that spans several slots carries checksum and segmentation as
//!   extra info, onto which [`TxMeta`](traits::TxMeta) and
//!   [`RxMeta`](traits::RxMeta) map.
//! - **No trust.** What the backend writes is copied and then checked: a
//!   producer index that jumps, an id out of range or used twice, a size
//!   beyond a page, too many slots for one frame, a page that changes while
//!   it is read. Each leads to a counted drop or to a reconnect, never to an
//!   index that was not checked.
//! - **Back-pressure.** A transmit ring without a free slot is
//!   [`SendError::Full`](traits::SendError::Full);
//!   [`poll_room`](traits::Layer::poll_room) wakes when the backend has
//!   answered.
//! - **A clock.** [`now`](traits::Layer::now) is the hypervisor's time, read
//!   once per pass of the run loop.
//!
//! The machine that speaks to the rings will be apart from the pages, so that
//! it runs in tests and under a fuzzer without a hypervisor; `unsafe` stays
//! in the part that maps and grants pages.

#![no_std]
#![forbid(unsafe_code)]

mod hypervisor;

pub use hypervisor::{
    Channel, DomainId, Exhausted, GrantRef, Hypervisor, Outgoing, PAGE, Shared, StoreError, Watch,
};
