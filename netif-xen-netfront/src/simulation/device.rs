//! A network device in xenstore, as tool stack and backend see it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::future::poll_fn;

use super::{BackQueue, StoreWatch, World};
use crate::{DomainId, Watch};

/// A device between a guest and a backend's domain.
#[derive(Debug)]
pub struct Device<'w, T> {
    world: &'w World<T>,
    backend: DomainId,
    guest: DomainId,
    number: u32,
}

/// What a tool stack and a backend write for a new device.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The guest's address.
    pub mac: String,
    /// The guest's `mtu`.
    pub mtu: Option<u32>,
    /// What the backend offers, by node.
    pub features: Vec<(&'static str, u32)>,
}

impl Default for Attachment {
    fn default() -> Self {
        Self { mac: "00:16:3e:00:00:01".to_string(), mtu: None, features: Self::LINUX.to_vec() }
    }
}

impl Attachment {
    /// What Linux offers.
    pub const LINUX: [(&'static str, u32); 8] = [
        ("feature-sg", 1),
        ("feature-gso-tcpv4", 1),
        ("feature-gso-tcpv6", 1),
        ("feature-ipv6-csum-offload", 1),
        ("feature-rx-copy", 1),
        ("feature-rx-flip", 0),
        ("feature-split-event-channels", 1),
        ("multi-queue-max-queues", 4),
    ];

    /// The same with one node set.
    #[must_use]
    pub fn with(mut self, feature: &'static str, value: u32) -> Self {
        self.features.retain(|(name, _)| *name != feature);
        self.features.push((feature, value));
        self
    }

    /// The same without one node.
    #[must_use]
    pub fn without(mut self, feature: &'static str) -> Self {
        self.features.retain(|(name, _)| *name != feature);
        self
    }
}

impl<'w, T> Device<'w, T> {
    /// A device that is in no xenstore yet.
    pub fn new(world: &'w World<T>, backend: DomainId, guest: DomainId, number: u32) -> Self {
        Self { world, backend, guest, number }
    }

    /// The machine.
    pub fn world(&self) -> &'w World<T> {
        self.world
    }

    /// The frontend's directory.
    pub fn frontend(&self) -> String {
        format!("/local/domain/{}/device/vif/{}", self.guest.0, self.number)
    }

    /// The backend's directory.
    pub fn directory(&self) -> String {
        format!("/local/domain/{}/backend/vif/{}/{}", self.backend.0, self.guest.0, self.number)
    }

    /// Makes the device's nodes, with both ends `Initialising`.
    pub fn attach(&self, attachment: &Attachment) {
        let (frontend, backend) = (self.frontend(), self.directory());
        let write = |directory: &str, name: &str, value: &str| {
            self.world.store_write(&format!("{directory}/{name}"), value);
        };
        write(&backend, "online", "1");
        write(&backend, "state", "1");
        write(&frontend, "backend-id", &self.backend.0.to_string());
        write(&frontend, "mac", &attachment.mac);
        if let Some(mtu) = attachment.mtu {
            write(&frontend, "mtu", &mtu.to_string());
        }
        write(&frontend, "state", "1");
        write(&frontend, "backend", &backend);
    }

    /// Offers features and waits for the frontend (`InitWait`).
    pub fn offer(&self, attachment: &Attachment) {
        for (name, value) in &attachment.features {
            self.world.store_write(&format!("{}/{name}", self.directory()), &value.to_string());
        }
        self.set_state(2);
    }

    /// Sets the backend's state.
    pub fn set_state(&self, state: u32) {
        self.world.store_write(&format!("{}/state", self.directory()), &state.to_string());
    }

    /// Says whether the device is to stay.
    pub fn set_online(&self, online: bool) {
        self.world.store_write(&format!("{}/online", self.directory()), if online { "1" } else { "0" });
    }

    /// The frontend's state; 0 where there is none.
    pub fn frontend_state(&self) -> u32 {
        self.frontend_number("state").unwrap_or(0)
    }

    /// A number that the frontend has written.
    pub fn frontend_number(&self, name: &str) -> Option<u32> {
        self.world.store_read(&format!("{}/{name}", self.frontend()))?.parse().ok()
    }

    /// Watches the frontend's state.
    pub fn watch_frontend(&self) -> StoreWatch {
        self.world.store_watch(&format!("{}/state", self.frontend()))
    }

    /// Waits until the frontend has this state.
    pub async fn frontend_reaches(&self, state: u32) {
        let watch = self.watch_frontend();
        while self.frontend_state() != state {
            poll_fn(|context| watch.poll_fired(context.waker())).await;
        }
    }

    /// Removes the device's nodes on both sides.
    pub fn remove(&self) {
        self.world.store_remove(&self.frontend());
        self.world.store_remove(&self.directory());
    }

    /// Attaches to the rings that the frontend has written down; `None` where
    /// something is missing or contradicts itself.
    pub fn queues(&self) -> Option<Vec<BackQueue<'w, T>>> {
        let several = self.frontend_number("multi-queue-num-queues");
        (0..several.unwrap_or(1))
            .map(|index| {
                let prefix = if several.is_some() { format!("queue-{index}/") } else { String::new() };
                let number = |name: &str| self.frontend_number(&format!("{prefix}{name}"));
                let rings = (number("tx-ring-ref")?, number("rx-ring-ref")?);
                let ports = match number("event-channel-tx") {
                    Some(tx) => (tx, number("event-channel-rx")?),
                    None => (number("event-channel")?, number("event-channel")?),
                };
                Some(BackQueue::new(self.world, self.backend, rings, ports))
            })
            .collect()
    }
}
