//! A guest's view: the [`Hypervisor`].

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::task::{Poll, Waker};

use traits::{Instant, Time};

use super::StoreWatch;
use super::World;
use super::world::Memory;
use crate::hypervisor::PAGE;
use crate::{Channel, DomainId, Exhausted, GrantRef, Hypervisor, Outgoing, Shared, StoreError};

/// A guest of a [`World`].
#[derive(Debug)]
pub struct Guest<'w, T> {
    world: &'w World<T>,
    domain: DomainId,
}

impl<T> Clone for Guest<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Guest<'_, T> {}

impl<'w, T> Guest<'w, T> {
    pub(super) fn new(world: &'w World<T>, domain: DomainId) -> Self {
        Self { world, domain }
    }

    /// Its number.
    pub fn domain(&self) -> DomainId {
        self.domain
    }

    fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_string() } else { format!("/local/domain/{}/{path}", self.domain.0) }
    }
}

impl<T: Time> Guest<'_, T> {
    async fn round_trip(&self) {
        let requests = &self.world.store.requests;
        requests.set(requests.get() + 1);
        let latency = self.world.latency.get();
        if !latency.is_zero() {
            self.world.time.sleep(latency).await;
        }
    }
}

impl<T: Time> Time for Guest<'_, T> {
    fn now(&self) -> Instant {
        self.world.time.now()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        self.world.time.sleep_until(deadline)
    }
}

impl<'w, T: Time> Hypervisor for Guest<'w, T> {
    type Outgoing = GuestOutgoing<'w, T>;
    type Shared = GuestShared<'w, T>;
    type Private = Vec<u8>;
    type Channel = GuestChannel<'w, T>;
    type Watch = StoreWatch;

    fn outgoing(&self, peer: DomainId, pages: usize) -> Result<Self::Outgoing, Exhausted> {
        Ok(GuestOutgoing(Pages::new(self.world, peer, pages, true)?))
    }

    fn shared(&self, peer: DomainId, pages: usize) -> Result<Self::Shared, Exhausted> {
        Ok(GuestShared(Pages::new(self.world, peer, pages, false)?))
    }

    fn private(&self, bytes: usize) -> Result<Vec<u8>, Exhausted> {
        Ok(vec![0; bytes])
    }

    fn channel(&self, peer: DomainId) -> Result<Self::Channel, Exhausted> {
        Ok(GuestChannel { world: self.world, port: self.world.open(peer)? })
    }

    async fn read<'v>(&self, path: &str, value: &'v mut [u8]) -> Result<&'v [u8], StoreError> {
        self.round_trip().await;
        let text = self.world.store.read(&self.path(path)).ok_or(StoreError::Missing)?;
        let space = value.get_mut(..text.len()).ok_or(StoreError::TooLong)?;
        space.copy_from_slice(text.as_bytes());
        Ok(space)
    }

    /// Refuses what is below a device that the tool stack has removed, and
    /// what is not the guest's.
    async fn write(&self, path: &str, value: &str) -> Result<(), StoreError> {
        self.round_trip().await;
        let own = format!("/local/domain/{}/", self.domain.0);
        let path = self.path(path);
        let below = path.strip_prefix(&own).ok_or(StoreError::Refused)?;
        if let Some(device) = below.strip_prefix("device/vif/") {
            let number = device.split('/').next().unwrap_or_default();
            if !self.world.store.exists(&format!("{own}device/vif/{number}")) {
                return Err(StoreError::Refused);
            }
        }
        self.world.store.write(&path, value);
        Ok(())
    }

    async fn watch(&self, path: &str) -> Result<StoreWatch, StoreError> {
        self.round_trip().await;
        Ok(self.world.store.watch(&self.path(path)))
    }
}

#[derive(Debug)]
struct Pages<'w, T> {
    world: &'w World<T>,
    memory: Memory,
    references: Vec<u32>,
}

impl<'w, T> Pages<'w, T> {
    fn new(world: &'w World<T>, peer: DomainId, pages: usize, read_only: bool) -> Result<Self, Exhausted> {
        let (memory, references) = world.grant(peer, pages, read_only)?;
        Ok(Self { world, memory, references })
    }

    fn grant(&self, page: usize) -> Option<GrantRef> {
        self.references.get(page).copied().map(GrantRef)
    }
}

impl<T> Drop for Pages<'_, T> {
    fn drop(&mut self) {
        self.world.revoke(&self.references);
    }
}

/// Pages granted read-only.
#[derive(Debug)]
pub struct GuestOutgoing<'w, T>(Pages<'w, T>);

impl<T> Outgoing for GuestOutgoing<'_, T> {
    fn grant(&self, page: usize) -> Option<GrantRef> {
        self.0.grant(page)
    }

    fn fill<R>(&mut self, at: usize, len: usize, fill: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.0.memory.borrow_mut().get_mut(at..at.checked_add(len)?).map(fill)
    }
}

/// Pages granted for reading and writing.
#[derive(Debug)]
pub struct GuestShared<'w, T>(Pages<'w, T>);

impl<T> Shared for GuestShared<'_, T> {
    fn grant(&self, page: usize) -> Option<GrantRef> {
        self.0.grant(page)
    }

    fn load(&self, at: usize) -> u32 {
        assert!(
            at.is_multiple_of(4) && at / PAGE < self.0.references.len(),
            "a word outside of the pages: {at}"
        );
        let mut word = [0; 4];
        self.copy_out(at, &mut word);
        u32::from_le_bytes(word)
    }

    fn store(&self, at: usize, word: u32) {
        assert!(
            at.is_multiple_of(4) && at / PAGE < self.0.references.len(),
            "a word outside of the pages: {at}"
        );
        self.0.memory.borrow_mut()[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }

    fn copy_out(&self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.memory.borrow()[at..at + bytes.len()]);
    }
}

/// The guest's end of an event channel.
#[derive(Debug)]
pub struct GuestChannel<'w, T> {
    world: &'w World<T>,
    port: u32,
}

impl<T> Channel for GuestChannel<'_, T> {
    fn port(&self) -> u32 {
        self.port
    }

    fn notify(&self) {
        if let Some(port) = self.world.port(self.port) {
            port.backend.signal();
        }
    }

    fn poll_event(&self, waker: &Waker) -> Poll<()> {
        self.world.port(self.port).map_or(Poll::Pending, |port| port.guest.poll(waker))
    }
}

impl<T> Drop for GuestChannel<'_, T> {
    fn drop(&mut self) {
        self.world.close(self.port);
    }
}
