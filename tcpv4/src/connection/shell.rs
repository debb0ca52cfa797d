//! What the layer around a connection needs beside the contract.

use core::ops::Range;

use traits::Instant;

use super::{Connection, Failure, Flags};
use crate::buffer::{Backing, Bytes, Ring, Side};
use crate::receive::Urgency;

/// A send buffer, and what may be written of it.
pub(crate) type SendLoan<B> = (Ring<<B as Backing>::Bytes>, Range<usize>);

impl<B: Backing> Connection<B> {
    /// Whether an acknowledgement is to be sent now, as after a read that
    /// opened the window again.
    pub fn is_ack_due(&self) -> bool {
        self.acks.due == Urgency::Now
    }

    /// The largest packet that segments are made for.
    pub(crate) fn mtu(&self) -> usize {
        usize::from(self.mtu)
    }

    /// Swaps what was received with `ring`, so that it can be looked at
    /// without a borrow of the connection. To be swapped back before anything
    /// else is received.
    pub(crate) fn swap_received(&mut self, ring: &mut Ring<B::Bytes>) {
        self.busy.get_or_default().receive.swap(ring);
    }

    /// Takes the send buffer out, for its next bytes to be written in place,
    /// with the range behind its head that may be; `None` when there is no
    /// room. Until it is [given back](Self::give_send_back) no segment may be
    /// taken or sent.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    pub(crate) fn lend_send(&mut self, most: usize) -> Result<Option<SendLoan<B>>, Failure> {
        self.check_writing()?;
        let (limit, memory) = (self.send_limit(), self.send_memory());
        let loan = self.busy.get_or_default().send.lend(most, limit, memory);
        self.flags.set(Flags::FULL, loan.is_none());
        Ok(loan)
    }

    /// Takes the send buffer back, with `count` bytes more in use; with none
    /// at all, if the connection has ended meanwhile.
    pub(crate) fn give_send_back(&mut self, ring: Ring<B::Bytes>, count: usize) {
        let queue = &mut self.busy.get_or_default().send;
        queue.give_back(ring, count);
        if !self.state.can_write() {
            queue.clear();
            self.release();
        }
    }

    /// Puts what was received into `ring`, which is empty: by a swap, unless
    /// something beyond a hole has its place already, or `ring` can't take the
    /// place of what it gets. What is taken counts in the window until it is
    /// [consumed](Self::consume_taken).
    pub(crate) fn take_received(&mut self, ring: &mut Ring<B::Bytes>) {
        let Some(busy) = self.busy.get_mut() else { return };
        let is_fit = <B::Bytes as Bytes>::GROWS || ring.capacity() >= busy.receive.capacity();
        if busy.assembler.is_empty() && is_fit {
            busy.receive.swap(ring);
        } else {
            let (first, second) = busy.receive.slices();
            ring.reserve(first.len() + second.len(), usize::MAX, 0);
            let count = ring.push(first) + ring.push(second);
            busy.receive.consume(count, !busy.assembler.is_empty());
        }
        busy.taken = ring.len() as u32;
    }

    /// Takes `count` bytes of what was [taken](Self::take_received) as read.
    pub(crate) fn consume_taken(&mut self, now: Instant, count: usize) {
        if let Some(busy) = self.busy.get_mut() {
            busy.taken = busy.taken.saturating_sub(count as u32);
        }
        self.was_read(now, count);
    }
}
