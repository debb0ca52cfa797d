//! The TCP header (RFC 9293 §3.1).

use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use traits::RxMeta;
use wire::{Checksum, Protocol};
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Options;
use crate::segment::{Control, Ecn, Marks, Segment, Transmit};
use crate::{SeqNum, Window};

/// Bytes of the header without options.
pub const HEADER_LEN: usize = 20;

/// Bytes of the longest header.
const MAX_HEADER_LEN: usize = 60;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    pub(super) src_port: U16,
    pub(super) dst_port: U16,
    pub(super) seq: U32,
    pub(super) ack: U32,
    pub(super) data_offset: u8,
    pub(super) flags: u8,
    pub(super) window: U16,
    checksum: U16,
    urgent: U16,
}

/// Both ports of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Ports {
    /// The sender's.
    pub src: u16,
    /// The receiver's.
    pub dst: u16,
}

/// Why bytes are no segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeaderError {
    /// Shorter than its header, or a header shorter than 20 bytes.
    Truncated,
    /// The checksum is wrong.
    Checksum,
    /// SYN and FIN together, which mean nothing.
    Flags,
}

/// Reads the segment that `payload`, the payload of an IPv4 packet, carries.
///
/// The checksum is verified unless the device's word on it is good.
///
/// # Errors
///
/// See [`HeaderError`].
///
/// Inlined, so that the segment need not be moved, piece by piece written and
/// read as a whole.
#[inline(always)]
pub fn parse<'a>(
    src: Ipv4Addr,
    dst: Ipv4Addr,
    tos: u8,
    meta: &RxMeta,
    payload: &'a [u8],
) -> Result<(Ports, Segment<'a>), HeaderError> {
    let (header, rest) = Header::ref_from_prefix(payload).map_err(|_| HeaderError::Truncated)?;
    let options_len =
        usize::from(header.data_offset >> 4).checked_sub(HEADER_LEN / 4).ok_or(HeaderError::Truncated)? * 4;
    let (options, data) = rest.split_at_checked(options_len).ok_or(HeaderError::Truncated)?;
    if !meta.checksum.is_trusted() && !is_intact(src, dst, payload) {
        return Err(HeaderError::Checksum);
    }
    let flags = header.flags;
    // RST outweighs what stands beside it; SYN and FIN exclude each other.
    let control = match (flags & RST != 0, flags & SYN != 0, flags & FIN != 0) {
        (true, _, _) => Some(Control::Rst),
        (false, true, true) => return Err(HeaderError::Flags),
        (false, true, false) => Some(Control::Syn),
        (false, false, true) => Some(Control::Fin),
        (false, false, false) => None,
    };
    let mut segment = Segment {
        seq: SeqNum::new(header.seq.get()),
        ack: (flags & ACK != 0).then(|| SeqNum::new(header.ack.get())),
        window: Window(header.window.get()),
        control,
        marks: Marks::from_bits_truncate(flags),
        options: Options::NONE,
        ecn: Ecn::from_tos(tos),
        payload: data,
        segment_size: meta.segment_size,
    };
    segment.options.read(options);
    Ok((Ports { src: header.src_port.get(), dst: header.dst_port.get() }, segment))
}

/// Whether the checksum is right.
pub(crate) fn is_intact(src: Ipv4Addr, dst: Ipv4Addr, payload: &[u8]) -> bool {
    Checksum::pseudo(src, dst, Protocol::TCP, payload.len()).bytes(payload).finish() == 0
}

/// Writes header and options of `transmit` into the first
/// [`Transmit::header_len`] bytes of `buffer`, with the checksum field as
/// given. Returns the room left for the data; `None` (and nothing written)
/// when `buffer` is too short.
pub fn emit<'b>(
    transmit: &Transmit,
    ports: Ports,
    checksum: u16,
    buffer: &'b mut [u8],
) -> Option<&'b mut [u8]> {
    emit_of_len(transmit, transmit.header_len(), ports, checksum, buffer)
}

/// The same for who knows the `header_len`.
pub(crate) fn emit_of_len<'b>(
    transmit: &Transmit,
    header_len: usize,
    ports: Ports,
    checksum: u16,
    buffer: &'b mut [u8],
) -> Option<&'b mut [u8]> {
    let (head, data) = buffer.split_at_mut_checked(header_len)?;
    let (fixed, options) = head.split_at_mut_checked(HEADER_LEN)?;
    let control = match transmit.control {
        Some(Control::Syn) => SYN,
        Some(Control::Fin) => FIN,
        Some(Control::Rst) => RST,
        None => 0,
    };
    let ack = if transmit.ack.is_some() { ACK } else { 0 };
    let header = Header {
        src_port: ports.src.into(),
        dst_port: ports.dst.into(),
        seq: transmit.seq.value().into(),
        ack: transmit.ack.map_or(0, SeqNum::value).into(),
        data_offset: ((header_len / 4) << 4) as u8,
        flags: control | ack | transmit.marks.bits(),
        window: transmit.window.0.into(),
        checksum: checksum.into(),
        urgent: 0.into(),
    };
    header.write_to(fixed).ok()?;
    transmit.options.emit(options);
    Some(data)
}

/// The header of a large segment, for the pieces that it is cut into.
pub(crate) struct PieceHeader {
    /// That of the segment as a whole, and nothing behind it.
    bytes: [u8; MAX_HEADER_LEN],
    len: usize,
}

impl PieceHeader {
    pub(crate) fn new(transmit: &Transmit, header_len: usize, ports: Ports) -> Self {
        let mut bytes = [0; MAX_HEADER_LEN];
        emit_of_len(transmit, header_len, ports, 0, &mut bytes);
        Self { bytes, len: header_len }
    }

    /// Writes the header of the piece that begins at `seq` and fills `buffer`.
    /// Returns the room left for its data.
    #[inline]
    pub(crate) fn emit<'b>(
        &self,
        seq: SeqNum,
        is_first: bool,
        is_last: bool,
        checksum: u16,
        buffer: &'b mut [u8],
    ) -> Option<&'b mut [u8]> {
        match buffer.first_chunk_mut() {
            // A copy of fixed length; the data takes the place of what is too much.
            Some(most) => *most = self.bytes,
            None => self.copy_to(buffer)?,
        }
        let (fixed, _) = Header::mut_from_prefix(buffer).ok()?;
        fixed.seq = seq.value().into();
        fixed.checksum = checksum.into();
        if !is_first {
            // Once is enough (RFC 3168 §6.1.2).
            fixed.flags &= !Marks::CWR.bits();
        }
        if !is_last {
            fixed.flags &= !(FIN | SYN | RST | Marks::PSH.bits());
        }
        buffer.get_mut(self.len..)
    }

    #[cold]
    #[inline(never)]
    fn copy_to(&self, buffer: &mut [u8]) -> Option<()> {
        buffer.get_mut(..self.len)?.copy_from_slice(self.bytes.get(..self.len)?);
        Some(())
    }
}

/// The place of the checksum within the header, in bytes.
pub const CHECKSUM_OFFSET: u16 = 16;

/// A segment size as it goes into requests to the device.
pub(crate) const fn nonzero(size: u32) -> Option<NonZeroU16> {
    NonZeroU16::new(if size > u16::MAX as u32 { u16::MAX } else { size as u16 })
}
