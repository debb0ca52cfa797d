//! What the layer around a connection needs beside the contract.

use super::Connection;
use crate::buffer::{Backing, Ring, Side};
use crate::receive::Urgency;

impl<B: Backing> Connection<B> {
    /// Whether an acknowledgement is to be sent now, as after a read that
    /// opened the window again.
    pub fn is_ack_due(&self) -> bool {
        self.acks.due == Urgency::Now
    }

    /// Swaps what was received with `ring`, so that it can be looked at
    /// without a borrow of the connection. To be swapped back before anything
    /// else is received.
    pub(crate) fn swap_received(&mut self, ring: &mut Ring<B::Bytes>) {
        self.busy.get_or_default().receive.swap(ring);
    }
}
