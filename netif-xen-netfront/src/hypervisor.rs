//! What the driver needs of the system under it.
//!
//! [`Hypervisor`] is implemented by the run loop of a Xen guest and by a
//! simulation. All `unsafe` is on the other side of it: the driver is safe
//! code, which is given copies of what the other domain may write.
//!
//! # Memory
//!
//! Pages are shared in one of two ways, each a type of its own:
//!
//! - [`Outgoing`]: granted **read-only**. The other domain can't write them, so
//!   that a plain `&mut [u8]` over them is sound; what it reads while they
//!   change is its own concern.
//! - [`Shared`]: granted for reading and writing. The other domain may change
//!   them at any moment, so there is never a reference into them: words are
//!   loaded and stored whole, bytes are copied.
//!
//! Both are granted when they are made and until they are dropped. Dropping
//! revokes; pages that the other domain still has mapped are never used for
//! anything else again.

use core::future::Future;
use core::task::{Poll, Waker};

use traits::Time;

/// Bytes of a page, the unit of sharing.
pub const PAGE: usize = 4096;

/// The number of a domain.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct DomainId(pub u16);

/// A grant reference: names a page to the domain that it was granted to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct GrantRef(pub u32);

/// The system under the driver: pages, event channels, xenstore, and
/// [`Time`] for the clock.
///
/// `&H` is one when `H` is.
pub trait Hypervisor: Time {
    /// Pages granted read-only.
    type Outgoing: Outgoing;
    /// Pages granted for reading and writing.
    type Shared: Shared;
    /// Memory that is not shared.
    type Private: AsRef<[u8]> + AsMut<[u8]>;
    /// An event channel.
    type Channel: Channel;
    /// A watch on a node of xenstore.
    type Watch: Watch;

    /// `pages` pages, contiguous in the guest's own addresses, zeroed, granted
    /// to `peer` read-only.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], when memory or grants are used up.
    fn outgoing(&self, peer: DomainId, pages: usize) -> Result<Self::Outgoing, Exhausted>;

    /// `pages` pages, zeroed, granted to `peer` for reading and writing.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], when memory or grants are used up.
    fn shared(&self, peer: DomainId, pages: usize) -> Result<Self::Shared, Exhausted>;

    /// `bytes` bytes of memory, zeroed.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    fn private(&self, bytes: usize) -> Result<Self::Private, Exhausted>;

    /// An event channel that `peer` may bind to.
    ///
    /// # Errors
    ///
    /// [`Exhausted`], when there is no port left.
    fn channel(&self, peer: DomainId) -> Result<Self::Channel, Exhausted>;

    /// Reads a node of xenstore into `value`; returns the whole value.
    ///
    /// A path that does not begin with `/` counts from the guest's own
    /// directory, `/local/domain/N`.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    fn read<'v>(&self, path: &str, value: &'v mut [u8]) -> impl Future<Output = Result<&'v [u8], StoreError>>;

    /// Writes a node of xenstore, and creates it where it is missing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    fn write(&self, path: &str, value: &str) -> impl Future<Output = Result<(), StoreError>>;

    /// Watches a node, and all below it, for changes, removal included.
    ///
    /// # Errors
    ///
    /// See [`StoreError`].
    fn watch(&self, path: &str) -> impl Future<Output = Result<Self::Watch, StoreError>>;
}

impl<H: Hypervisor> Hypervisor for &H {
    type Outgoing = H::Outgoing;
    type Shared = H::Shared;
    type Private = H::Private;
    type Channel = H::Channel;
    type Watch = H::Watch;

    fn outgoing(&self, peer: DomainId, pages: usize) -> Result<Self::Outgoing, Exhausted> {
        H::outgoing(self, peer, pages)
    }

    fn shared(&self, peer: DomainId, pages: usize) -> Result<Self::Shared, Exhausted> {
        H::shared(self, peer, pages)
    }

    fn private(&self, bytes: usize) -> Result<Self::Private, Exhausted> {
        H::private(self, bytes)
    }

    fn channel(&self, peer: DomainId) -> Result<Self::Channel, Exhausted> {
        H::channel(self, peer)
    }

    fn read<'v>(&self, path: &str, value: &'v mut [u8]) -> impl Future<Output = Result<&'v [u8], StoreError>> {
        H::read(self, path, value)
    }

    fn write(&self, path: &str, value: &str) -> impl Future<Output = Result<(), StoreError>> {
        H::write(self, path, value)
    }

    fn watch(&self, path: &str) -> impl Future<Output = Result<Self::Watch, StoreError>> {
        H::watch(self, path)
    }
}

/// Pages that the other domain reads.
pub trait Outgoing {
    /// The grant of a page; `None` past the last one.
    fn grant(&self, page: usize) -> Option<GrantRef>;

    /// Hands `fill` the `len` bytes from `at` on, across pages; `None`, and
    /// `fill` is not called, where they are not all within.
    fn fill<R>(&mut self, at: usize, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Option<R>;
}

/// Pages that the other domain reads and writes at any time.
///
/// What is out of bounds or not aligned reads as zero and is not written.
pub trait Shared {
    /// The grant of a page; `None` past the last one.
    fn grant(&self, page: usize) -> Option<GrantRef>;

    /// Loads the 32-bit word at `at`, a multiple of 4, once and whole, before
    /// all that follows in the program (acquire).
    fn load(&self, at: usize) -> u32;

    /// Stores the 32-bit word at `at`, a multiple of 4, whole, after all that
    /// precedes in the program (release).
    fn store(&self, at: usize, word: u32);

    /// Copies from `at` on into `bytes`, reading each byte once.
    fn copy_out(&self, at: usize, bytes: &mut [u8]);
}

/// An event channel; dropping it closes the port.
pub trait Channel {
    /// The guest's own port, which the other domain is told.
    fn port(&self) -> u32;

    /// Sends an event to the other end.
    fn notify(&self);

    /// Ready once for any number of events since the last time it was ready
    /// (or the beginning); else `waker` is kept, in place of the one before,
    /// and woken at the next event.
    ///
    /// May be ready without an event.
    fn poll_event(&self, waker: &Waker) -> Poll<()>;
}

/// A watch; dropping it ends it.
pub trait Watch {
    /// Ready once at the beginning, and once for any number of changes since
    /// the last time it was ready; else `waker` is kept, in place of the one
    /// before, and woken at the next change.
    fn poll_fired(&self, waker: &Waker) -> Poll<()>;
}

/// Memory, grants or ports are used up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exhausted;

/// Why xenstore gave no answer that is of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such node.
    Missing,
    /// The value is longer than the space for it.
    TooLong,
    /// Not permitted, no memory, out of quota, the connection is gone.
    Refused,
}
