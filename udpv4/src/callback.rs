//! A closure as receiver.

use core::fmt;

use traits::{Datagram, Receive};

/// A [`Receive`] that calls `receive` for every datagram, in the driver's own
/// buffer: nothing is queued and nothing copied.
///
/// The closure runs within [`Udp::input`](crate::Udp::input); it may write
/// through any layer. ICMP errors are ignored.
pub const fn callback<F: Fn(Datagram<'_>)>(receive: F) -> Callback<F> {
    Callback(receive)
}

/// What [`callback`] makes.
#[derive(Clone, Copy)]
pub struct Callback<F>(F);

impl<F: Fn(Datagram<'_>)> Receive for Callback<F> {
    #[inline]
    fn receive(&self, datagram: Datagram<'_>) {
        (self.0)(datagram);
    }
}

impl<F> fmt::Debug for Callback<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}
