//! The Xen backend: a guest with nothing under it but the hypervisor.
//!
//! The program boots as a PVH guest on x86-64, has its memory to itself, talks
//! to the host through rings in shared pages and blocks its one processor when
//! there is nothing to do. The run loop is that of every other bottom.
//!
//! | on Unix | here |
//! |---|---|
//! | process | virtual machine |
//! | `epoll` | the hypervisor's wait for event channels (`SCHEDOP_poll`) |
//! | system clock | the time stamp counter, scaled as Xen says |
//! | standard output | the console's ring |
//! | arguments, environment | the command line, xenstore |
//! | `getrandom` | RDSEED or RDRAND; a guest without does not start |
//! | exit status | poweroff; a panic is a crash |
//!
//! What stands on it gets an [`Os<Xen>`](crate::Os). The entry, the heap and the
//! panic handler are there when the program is compiled with `--cfg xen_guest`,
//! which `cargo xtask xen` does; without, this module compiles on any x86-64
//! system, so that its tests run.
//!
//! # Bounds
//!
//! | what | at most | beyond |
//! |---|---|---|
//! | memory used | what lies below 4 GiB | left alone |
//! | event channels | 128 | [`Exhausted`] |
//! | grants | 16,384, or what Xen allows | [`Exhausted`] |
//! | requests to xenstore, watches | 64 each | [`StoreError::Refused`] |
//! | console text not taken by the host | 10 KiB | dropped, counted, said |

#![expect(unsafe_code, reason = "shared memory, hypercalls")]
// The beginning and the end of a guest are not compiled anywhere else.
#![cfg_attr(not(xen_guest), allow(dead_code, reason = "what only a guest's beginning and end use"))]

mod abi;
mod bottom;
#[cfg(any(guest_small, not(xen_guest)))]
mod callers;
mod clock;
mod config;
mod console;
mod control;
mod events;
mod grants;
#[cfg(xen_guest)]
mod guest;
mod hypercall;
mod pages;
mod random;
mod ring;
mod store;
mod window;

use core::time::Duration;

use rand_core::CryptoRng;
use traits::Clock;

pub use bottom::{Alone, Xen};
pub use config::{WORDS, address, gateway, word, words};
pub use console::Console;
pub use events::Channel;
#[cfg(xen_guest)]
pub use guest::run;
pub use pages::{Exhausted, Outgoing, Shared};
pub use store::{Store, StoreError, Transaction, Watch};

use crate::Os;

impl Os<Xen> {
    /// The guest's console.
    pub fn console(&self) -> Console {
        self.bottom().console()
    }

    /// A cryptographic generator of its own seed, which is the processor's.
    pub fn random(&self) -> impl CryptoRng + use<> {
        self.bottom().fork_random()
    }

    /// The client of xenstore.
    pub fn store(&self) -> &Store {
        self.bottom().store()
    }

    /// What the configuration of the guest has as its command line. Empty where
    /// it is not UTF-8.
    pub fn command_line(&self) -> &'static str {
        self.bottom().command_line()
    }

    /// `pages` pages, contiguous and zeroed, that the domain `peer` may read.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub fn outgoing(&self, peer: u16, pages: usize) -> Result<Outgoing, Exhausted> {
        self.bottom().outgoing(peer, pages)
    }

    /// `pages` pages, contiguous and zeroed, that the domain `peer` may read
    /// and write.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub fn shared(&self, peer: u16, pages: usize) -> Result<Shared, Exhausted> {
        self.bottom().shared(peer, pages)
    }

    /// An event channel that the domain `peer` may bind to.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub fn channel(&self, peer: u16) -> Result<Channel, Exhausted> {
        self.bottom().channel(peer)
    }

    /// Grants in force.
    pub fn grants(&self) -> usize {
        self.bottom().grants()
    }

    /// Pages that were given up while another domain still had them mapped.
    /// Their memory comes back when that domain lets go.
    pub fn held_pages(&self) -> usize {
        self.bottom().held_pages()
    }
}

impl Clock for Os<Xen> {
    fn time(&self) -> Duration {
        self.bottom().time()
    }
}
