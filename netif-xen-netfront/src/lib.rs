//! Network over the Xen split network driver.

#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(feature = "simulation", feature = "xen"))]
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
