//! A backend that bridges the rings to a [`Network`].

mod receive;
mod transmit;

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use traits::{Network, RxMeta};

use super::{Attachment, BackQueue, Device};
use crate::Watch;

/// A backend that does what Linux's `xen-netback` does.
///
/// It makes the same checks of what it finds in the rings, and ends the
/// connection where that would ([`Netback::fault`]).
#[derive(Debug)]
pub struct Netback<'w, T, N> {
    device: Device<'w, T>,
    network: N,
    attachment: Attachment,
    behaviour: Cell<Behaviour>,
    /// The domain that it runs in.
    statistics: Cell<NetbackStatistics>,
    fault: Cell<Option<&'static str>>,
    /// What the network has delivered and the guest has not got.
    backlog: RefCell<VecDeque<(Vec<u8>, RxMeta)>>,
    orders: Cell<Option<Order>>,
    waker: RefCell<Option<Waker>>,
}

/// How a backend goes about what the contract leaves open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// Answers the requests of a batch last to first.
    pub answers_backwards: bool,
    /// Where in a page it puts the first piece of a frame.
    pub rx_offset: u16,
    /// Bytes of a piece at most.
    pub rx_piece: usize,
    /// Frames that it keeps for a guest without free pages.
    pub backlog: usize,
    /// Marks frames as validated that the network has verified.
    pub validates: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { answers_backwards: false, rx_offset: 0, rx_piece: 4096, backlog: 1024, validates: true }
    }
}

/// What passed. Counters of frames, slots and events.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct NetbackStatistics {
    /// Frames from the guest.
    pub tx_frames: u64,
    /// Of these, large ones.
    pub tx_large: u64,
    /// Of these, with a blank checksum.
    pub tx_blank: u64,
    /// The most slots of one frame.
    pub tx_slots: u32,
    /// Frames by queue, the last one for all further ones.
    pub tx_by_queue: [u64; 4],
    /// Frames to the guest.
    pub rx_frames: u64,
    /// Of these, large ones.
    pub rx_large: u64,
    /// Of these, with a blank checksum.
    pub rx_blank: u64,
    /// Frames that the guest had no pages for.
    pub rx_dropped: u64,
    /// Passes that an event from the guest has caused.
    pub events: u64,
    /// Connections.
    pub connections: u64,
}

/// What a test tells a backend to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    /// Close the connection as when the driver is unloaded, and come back.
    Restart,
    /// Vanish without a word, come back at once and take the rings over.
    Rebind,
    /// Vanish without a word.
    Die,
}

/// What the frontend takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Takes {
    large: bool,
    several: bool,
    blank: bool,
}

/// One connection.
struct Connection<'w, T> {
    queues: Vec<BackQueue<'w, T>>,
    takes: Takes,
    /// Frames from the guest that the network has no room for.
    held: VecDeque<transmit::Frame>,
}

impl<'w, T, N: Network> Netback<'w, T, N> {
    /// A backend of `device` over `network`. The device's nodes are made when
    /// it runs.
    pub fn new(device: Device<'w, T>, network: N, attachment: Attachment) -> Self {
        Self {
            device,
            network,
            attachment,
            behaviour: Cell::new(Behaviour::default()),
            statistics: Cell::new(NetbackStatistics::default()),
            fault: Cell::new(None),
            backlog: RefCell::new(VecDeque::new()),
            orders: Cell::new(None),
            waker: RefCell::new(None),
        }
    }

