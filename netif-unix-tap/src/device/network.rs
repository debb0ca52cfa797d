//! The tap as a [`Network`].

use core::cell::RefMut;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use os::unix::Reactor;
use traits::{
    Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, Offload, Payload, SendError, TxMeta,
};
use wire::MacAddr;

use super::receive::{TapError, Turn};
use super::{GSO_MAX_SIZE, State, Tap};
use crate::transmit::{Sent, Transmit};

impl<R: Reactor> Layer for Tap<R> {
    fn now(&self) -> Instant {
        self.reactor.now()
    }

    fn capabilities(&self) -> Capabilities {
        let offload = self.offload.get();
        let large = if offload.intersects(Offload::TSO4 | Offload::USO4) { GSO_MAX_SIZE } else { 0 };
        Capabilities::new(offload, large)
    }

    /// Nothing is ever due: the descriptor wakes whoever waits for it.
    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if self.poll_waiting(waker).is_ready() {
            return Poll::Ready(());
        }
        self.room.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        self.backlog.is_waited_for()
    }

    fn flush(&self) {
        self.departures.ended();
        // In use by a filler: its frame is the one that waits, and no other.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return };
        if transmit.oldest().is_some() && self.send_or_leave(&mut transmit) {
            drop(transmit);
            self.room.wake();
        }
    }
}

impl<R: Reactor> Network for Tap<R> {
    type Error = TapError;

    /// A system call takes a frame in pieces.
    const GATHERS: bool = true;

    fn mac(&self) -> MacAddr {
        self.mac
    }

    /// As the interface had it when it was opened.
    fn mtu(&self) -> usize {
        self.mtu
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        let mut transmit = self.begin(meta, len)?;
        let Some(buffer) = transmit.frame(len) else { return Err(SendError::TooLong) };
        let used = fill(buffer).min(len);
        if used > 0 && !transmit.push(meta, used) {
            self.settle(Sent::Refused, used);
        }
        if self.state.get() == State::Down {
            // The filler has left the device.
            self.give_up(&mut transmit);
        } else if !meta.more() || used > 0 && self.departures.is_alone() {
            self.send_or_leave(&mut transmit);
        }
        drop(transmit);
        self.room.wake();
        Ok(())
    }

    fn write_gathered(
        &self,
        meta: TxMeta,
        len: usize,
        payload: impl Payload,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        let whole = len.saturating_add(payload.payload_len());
        let mut transmit = self.begin(meta, whole)?;
        if !self.send_or_leave(&mut transmit) {
            return Err(self.refuse_full());
        }
        let Some(buffer) = transmit.frame(len) else { return Err(SendError::TooLong) };
        if fill(buffer) >= len {
            let sent = payload.show(|[first, second]| {
                // The headers tell how long it is.
                let is_whole = len + first.len() + second.len() == whole;
                is_whole.then(|| transmit.send_gathered(&self.source, meta, len, [first, second]))
            });
            if let Some(sent) = sent.flatten() {
                self.settle(sent, whole);
                if sent == Sent::Held {
                    self.listener.wake();
                }
            }
        }
        drop(transmit);
        self.room.wake();
        Ok(())
    }

    /// Hands up to [`BATCH`](crate::BATCH) frames over (of 512 to 2,048 bytes
    /// four times as many), then yields; and after
    /// the first, where the last frame had come alone, so that it is answered
    /// before the device is asked for another.
    ///
    /// After [`Network::disconnect`] it waits for ever.
    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, TapError> {
        let mut turn = Turn { tap: self, mine: false };
        poll_fn(|context| {
            if !turn.take() {
                self.idle.register(context.waker());
                return Poll::Pending;
            }
            self.poll_listen(context, &mut input)
        })
        .await
    }

    fn statistics(&self) -> NetworkStatistics {
        self.statistics.get()
    }

    fn reset_statistics(&self) {
        self.statistics.set(NetworkStatistics::ZERO);
    }

    fn disconnect(&self) {
        self.state.set(State::Down);
        if let Ok(mut transmit) = self.transmit.try_borrow_mut() {
            self.give_up(&mut transmit);
        }
        self.room.wake();
    }
}

impl<R: Reactor> Tap<R> {
    /// The buffer for a frame that may be sent now.
    fn begin(&self, meta: TxMeta, len: usize) -> Result<RefMut<'_, Transmit>, SendError> {
        self.admit(meta, len)?;
        // A filler that writes again finds the buffer in use.
        let Ok(mut transmit) = self.transmit.try_borrow_mut() else { return Err(self.refuse_full()) };
        if !transmit.has_place(len) && !self.send_or_leave(&mut transmit) {
            return Err(self.refuse_full());
        }
        Ok(transmit)
    }
}
