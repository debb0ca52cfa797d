//! The header before each frame: `struct virtio_net_hdr` in its legacy form
//! (`linux/virtio_net.h`), in the byte order of the machine.

use core::num::NonZeroU16;

use traits::{ChecksumVerdict, PartialChecksum, RxMeta, SegmentationKind, TxMeta};
use wire::MacAddr;
use zerocopy::native_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub(crate) const HEADER_LEN: usize = size_of::<VnetHeader>();

/// Bytes of an Ethernet header, without which a frame is none.
pub(crate) const ETHERNET_LEN: usize = 2 * size_of::<MacAddr>() + 2;

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;

const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

#[derive(Clone, Copy, Default, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct VnetHeader {
    flags: u8,
    gso_type: u8,
    hdr_len: U16,
    gso_size: U16,
    csum_start: U16,
    csum_offset: U16,
}

/// A header that contradicts itself or its frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Malformed;

impl VnetHeader {
    /// The header for a frame of `len` bytes.
    pub(crate) fn for_transmit(meta: TxMeta, len: usize) -> Self {
        let mut header = Self::default();
        if let Some(PartialChecksum { start, offset }) = meta.checksum() {
            header.flags = NEEDS_CSUM;
            header.csum_start = U16::new(start);
            header.csum_offset = U16::new(offset);
        }
        // A frame that fits into one segment is no large one, and the kernel
        // would take exception to it.
        let large = meta.segmentation().filter(|s| len > usize::from(s.header_len) + usize::from(s.size.get()));
        if let Some(segmentation) = large {
            header.gso_type = match segmentation.kind {
                SegmentationKind::Tcp4 { cwr: false } => GSO_TCPV4,
                SegmentationKind::Tcp4 { cwr: true } => GSO_TCPV4 | GSO_ECN,
                SegmentationKind::Udp4 => GSO_UDP_L4,
            };
            header.gso_size = U16::new(segmentation.size.get());
            header.hdr_len = U16::new(segmentation.header_len);
        }
        header
    }

    /// What the header says of `frame`. With `believe` unset, a checksum that
    /// the device has verified counts as unchecked; one that was left out
    /// can't.
    pub(crate) fn on_receive(self, frame: &[u8], believe: bool) -> Result<RxMeta, Malformed> {
        let verdict = if self.flags & NEEDS_CSUM != 0 {
            let (start, offset) = (self.csum_start.get(), self.csum_offset.get());
            let end = usize::from(start) + usize::from(offset) + 2;
            if usize::from(start) < ETHERNET_LEN || end > frame.len() {
                return Err(Malformed);
            }
            ChecksumVerdict::Blank(PartialChecksum { start, offset })
        } else if self.flags & DATA_VALID != 0 && believe {
            ChecksumVerdict::Verified
        } else {
            ChecksumVerdict::Unchecked
        };
        let segment_size = match self.gso_type & !GSO_ECN {
            GSO_NONE => None,
            GSO_TCPV4 | GSO_UDP_L4 => Some(NonZeroU16::new(self.gso_size.get()).ok_or(Malformed)?),
            // Never asked for: IPv6, or UDP fragmentation.
            _ => return Err(Malformed),
        };
        Ok(RxMeta::NONE.with_checksum(verdict).with_segment_size(segment_size))
    }
}
