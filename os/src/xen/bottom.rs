//! The bottom of the run loop: a guest that blocks itself.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt;
use core::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use traits::Instant;

use super::clock;
use super::console::{Console, Output};
use super::events::{Channel, Events, Port};
use super::pages::{Exhausted, Outgoing, Shared, Sharing};
use super::store::Store;
use super::window::Window;
use crate::run::Wait;
use crate::{Bottom, Notify};

/// A Xen guest: its event channels, its pages, its console, its xenstore.
pub struct Xen {
    shared_info: Window,
    events: Rc<Events>,
    sharing: Rc<Sharing>,
    console: Console,
    console_port: Rc<Port>,
    store: Store,
    random: RefCell<ChaCha20Rng>,
    command_line: &'static str,
}

/// What the guest was given at its start.
pub(super) struct Given {
    pub(super) shared_info: Window,
    pub(super) console: (Window, u32),
    pub(super) store: (Window, u32),
    pub(super) sharing: Sharing,
    pub(super) random: ChaCha20Rng,
    pub(super) command_line: &'static str,
}

impl Xen {
    /// The bottom of this guest; `None` without a port for console or xenstore.
    pub(super) fn new(given: Given) -> Option<Self> {
        let events = Rc::new(Events::new(given.shared_info));
        let console_port = events.bind(given.console.1).ok()?;
        let store_port = events.bind(given.store.1).ok()?;
        Some(Self {
            shared_info: given.shared_info,
            events,
            sharing: Rc::new(given.sharing),
            console: Console(Rc::new(Output::new(given.console.0, console_port.clone()))),
            console_port,
            store: Store::new(given.store.0, store_port),
            random: RefCell::new(given.random),
            command_line: given.command_line,
        })
    }
}

impl Xen {
    pub(super) fn console(&self) -> Console {
        self.console.clone()
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) const fn command_line(&self) -> &'static str {
        self.command_line
    }

    pub(super) fn fork_random(&self) -> ChaCha20Rng {
        let mut seed = [0; 32];
        self.random.borrow_mut().fill_bytes(&mut seed);
        ChaCha20Rng::from_seed(seed)
    }

    pub(super) fn time(&self) -> Duration {
        clock::wall(self.shared_info)
    }

    pub(super) fn outgoing(&self, peer: u16, pages: usize) -> Result<Outgoing, Exhausted> {
        Outgoing::new(&self.sharing, peer, pages)
    }

    pub(super) fn shared(&self, peer: u16, pages: usize) -> Result<Shared, Exhausted> {
        Shared::new(&self.sharing, peer, pages)
    }

    pub(super) fn channel(&self, peer: u16) -> Result<Channel, Exhausted> {
        Channel::open(&self.events, peer).map_err(|_| Exhausted)
    }

    pub(super) fn events_received(&self) -> usize {
        self.events.received()
    }

    pub(super) fn grants_made(&self) -> usize {
        self.sharing.grants.made()
    }

    pub(super) fn grants(&self) -> usize {
        self.sharing.grants.in_use()
    }

    pub(super) fn held_pages(&self) -> usize {
        self.sharing.held()
    }
}

impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xen").field("events", &self.events).finish_non_exhaustive()
    }
}

/// There is nobody else in a guest with one processor to interrupt a wait.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Notify for Alone {
    fn notify(&self) {}
}

impl Bottom for Xen {
    type Notifier = Alone;
    type Error = Infallible;

    fn now(&self) -> Instant {
        Instant::from_nanos(clock::monotonic(self.shared_info))
    }

    fn notifier(&self) -> Alone {
        Alone
    }

    fn wait(&self, wait: Wait) -> Result<(), Infallible> {
        match wait {
            Wait::Poll => {}
            // 0 would be for ever; Xen ignores no deadline for having passed.
            Wait::Until(deadline) => self.events.wait(deadline.as_nanos().max(1)),
            Wait::Forever => self.events.wait(0),
        }
        Ok(())
    }

    fn deliver(&self) {
        self.events.deliver();
        self.store.deliver();
        if self.console_port.take_fired() {
            self.console.0.flush();
        }
    }
}
