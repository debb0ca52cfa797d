//! A port as a device.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use traits::{
    Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, Offload, SegmentationKind,
    SendError, Time, TxMeta,
};
use wire::MacAddr;

use crate::switch::Line;
use crate::{Queue, Settings, Switch};

/// The Ethernet header, in bytes.
const ETHERNET_HEADER: usize = 14;

/// Frames that [`Network::listen`] hands up before others run.
const BATCH: usize = 64;

/// A port of a [`Switch`] or a [`Link`](crate::Link).
///
/// As a [`Network`] it hands up to 64 frames up at a time before it yields,
/// and never holds frames back. Whoever waits for room is woken by those who
/// listen, at whichever port of the switch; there has to be one.
#[derive(Debug)]
pub struct Port<'a, T, const PORTS: usize, Q> {
    switch: &'a Switch<T, PORTS, Q>,
    index: usize,
}

impl<T, const PORTS: usize, Q> Clone for Port<'_, T, PORTS, Q> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, const PORTS: usize, Q> Copy for Port<'_, T, PORTS, Q> {}

impl<'a, T: Time, const PORTS: usize, Q: Queue> Port<'a, T, PORTS, Q> {
    pub(crate) const fn new(switch: &'a Switch<T, PORTS, Q>, index: usize) -> Self {
        Self { switch, index }
    }

    /// Its place in the switch.
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The switch that it belongs to.
    pub const fn switch(&self) -> &'a Switch<T, PORTS, Q> {
        self.switch
    }

    /// Gives the port another hardware address.
    pub fn set_mac(&self, mac: MacAddr) {
        if let Some(line) = self.line() {
            line.mac.set(mac);
        }
    }

    /// Undoes [`Network::disconnect`].
    pub fn reconnect(&self) {
        if let Some(line) = self.line() {
            line.down.set(false);
        }
        self.switch.wake_all_listeners();
    }

    /// `None` only for a switch of no ports.
    fn line(&self) -> Option<&'a Line<Q>> {
        self.switch.line(self.index)
    }

    fn settings(&self) -> Settings {
        self.line().map(|line| line.settings.get()).unwrap_or_default()
    }

    /// Whether a frame like this may be sent through the port.
    fn admit(&self, meta: TxMeta, len: usize) -> Result<(), SendError> {
        let settings = self.settings();
        let offload = settings.capabilities.offload;
        let needed = match meta.segmentation().map(|segmentation| segmentation.kind) {
            None => Offload::empty(),
            Some(SegmentationKind::Tcp4 { cwr: false }) => Offload::TSO4,
            Some(SegmentationKind::Tcp4 { cwr: true }) => Offload::TSO_ECN,
            Some(SegmentationKind::Udp4) => Offload::USO4,
        };
        let checksum = if meta.checksum().is_some() { Offload::TX_CHECKSUM } else { Offload::empty() };
        // A large frame without a checksum to complete is no valid request.
        let incomplete = meta.segmentation().is_some() && meta.checksum().is_none();
        if incomplete || !offload.contains(needed | checksum) {
            return Err(SendError::Unsupported);
        }
        let longest = match meta.segmentation() {
            None => settings.mtu.saturating_add(ETHERNET_HEADER),
            Some(_) => settings.capabilities.gso_max_size,
        };
        if len > longest.min(Q::BYTES) { Err(SendError::TooLong) } else { Ok(()) }
    }

    /// Hands up what has arrived; whether more waits.
    fn receive(&self, line: &Line<Q>, now: Instant, input: &mut impl FnMut(Frame<'_>)) -> bool {
        let arrived = || !line.down.get() && line.queue.front().is_some_and(|front| front.arrival <= now);
        for _ in 0..BATCH {
            if !arrived() {
                return false;
            }
            line.queue.pop(|frame, bytes| {
                line.count(|statistics| {
                    statistics.rx_packets = statistics.rx_packets.wrapping_add(1);
                    statistics.rx_bytes = statistics.rx_bytes.wrapping_add(bytes.len() as u64);
                });
                input(Frame::new(bytes, frame.meta));
            });
        }
        arrived()
    }
}

impl<T: Time, const PORTS: usize, Q: Queue> Layer for Port<'_, T, PORTS, Q> {
    fn now(&self) -> Instant {
        self.switch.time().now()
    }

    fn capabilities(&self) -> Capabilities {
        self.settings().capabilities
    }

    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        let Some(line) = self.line() else {
            return Poll::Ready(());
        };
        if line.down.get() || self.switch.room_at(self.index, self.now()).is_none() {
            return Poll::Ready(());
        }
        let first = line.waiters.is_empty();
        line.waiters.register(waker);
        if first {
            self.switch.wake_all_listeners();
        }
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl<T: Time, const PORTS: usize, Q: Queue> Network for Port<'_, T, PORTS, Q> {
    type Error = Never;

    fn mac(&self) -> MacAddr {
        self.line().map(|line| line.mac.get()).unwrap_or_default()
    }

    fn mtu(&self) -> usize {
        self.settings().mtu
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        let line = self.line().filter(|line| !line.down.get()).ok_or(SendError::Down)?;
        self.admit(meta, len)?;
        let composed = match self.switch.room_at(self.index, self.now()) {
            Some(_) => None,
            None => line.queue.compose(len, |buffer| {
                let used = fill(buffer).min(len);
                let frame = buffer.get_mut(..used).unwrap_or_default();
                if used > 0 {
                    self.switch.forward(self.index, frame, meta);
                }
                used
            }),
        };
        match composed {
            None => {
                line.count(|statistics| statistics.tx_full = statistics.tx_full.wrapping_add(1));
                Err(SendError::Full)
            }
            Some(0) => Ok(()),
            Some(used) => {
                line.count(|statistics| {
                    statistics.tx_packets = statistics.tx_packets.wrapping_add(1);
                    statistics.tx_bytes = statistics.tx_bytes.wrapping_add(used as u64);
                });
                self.switch.wake_listeners();
                Ok(())
            }
        }
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        let mut sleep = pin!(None);
        let mut armed = None;
        let wait = |context: &mut Context<'_>| {
            let Some(line) = self.line() else {
                return Poll::Pending;
            };
            line.listeners.register(context.waker());
            let now = self.now();
            let more = self.receive(line, now, &mut input);
            self.switch.wake_waiters(now);
            if more {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let arrival = line.queue.front().map(|front| front.arrival).filter(|_| !line.down.get());
            let next = [arrival, self.switch.next_room(now)].into_iter().flatten().min();
            if next != armed {
                armed = next;
                sleep.set(next.map(|at| self.switch.time().sleep_until(at)));
            }
            if let Some(due) = sleep.as_mut().as_pin_mut()
                && due.poll(context).is_ready()
            {
                // The clock has gone on meanwhile.
                armed = None;
                sleep.set(None);
                context.waker().wake_by_ref();
            }
            Poll::Pending
        };
        poll_fn(wait).await
    }

    fn statistics(&self) -> NetworkStatistics {
        self.line().map(|line| line.statistics.get()).unwrap_or_default()
    }

    fn reset_statistics(&self) {
        if let Some(line) = self.line() {
            line.statistics.set(NetworkStatistics::ZERO);
        }
    }

    fn disconnect(&self) {
        if let Some(line) = self.line() {
            line.down.set(true);
            line.queue.clear();
            line.waiters.wake();
        }
        self.switch.wake_waiters(self.now());
    }
}
