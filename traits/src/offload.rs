//! What a device can do for the layers, and what a frame says of it.

use core::fmt;
use core::num::NonZeroU16;

use bitflags::bitflags;

bitflags! {
    /// Work that a device takes off the layers.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct Offload: u8 {
        /// Completes a transport checksum on transmit ([`TxMeta::checksum`]).
        const TX_CHECKSUM = 1 << 0;
        /// Cuts large TCP segments ([`SegmentationKind::Tcp4`]).
        const TSO4 = 1 << 1;
        /// Cuts large TCP segments that carry CWR: the flag on the first only.
        const TSO_ECN = 1 << 2;
        /// Cuts a run of equal UDP datagrams ([`SegmentationKind::Udp4`]).
        const USO4 = 1 << 3;
        /// Says of received frames that their transport checksum holds
        /// ([`RxMeta::checksum`]); frames without a verdict still occur.
        const RX_CHECKSUM = 1 << 4;
        /// Hands up several TCP segments as one large frame
        /// ([`RxMeta::segment_size`]).
        const LARGE_RECEIVE = 1 << 5;
    }
}

/// What a device can do.
///
/// Asked for each packet, never remembered: a setting changed at run time
/// holds from the next packet on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// The work that it takes off the layers.
    pub offload: Offload,
    /// The largest `len` of a [`write`](crate::Network::write) that asks for
    /// segmentation, in bytes without the headers of the layers below the one
    /// asked; 0 where no segmentation is offered.
    pub gso_max_size: usize,
}

impl Capabilities {
    /// No offload at all.
    pub const NONE: Self = Self { offload: Offload::empty(), gso_max_size: 0 };

    /// `offload`, with large frames of up to `gso_max_size` bytes.
    pub const fn new(offload: Offload, gso_max_size: usize) -> Self {
        Self { offload, gso_max_size }
    }

    /// What is left for the layer above one with a header of `header_len`
    /// bytes.
    #[must_use]
    pub const fn below(mut self, header_len: usize) -> Self {
        self.gso_max_size = self.gso_max_size.saturating_sub(header_len);
        self
    }
}

/// What a layer asks of the device for a frame that it sends.
///
/// Offsets count from the start of what the layer itself passed to `write`;
/// each layer moves them by its own header with [`TxMeta::below`].
///
/// It is one word, so that it travels from layer to layer in a register.
#[derive(Clone, Copy, Default)]
pub struct TxMeta {
    /// From the low bits: [`TxMeta::START`] and what follows it.
    word: u64,
}

/// A checksum that the device completes: it sums from `start` to the end of
/// the frame and puts the complement at `start + offset`, where the partial
/// sum of the pseudo-header stands already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartialChecksum {
    /// First byte summed.
    pub start: u16,
    /// Where the field is, from `start` on.
    pub offset: u16,
}

impl PartialChecksum {
    /// See [`RxMeta::above`]. Apart, so that a frame without a blank checksum
    /// takes one look.
    #[inline(never)]
    const fn above(self, header_len: u16) -> ChecksumVerdict {
        match self.start.checked_sub(header_len) {
            Some(start) => ChecksumVerdict::Blank(Self { start, offset: self.offset }),
            None => ChecksumVerdict::Unchecked,
        }
    }
}

/// A frame that the device cuts into several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segmentation {
    /// What it carries.
    pub kind: SegmentationKind,
    /// Bytes of transport payload in each frame but the last (`gso_size`).
    pub size: NonZeroU16,
    /// Bytes of headers before the payload.
    pub header_len: u16,
}

/// What a large frame carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SegmentationKind {
    /// TCP over IPv4. `cwr`: the segment has CWR set, which only the first
    /// of the frames may carry ([`Offload::TSO_ECN`]).
    Tcp4 {
        /// CWR is set.
        cwr: bool,
    },
    /// UDP over IPv4: every datagram gets a header of its own.
    Udp4,
}

impl TxMeta {
    /// Asks nothing: the frame goes out as it is.
    pub const NONE: Self = Self { word: 0 };

    /// 16 bits: where the sum starts.
    const START: u32 = 0;
    /// 8 bits: where the checksum stands from there on, in words of 16 bits,
    /// plus one; 0 for no request.
    const OFFSET: u32 = 16;
    /// 16 bits: the size of segments; 0 for no request.
    const SIZE: u32 = 24;
    /// 16 bits: the length of the headers before the payload.
    const HEADERS: u32 = 40;
    /// 1 bit each.
    const UDP: u64 = 1 << 56;
    const CWR: u64 = 1 << 57;
    const MORE: u64 = 1 << 58;

    const fn field(self, shift: u32) -> u16 {
        (self.word >> shift) as u16
    }

    const fn set(&mut self, shift: u32, value: u16) {
        self.word = self.word & !(0xffff << shift) | (value as u64) << shift;
    }

    /// Asks that a checksum be completed: see [`PartialChecksum`]. `offset` is
    /// even, and less than 510 bytes.
    #[must_use]
    pub const fn with_checksum(mut self, start: u16, offset: u16) -> Self {
        debug_assert!(offset.is_multiple_of(2) && offset < 510, "no transport has its checksum there");
        self.set(Self::START, start);
        self.word = self.word & !(0xff << Self::OFFSET) | ((offset as u64 / 2 + 1) & 0xff) << Self::OFFSET;
        self
    }

