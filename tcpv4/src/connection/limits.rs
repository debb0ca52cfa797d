//! The buffers of a connection, and how much they may hold.

use super::busy::Busy;
use super::{Buffers, Connection, Events, Flags, Settings};
use crate::buffer::{Backing, Bytes, Side};
use crate::receive::ReceiveQueue;
use crate::send::SendQueue;

/// What is offered at first.
const INITIAL_SPACE: u32 = 64 << 10;

/// What may always be written, where the limit allows: two of the largest
/// segments that devices take.
const MIN_SEND: u32 = 128 << 10;

/// How far a writer may be ahead of what is under way, where memory grows: four
/// of the largest segments that devices take, with nothing left over. More
/// would not be sent any sooner, and has left the processor's cache by then.
const AHEAD: u32 = 4 * (255 << 8);

/// How much the buffers may hold, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Limits {
    /// Written and not acknowledged.
    pub(super) send: u32,
    /// Received and not read.
    pub(super) receive: u32,
    /// What is offered of that at present, with nothing to read.
    pub(super) space: u32,
}

impl Limits {
    /// Offers more, up to the limit.
    pub(super) fn offer(&mut self, space: u32) {
        self.space = self.space.max(space.min(self.receive));
    }
}

impl<B: Backing> Connection<B> {
    /// Takes the limits; where memory does not grow, its size is one.
    pub(super) fn set_limits(&mut self, settings: &Settings) {
        // More than a quarter of the sequence space could not be told apart.
        let clamp = |limit: u32| limit.clamp(1, 1 << 30);
        let (send, receive) = (clamp(settings.send_limit), clamp(settings.receive_limit));
        self.limits = if <B::Bytes as Bytes>::GROWS {
            Limits { send, receive, space: self.limits.space.max(INITIAL_SPACE).min(receive) }
        } else {
            let (of_send, of_receive) = self.busy.get().map_or((0, 0), Busy::capacities);
            let receive = receive.min(of_receive as u32);
            Limits { send: send.min(of_send as u32), receive, space: receive }
        };
    }

    /// Bytes written and not acknowledged.
    #[inline]
    pub(super) fn queued(&self) -> u32 {
        self.busy.get().map_or(0, |busy| busy.send.len())
    }

    /// How much may be queued at present: where memory grows, twice the
    /// congestion window is enough to keep the path full while the writer
    /// writes more (as Linux's autotuning of the send buffer has it), and
    /// [`AHEAD`] beyond what is under way.
    #[inline]
    pub(super) fn send_limit(&self) -> u32 {
        if !<B::Bytes as Bytes>::GROWS {
            return self.limits.send;
        }
        self.send_memory().min(self.snd.outstanding().saturating_add(AHEAD))
    }

    /// How large the queue's memory may become.
    #[inline]
    pub(super) fn send_memory(&self) -> u32 {
        if !<B::Bytes as Bytes>::GROWS {
            return self.limits.send;
        }
        self.limits.send.min(self.window.cwnd.saturating_mul(2).max(MIN_SEND))
    }

    /// Bytes that may be written now.
    #[inline]
    pub(super) fn send_room(&self) -> u32 {
        self.send_limit().saturating_sub(self.queued())
    }

    /// Whether there is enough room to wake a writer for: a third of the
    /// limit, half of [`AHEAD`], or all. Waking for every acknowledged segment
    /// would have it write crumbs.
    #[inline]
    pub(super) fn is_roomy(&self) -> bool {
        self.send_room() >= (self.send_limit() / 3).min(AHEAD / 2) || self.queued() == 0
    }

    /// Whether a writer that found no room is to be woken: after an
    /// acknowledgement, and when something was sent.
    #[inline]
    pub(crate) fn take_writable(&mut self) -> Events {
        if !self.flags.contains(Flags::FULL) || !self.state.can_write() || !self.is_roomy() {
            return Events::empty();
        }
        self.flags.remove(Flags::FULL);
        Events::WRITABLE
    }

    /// Bytes that may still come.
    #[inline]
    pub(super) fn receive_room(&self) -> u32 {
        let kept = self.busy.get().map_or(0, |busy| busy.receive.len().saturating_add(busy.taken));
        self.limits.space.saturating_sub(kept)
    }

    /// Takes the buffers that the connection begins with.
    pub(super) fn give_buffers(&mut self, buffers: Buffers<B>) {
        let Buffers { send, receive } = buffers;
        if !send.as_ref().is_empty() || !receive.as_ref().is_empty() {
            let busy = self.busy.get_or_default();
            (busy.send, busy.receive) = (SendQueue::new(send), ReceiveQueue::new(receive));
        }
    }

    /// Ends, and gives the buffers back.
    pub fn into_buffers(mut self) -> Buffers<B> {
        self.take_buffers()
    }

    /// Takes the buffers out of a connection that is thrown away.
    pub(crate) fn take_buffers(&mut self) -> Buffers<B> {
        self.busy.get_mut().map(Busy::take_buffers).unwrap_or_default()
    }

    /// What was received and not read is dropped.
    pub(super) fn drop_received(&mut self) {
        if let Some(busy) = self.busy.get_mut() {
            busy.receive.consume(usize::MAX, false);
            self.release();
        }
    }

    /// Gives memory back that an idle connection does not need.
    pub(super) fn release(&mut self) {
        let is_sending = self.snd.outstanding() > 0 && self.state != super::State::Closed;
        if !<B::Bytes as Bytes>::GROWS || is_sending {
            return;
        }
        let Some(busy) = self.busy.get_mut() else { return };
        busy.send.release();
        if busy.assembler.is_empty() && busy.fin_at.is_none() {
            busy.receive.release();
            let is_empty = busy.send.len() == 0 && busy.receive.len() == 0 && busy.taken == 0;
            if is_empty && !busy.timers.is_waiting() {
                self.busy.release();
            }
        }
    }
}
