//! The Ethernet II header (RFC 894, IEEE 802.3).

use traits::LinkCast;
use wire::{EtherType, MacAddr};
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of an Ethernet II header.
pub(crate) const HEADER_LEN: usize = 14;

/// Below this, the field is a length and the frame is LLC (RFC 894, IEEE
/// 802.3 §3.2.6).
pub(crate) const FIRST_ETHERTYPE: u16 = 0x0600;

/// Tags of IEEE 802.1Q and 802.1ad.
pub(crate) const VLAN: [EtherType; 2] = [EtherType(0x8100), EtherType(0x88a8)];

/// The header as it stands on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) destination: MacAddr,
    pub(crate) source: MacAddr,
    ethertype: U16,
}

const _: () = assert!(size_of::<Header>() == HEADER_LEN);

impl Header {
    pub(crate) const fn new(destination: MacAddr, source: MacAddr, ethertype: EtherType) -> Self {
        Self { destination, source, ethertype: U16::new(ethertype.0) }
    }

    /// Header and payload; `None` for a runt.
    #[inline]
    pub(crate) fn split(bytes: &[u8]) -> Option<(&Self, &[u8])> {
        Self::ref_from_prefix(bytes).ok()
    }

    #[inline]
    pub(crate) fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }

    /// Whom the frame is for; `None` for another host than `own`.
    #[inline]
    pub(crate) fn cast(&self, own: MacAddr) -> Option<LinkCast> {
        if self.destination == own {
            Some(LinkCast::Host)
        } else if self.destination.is_broadcast() {
            Some(LinkCast::Broadcast)
        } else if self.destination.is_multicast() {
            Some(LinkCast::Multicast)
        } else {
            None
        }
    }

    /// Writes header and payload into `frame`, and returns the bytes used: 0
    /// where there is no payload, so that nothing is sent.
    #[inline(always)]
    pub(crate) fn fill(&self, frame: &mut [u8], payload: impl FnOnce(&mut [u8]) -> usize) -> usize {
        let Ok((header, rest)) = Self::mut_from_prefix(frame) else { return 0 };
        // Each field by itself: as a whole it would have to be put together in
        // memory first.
        header.destination = self.destination;
        header.source = self.source;
        header.ethertype = self.ethertype;
        let room = rest.len();
        match payload(rest).min(room) {
            0 => 0,
            used => HEADER_LEN + used,
        }
    }
}