    /// Asks that the frame be cut.
    #[must_use]
    pub const fn with_segmentation(
        mut self,
        kind: SegmentationKind,
        size: NonZeroU16,
        header_len: u16,
    ) -> Self {
        self.set(Self::SIZE, size.get());
        self.set(Self::HEADERS, header_len);
        self.word &= !(Self::UDP | Self::CWR);
        self.word |= match kind {
            SegmentationKind::Tcp4 { cwr: false } => 0,
            SegmentationKind::Tcp4 { cwr: true } => Self::CWR,
            SegmentationKind::Udp4 => Self::UDP,
        };
        self
    }

    /// Says whether another frame follows at once: the device may hold this
    /// one back until a frame without this mark, or
    /// [`Layer::flush`](crate::Layer::flush).
    #[must_use]
    pub const fn with_more(mut self, more: bool) -> Self {
        self.word = if more { self.word | Self::MORE } else { self.word & !Self::MORE };
        self
    }

    /// A transport checksum to complete. Only with [`Offload::TX_CHECKSUM`].
    #[inline]
    pub const fn checksum(self) -> Option<PartialChecksum> {
        match (self.word >> Self::OFFSET) as u8 {
            0 => None,
            words => Some(PartialChecksum { start: self.field(Self::START), offset: (words as u16 - 1) * 2 }),
        }
    }

    /// A large frame to cut. Only with the capability of its kind, and with
    /// [`TxMeta::checksum`] asked for.
    #[inline]
    pub const fn segmentation(self) -> Option<Segmentation> {
        let Some(size) = NonZeroU16::new(self.field(Self::SIZE)) else { return None };
        let kind = if self.word & Self::UDP != 0 {
            SegmentationKind::Udp4
        } else {
            SegmentationKind::Tcp4 { cwr: self.word & Self::CWR != 0 }
        };
        Some(Segmentation { kind, size, header_len: self.field(Self::HEADERS) })
    }

    /// Whether another frame follows at once.
    #[inline]
    pub const fn more(self) -> bool {
        self.word & Self::MORE != 0
    }

    /// The same request as the layer below sees it, which puts `header_len`
    /// bytes in front.
    #[must_use]
    #[inline]
    pub const fn below(mut self, header_len: u16) -> Self {
        // Where nothing is asked for, the places mean nothing.
        self.set(Self::START, self.field(Self::START).saturating_add(header_len));
        self.set(Self::HEADERS, self.field(Self::HEADERS).saturating_add(header_len));
        self
    }
}

impl PartialEq for TxMeta {
    fn eq(&self, other: &Self) -> bool {
        let all = |meta: &Self| (meta.checksum(), meta.segmentation(), meta.more());
        all(self) == all(other)
    }
}

impl Eq for TxMeta {}

impl fmt::Debug for TxMeta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxMeta")
            .field("checksum", &self.checksum())
            .field("segmentation", &self.segmentation())
            .field("more", &self.more())
            .finish()
    }
}

/// What the device says of a frame that it received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct RxMeta {
    /// Its word on the transport checksum. IPv4's own header checksum is
    /// always verified by the layer.
    pub checksum: ChecksumVerdict,
    /// Bytes of payload in each segment within, for a frame that was made of
    /// several (large receive).
    pub segment_size: Option<NonZeroU16>,
    /// Whom the frame was addressed to. Set by the Ethernet layer; a packet
    /// that came as [`LinkCast::Broadcast`] or [`LinkCast::Multicast`] gets no
    /// ICMP error and no TCP segment in answer (RFC 1122 §3.2.2, §4.2.3.10).
    pub link: LinkCast,
}

impl RxMeta {
    /// No word on anything.
    pub const NONE: Self =
        Self { checksum: ChecksumVerdict::Unchecked, segment_size: None, link: LinkCast::Host };

    /// With a verdict on the transport checksum.
    #[must_use]
    pub const fn with_checksum(mut self, verdict: ChecksumVerdict) -> Self {
        self.checksum = verdict;
        self
    }

    /// With the size of the segments within.
    #[must_use]
    pub const fn with_segment_size(mut self, size: Option<NonZeroU16>) -> Self {
        self.segment_size = size;
        self
    }

    /// With whom the frame was addressed to.
    #[must_use]
    pub const fn with_link(mut self, link: LinkCast) -> Self {
        self.link = link;
        self
    }

    /// The same word as the layer above sees it, which does not see the first
    /// `header_len` bytes: the opposite of [`TxMeta::below`].
    ///
    /// A [`Blank`](ChecksumVerdict::Blank) field that begins within those
    /// bytes makes no sense and leaves the packet unchecked.
    #[must_use]
    #[inline]
    pub const fn above(mut self, header_len: u16) -> Self {
        if let ChecksumVerdict::Blank(place) = self.checksum {
            self.checksum = place.above(header_len);
        }
        self
    }
}

/// Whom a frame was addressed to on the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkCast {
    /// This host alone.
    #[default]
    Host,
    /// Everybody.
    Broadcast,
    /// A group.
    Multicast,
}

/// A device's word on a transport checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ChecksumVerdict {
    /// None: the layer verifies.
    #[default]
    Unchecked,
    /// It was verified and holds.
    Verified,
    /// It was never filled in (the sender shares this machine) and the bytes
    /// are whole. The field holds the sum of the pseudo-header, at the place
    /// given, counted from the start of the frame.
    Blank(PartialChecksum),
}

impl ChecksumVerdict {
    /// Whether the layer need not verify.
    pub const fn is_trusted(self) -> bool {
        match self {
            Self::Unchecked => false,
            Self::Verified | Self::Blank(_) => true,
        }
    }
}
