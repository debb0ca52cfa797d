//! Who gets the payload of a frame.

use traits::{Frame, RxMeta};
use wire::{EtherType, MacAddr};

/// The labels of [`Ethif::input`](crate::Ethif::input), each with who gets
/// the payload of its frames.
///
/// Begins as [`listeners()`], with every label ignored.
#[must_use = "listeners do nothing until given to `input`"]
pub struct Listeners<V4, V6, O> {
    pub(crate) ipv4: V4,
    pub(crate) ipv6: V6,
    pub(crate) other: O,
}

/// What an ignored label is.
type Ignore = fn(Frame<'_>);
type IgnoreOther = fn(EtherType, Payload<'_>);

/// Listeners that ignore everything: set the labels that matter.
///
/// ```
/// use traits::Frame;
///
/// let listeners = ethif::listeners()
///     .ipv4(|packet| println!("{} bytes of IPv4", packet.bytes.len()))
///     .other(|ethertype, p| println!("{ethertype:?} from {}", p.source));
/// ```
#[inline]
pub fn listeners() -> Listeners<Ignore, Ignore, IgnoreOther> {
    Listeners { ipv4: |_| (), ipv6: |_| (), other: |_, _| () }
}

impl<V4, V6, O> Listeners<V4, V6, O> {
    /// IPv4 packets go to `listener`: the payload of the frame, padding
    /// included, with [`RxMeta::link`] saying whom the frame was for and the
    /// place of a blank checksum counted from the start of the payload.
    #[inline]
    pub fn ipv4<F: FnMut(Frame<'_>)>(self, listener: F) -> Listeners<F, V6, O> {
        Listeners { ipv4: listener, ipv6: self.ipv6, other: self.other }
    }

    /// IPv6 packets go to `listener`, in the same form.
    #[inline]
    pub fn ipv6<F: FnMut(Frame<'_>)>(self, listener: F) -> Listeners<V4, F, O> {
        Listeners { ipv4: self.ipv4, ipv6: listener, other: self.other }
    }

    /// Frames of every other EtherType go to `listener`. ARP, frames with a
    /// VLAN tag and LLC do not.
    #[inline]
    pub fn other<F: FnMut(EtherType, Payload<'_>)>(self, listener: F) -> Listeners<V4, V6, F> {
        Listeners { ipv4: self.ipv4, ipv6: self.ipv6, other: listener }
    }
}

/// The payload of a frame of another EtherType.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Payload<'a> {
    /// Who sent the frame.
    pub source: MacAddr,
    /// Whom it is for: this interface, a group or everybody.
    pub destination: MacAddr,
    /// What it carries, padding included.
    pub bytes: &'a [u8],
    /// What the device says of it.
    pub meta: RxMeta,
}