    /// Its device.
    pub fn device(&self) -> &Device<'w, T> {
        &self.device
    }

    /// Changes how it goes about things.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.behaviour.set(behaviour);
    }

    /// What passed.
    pub fn statistics(&self) -> NetbackStatistics {
        self.statistics.get()
    }

    /// What the frontend has done that Linux's backend ends a connection for,
    /// or drops a frame for.
    pub fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }

    /// Closes the connection, as when the backend's driver is unloaded, and
    /// comes back.
    pub fn restart(&self) {
        self.order(Order::Restart);
    }

    /// Comes back without having closed the connection, as Linux's driver that
    /// is unbound and bound: it finds a frontend that is connected and takes
    /// its rings over.
    pub fn rebind(&self) {
        self.order(Order::Rebind);
    }

    /// Vanishes without a word; the device's nodes go, and [`Netback::run`]
    /// ends.
    pub fn die(&self) {
        self.order(Order::Die);
    }

    fn order(&self, order: Order) {
        self.orders.set(Some(order));
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn count(&self, change: impl FnOnce(&mut NetbackStatistics)) {
        let mut statistics = self.statistics.get();
        change(&mut statistics);
        self.statistics.set(statistics);
    }

    fn blame(&self, fault: &'static str) {
        self.fault.set(self.fault.get().or(Some(fault)));
    }

    /// Offers the device and serves it, connection after connection, until
    /// told to [die](Netback::die).
    pub async fn run(&self) {
        if self.device.frontend_state() == 0 {
            self.device.attach(&self.attachment);
        }
        self.device.offer(&self.attachment);
        let watch = self.device.watch_frontend();
        let mut connection = None;
        let mut listen = pin!(self.network.listen(|frame| {
            let mut backlog = self.backlog.borrow_mut();
            if backlog.len() < self.behaviour.get().backlog {
                backlog.push_back((frame.bytes.to_vec(), frame.meta));
            } else {
                self.count(|statistics| statistics.rx_dropped += 1);
            }
        }));
        poll_fn(|context| {
            self.waker.replace(Some(context.waker().clone()));
            // Ends for no reason that a simulated network knows.
            let _ = listen.as_mut().poll(context);
            while watch.poll_fired(context.waker()).is_ready() {
                self.follow(&mut connection);
            }
            match self.orders.take() {
                Some(Order::Die) => {
                    self.device.remove();
                    return Poll::Ready(());
                }
                Some(Order::Restart) => {
                    connection = None;
                    // It offers itself again when the frontend has begun anew.
                    self.device.set_state(6);
                }
                Some(Order::Rebind) => {
                    connection = None;
                    self.device.set_state(2);
                    self.follow(&mut connection);
                }
                None => {}
            }
            if let Some(connection) = &mut connection {
                self.serve(connection, context);
            }
            Poll::Pending
        })
        .await;
    }

    /// Does what the frontend's state asks for.
    fn follow(&self, connection: &mut Option<Connection<'w, T>>) {
        match self.device.frontend_state() {
            1 if connection.is_none() => self.device.set_state(2),
            4 if connection.is_none() => {
                let Some(queues) = self.device.queues() else {
                    return self.blame("the nodes contradict each other");
                };
                let flag = |name| self.device.frontend_number(name) == Some(1);
                if !flag("request-rx-copy") || !flag("feature-rx-notify") {
                    return self.blame("an old frontend");
                }
                let takes = Takes {
                    large: flag("feature-gso-tcpv4"),
                    several: flag("feature-sg"),
                    blank: !flag("feature-no-csum-offload"),
                };
                *connection = Some(Connection { queues, takes, held: VecDeque::new() });
                self.count(|statistics| statistics.connections += 1);
                self.device.set_state(4);
            }
            5 => {
                *connection = None;
                self.device.set_state(5);
            }
            6 => {
                *connection = None;
                self.device.set_state(6);
            }
            _ => {}
        }
    }

    /// One pass over the rings of all queues.
    fn serve(&self, connection: &mut Connection<'w, T>, context: &mut Context<'_>) {
        for queue in &connection.queues {
            while queue.poll_event(context.waker()).is_ready() {
                self.count(|statistics| statistics.events += 1);
            }
        }
        for index in 0..connection.queues.len() {
            if !self.transmit(connection, index) {
                self.device.set_state(5);
                self.device.set_state(6);
                break;
            }
        }
        self.send_held(connection, context.waker());
        self.receive(connection);
        for queue in &mut connection.queues {
            queue.publish();
        }
    }
}
