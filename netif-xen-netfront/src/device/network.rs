//! The device as a [`Network`].

use core::future::{pending, poll_fn};
use core::task::{Poll, Waker};

use traits::{Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, SendError, TxMeta};
use wire::MacAddr;

use super::serve::{Backoff, Room, Turn};
use super::{Direction, Link, Netfront, Queues, publish};
use crate::Hypervisor;
use crate::counters::increment;
use crate::transmit::Sent;

impl<H: Hypervisor, const QUEUES: usize> Layer for Netfront<H, QUEUES> {
    fn now(&self) -> Instant {
        self.hypervisor.now()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(self.agreed.get().offload, self.gso_max_size())
    }

    /// Nothing is ever due: events wake whoever listens.
    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        match self.look_for_room() {
            Room::Some => return Poll::Ready(()),
            Room::None => self.room.register(waker),
            Room::Perhaps => waker.wake_by_ref(),
        }
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        self.backlog.is_waited_for()
    }

    fn flush(&self) {
        if !self.is_up() {
            return;
        }
        let wanted = match self.transmit.try_borrow_mut() {
            Ok(mut transmit) => transmit.as_mut().map(publish),
            // Whoever fills publishes.
            Err(_) => None,
        };
        self.notify(wanted.unwrap_or_default(), Direction::Transmit);
    }
}

impl<H: Hypervisor, const QUEUES: usize> Network for Netfront<H, QUEUES> {
    /// Whatever a backend does, the driver waits for it to do better.
    type Error = Never;

    fn mac(&self) -> MacAddr {
        self.mac.get()
    }

    fn mtu(&self) -> usize {
        self.mtu.get()
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        let mut fill = Some(fill);
        // Called once, if at all.
        self.write_by(meta, len, &mut |buffer| fill.take().map_or(0, |fill| fill(buffer)))
    }

    /// Hands up to [`BATCH`](crate::BATCH) frames over, then yields; connects
    /// again to a backend that was lost.
    ///
    /// After [`Network::disconnect`] it tells the backend and waits for ever.
    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        let mut turn = Turn::new(self);
        poll_fn(|context| turn.poll_take(context)).await;
        let mut backoff = Backoff::NONE;
        loop {
            match self.link.get() {
                Link::Up { .. } => {
                    poll_fn(|context| self.poll_serve(context, &mut input)).await;
                    self.look_at_backend().await;
                }
                Link::Broken => {
                    self.release();
                    self.link.set(Link::Down);
                    backoff.broken(self.now());
                    self.wait_until(backoff.until()).await;
                }
                Link::Down => {
                    if self.establish().await.is_err() {
                        backoff.broken(self.now());
                        self.wait_until(backoff.until()).await;
                    }
                }
                Link::Ended => {
                    self.take_leave().await;
                    return pending().await;
                }
            }
        }
    }

    fn statistics(&self) -> NetworkStatistics {
        self.statistics.get()
    }

    fn reset_statistics(&self) {
        self.statistics.set(NetworkStatistics::ZERO);
    }

    fn disconnect(&self) {
        self.link.set(Link::Ended);
        self.idle.wake();
        self.room.wake();
    }
}

impl<H: Hypervisor, const QUEUES: usize> Netfront<H, QUEUES> {
    /// One function for whoever fills.
    fn write_by(
        &self,
        meta: TxMeta,
        len: usize,
        fill: &mut dyn FnMut(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        self.admit(meta, len)?;
        // A filler that writes again finds the pages in use.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Err(self.refuse_full()) };
        let Some(ready) = transmit.as_mut() else { return Err(SendError::Down) };
        let reserved = ready.reserve(len, meta.segmentation().is_some());
        let sent = match reserved {
            Ok(Some(frame)) => Ok(ready.send(frame, len, meta, fill)),
            Ok(None) => Err(None),
            Err(breach) => Err(Some(breach)),
        };
        // What is held back takes up room. A filler may have disconnected.
        let hold = sent.is_ok() && meta.more() || !self.is_up();
        let wanted = if hold { Queues::default() } else { publish(ready) };
        drop(transmit);
        self.notify(wanted, Direction::Transmit);
        match sent {
            Ok(sent) => {
                self.settle(sent);
                Ok(())
            }
            Err(None) => Err(self.refuse_full()),
            Err(Some(breach)) => {
                self.give_up(breach);
                Err(SendError::Down)
            }
        }
    }

    /// Takes note of what became of a frame.
    fn settle(&self, sent: Sent) {
        match sent {
            Sent::Put(len) => self.count_statistics(|statistics| {
                statistics.tx_packets = statistics.tx_packets.wrapping_add(1);
                statistics.tx_bytes = statistics.tx_bytes.wrapping_add(len as u64);
            }),
            Sent::Nothing => {}
            Sent::Refused => {
                self.count(|counters| increment(&mut counters.tx_refused));
                self.count_statistics(|statistics| increment(&mut statistics.tx_dropped));
            }
        }
    }

    fn refuse_full(&self) -> SendError {
        self.count_statistics(|statistics| increment(&mut statistics.tx_full));
        SendError::Full
    }
}
