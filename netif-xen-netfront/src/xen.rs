//! The run loop of a Xen guest as the [`Hypervisor`].

use core::task::{Poll, Waker};

use alloc::boxed::Box;
use alloc::vec;

use os::Os;
use os::xen::Xen;

use crate::{Channel, DomainId, Exhausted, GrantRef, Hypervisor, Outgoing, Shared, StoreError, Watch};

impl From<os::xen::Exhausted> for Exhausted {
    fn from(_: os::xen::Exhausted) -> Self {
        Self
    }
}

impl From<os::xen::StoreError> for StoreError {
    fn from(error: os::xen::StoreError) -> Self {
        match error {
            os::xen::StoreError::Missing => Self::Missing,
            os::xen::StoreError::TooLong => Self::TooLong,
            _ => Self::Refused,
        }
    }
}

impl Hypervisor for Os<Xen> {
    type Outgoing = os::xen::Outgoing;
    type Shared = os::xen::Shared;
    type Private = Box<[u8]>;
    type Channel = os::xen::Channel;
    type Watch = os::xen::Watch;

    fn outgoing(&self, peer: DomainId, pages: usize) -> Result<Self::Outgoing, Exhausted> {
        Ok(Self::outgoing(self, peer.0, pages)?)
    }

    fn shared(&self, peer: DomainId, pages: usize) -> Result<Self::Shared, Exhausted> {
        Ok(Self::shared(self, peer.0, pages)?)
    }

    fn private(&self, bytes: usize) -> Result<Box<[u8]>, Exhausted> {
        Ok(vec![0; bytes].into())
    }

    fn channel(&self, peer: DomainId) -> Result<Self::Channel, Exhausted> {
        Ok(Self::channel(self, peer.0)?)
    }

    async fn read<'v>(&self, path: &str, value: &'v mut [u8]) -> Result<&'v [u8], StoreError> {
        Ok(self.store().read_into(path, value).await?)
    }

    async fn write(&self, path: &str, value: &str) -> Result<(), StoreError> {
        Ok(self.store().write(path, value.as_bytes()).await?)
    }

    async fn watch(&self, path: &str) -> Result<Self::Watch, StoreError> {
        Ok(self.store().watch(path).await?)
    }
}

impl Outgoing for os::xen::Outgoing {
    fn grant(&self, page: usize) -> Option<GrantRef> {
        Self::grant(self, page).map(GrantRef)
    }

    fn fill<R>(&mut self, at: usize, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        Self::fill(self, at, len, fill)
    }
}

impl Shared for os::xen::Shared {
    fn grant(&self, page: usize) -> Option<GrantRef> {
        Self::grant(self, page).map(GrantRef)
    }

    fn load(&self, at: usize) -> u32 {
        Self::load(self, at)
    }

    fn store(&self, at: usize, word: u32) {
        Self::store(self, at, word);
    }

    fn copy_out(&self, at: usize, bytes: &mut [u8]) {
        Self::copy_out(self, at, bytes);
    }
}

impl Channel for os::xen::Channel {
    fn port(&self) -> u32 {
        Self::port(self)
    }

    fn notify(&self) {
        Self::notify(self);
    }

    fn poll_event(&self, waker: &Waker) -> Poll<()> {
        Self::poll_event(self, waker)
    }
}

impl Watch for os::xen::Watch {
    fn poll_fired(&self, waker: &Waker) -> Poll<()> {
        Self::poll_fired(self, waker)
    }
}
