//! Faults as a layer and a device.

use core::cell::RefCell;
use core::future::poll_fn;
use core::pin::pin;
use core::task::{Poll, Waker};

use rand_core::Rng;
use traits::{Frame, Instant, Layer, Network, Never, SendError, TxMeta};

use crate::Faults;

impl<N: Network, R: Rng> Layer for Faults<N, R> {
    traits::forward_layer!(device, except poll, poll_room);

    fn poll(&self, now: Instant, waker: &Waker) -> Option<Instant> {
        self.pollers.register(waker);
        let stuck = self.send_due(now);
        if stuck && self.device.poll_room(waker).is_ready() {
            waker.wake_by_ref();
        }
        if !stuck && self.full_until.get() <= now {
            self.waiters.wake();
        }
        let arrival = self.receive.held.borrow().first_due();
        if arrival.is_some_and(|due| due <= now) {
            self.listeners.wake();
        }
        let departure = self.transmit.held.borrow().first_due();
        let full = Some(self.full_until.get()).filter(|_| !self.waiters.is_empty());
        let own = [arrival, departure, full].into_iter().flatten().filter(|due| *due > now);
        own.chain(self.device.poll(now, waker)).min()
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        let now = self.now();
        if self.full_until.get() > now || self.send_due(now) {
            let first = self.waiters.is_empty();
            self.waiters.register(waker);
            if first {
                self.pollers.wake();
            }
            return Poll::Pending;
        }
        self.device.poll_room(waker)
    }
}

impl<N: Network, R: Rng> Network for Faults<N, R> {
    type Error = N::Error;

    traits::forward_network!(device, except write, listen, reset_statistics, disconnect);

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        if self.down.get() {
            return Err(SendError::Down);
        }
        self.admit(meta, len)?;
        let now = self.now();
        let set = self.transmit.set.get();
        if self.is_full(now, &set) {
            return Err(SendError::Full);
        }
        if set.is_none() && self.transmit.held.borrow().first_due().is_none() {
            return self.device.write(meta, len, fill);
        }
        if let Some(segmentation) = meta.segmentation() {
            self.compose(len, fill, |frame| self.transmit_pieces(now, &set, segmentation, frame));
            return Ok(());
        }
        let fate = self.fate(&set);
        let due = if fate.lost { None } else { self.transmit.due(now, &fate) };
        if fate.lost || fate.duplicated || due.is_some() {
            self.compose(len, fill, |frame| self.transmit(now, &fate, due, meta, frame));
            return Ok(());
        }
        self.write_through(&fate, meta, len, fill)
    }

    async fn listen(&self, input: impl FnMut(Frame<'_>)) -> Result<Never, N::Error> {
        let input = RefCell::new(input);
        let mut listen = pin!(self.device.listen(|frame| self.receive(frame, &input)));
        poll_fn(|context| {
            self.listeners.register(context.waker());
            if self.receive_due(&input) {
                context.waker().wake_by_ref();
            }
            listen.as_mut().poll(context)
        })
        .await
    }

    fn reset_statistics(&self) {
        self.transmit.counts.take();
        self.receive.counts.take();
        self.device.reset_statistics();
    }

    fn disconnect(&self) {
        self.transmit.held.borrow_mut().clear();
        self.receive.held.borrow_mut().clear();
        self.full_until.set(Instant::ZERO);
        self.down.set(true);
        self.device.disconnect();
        self.waiters.wake();
    }
}
