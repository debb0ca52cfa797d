//! Checksums completed and large frames cut in software, as the hardware
//! would.
//!
//! Works in place on one contiguous frame, Ethernet header first, and
//! allocates nothing.

use core::fmt;
use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use traits::{PartialChecksum, Segmentation, SegmentationKind};
use wire::{Checksum, EtherType, Protocol, checksum};

/// A request that does not fit the frame that it came with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the offload request does not fit the frame")
    }
}

impl core::error::Error for Malformed {}

/// Completes a transport checksum whose field holds the sum of the
/// pseudo-header, whatever the transport.
///
/// UDP, known by the place of its field, gets `0xffff` for a sum of zero
/// (RFC 768).
///
/// # Errors
///
/// [`Malformed`] where the field lies outside the frame, which is left as it
/// was.
pub fn complete_checksum(frame: &mut [u8], request: PartialChecksum) -> Result<(), Malformed> {
    let summed = frame.get_mut(usize::from(request.start)..).ok_or(Malformed)?;
    let sum = Checksum::new().bytes(summed).finish();
    let offset = usize::from(request.offset);
    let sum = if sum == 0 && offset == field::UDP_CHECKSUM { 0xffff } else { sum };
    put(summed, offset, sum.to_be_bytes())
}

/// The longest headers that a frame to be cut may have: Ethernet with two
/// VLAN tags, IPv4 and TCP with all options.
const HEADERS: usize = 22 + 60 + 60;

/// Cuts a large frame and hands each piece to `emit`, in order, each with
/// headers, lengths, identification, sequence number and checksums of its own.
///
/// `frame` is used up: it holds arbitrary bytes afterwards.
///
/// # Errors
///
/// [`Malformed`] where the frame is not what `segmentation` says, before
/// anything was emitted.
pub fn cut(
    frame: &mut [u8],
    segmentation: Segmentation,
    mut emit: impl FnMut(&mut [u8]),
) -> Result<(), Malformed> {
    let layout = Layout::of(frame, segmentation)?;
    let headers = layout.payload;
    let mut saved = [0; HEADERS];
    let saved = saved.get_mut(..headers).ok_or(Malformed)?;
    saved.copy_from_slice(frame.get(..headers).ok_or(Malformed)?);

    let payload = frame.len() - headers;
    let size = usize::from(segmentation.size.get());
    let pieces = payload.div_ceil(size).max(1);
    for index in 0..pieces {
        // The headers go right before the piece's own payload, over the
        // payload of the piece before, which has gone out already.
        let start = index * size;
        let end = headers + payload.min(start + size);
        let piece = frame.get_mut(start..end).ok_or(Malformed)?;
        piece.get_mut(..headers).ok_or(Malformed)?.copy_from_slice(saved);
        layout.finish(piece, index, start, index + 1 == pieces)?;
        emit(piece);
    }
    Ok(())
}

/// How a large frame that was received would be cut into segments of `size`
/// bytes each: TCP or UDP over IPv4, by its headers.
///
/// # Errors
///
/// [`Malformed`] where the frame is neither.
pub fn describe(frame: &[u8], size: NonZeroU16) -> Result<Segmentation, Malformed> {
    let ip = ip_offset(frame)?;
    let [version_ihl] = get::<1>(frame, ip)?;
    let [protocol] = get::<1>(frame, ip + 9)?;
    let transport = ip + usize::from(version_ihl & 0x0f) * 4;
    let (kind, header) = match Protocol(protocol) {
        Protocol::TCP => {
            let [offset, flags] = get::<2>(frame, transport + 12)?;
            (SegmentationKind::Tcp4 { cwr: flags & CWR != 0 }, usize::from(offset >> 4) * 4)
        }
        Protocol::UDP => (SegmentationKind::Udp4, 8),
        _ => return Err(Malformed),
    };
    let segmentation = Segmentation { kind, size, header_len: (transport + header) as u16 };
    Layout::of(frame, segmentation).map(|_| segmentation)
}

/// Where the headers of a frame to be cut stand.
#[derive(Clone, Copy, Debug)]
struct Layout {
    ip: usize,
    transport: usize,
    payload: usize,
    kind: SegmentationKind,
}

/// Offsets within the headers (RFC 791 §3.1, RFC 9293 §3.1, RFC 768).
mod field {
    pub(super) const IP_TOTAL_LENGTH: usize = 2;
    pub(super) const IP_IDENTIFICATION: usize = 4;
    pub(super) const IP_CHECKSUM: usize = 10;
    pub(super) const IP_SOURCE: usize = 12;
    pub(super) const IP_DESTINATION: usize = 16;
    pub(super) const TCP_SEQUENCE: usize = 4;
    pub(super) const TCP_FLAGS: usize = 13;
    pub(super) const TCP_CHECKSUM: usize = 16;
    pub(super) const UDP_LENGTH: usize = 4;
    pub(super) const UDP_CHECKSUM: usize = 6;
}

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const CWR: u8 = 0x80;

impl Layout {
    fn of(frame: &[u8], segmentation: Segmentation) -> Result<Self, Malformed> {
        let ip = ip_offset(frame)?;
        let payload = usize::from(segmentation.header_len);
        let [version_ihl] = get::<1>(frame, ip)?;
        let [protocol] = get::<1>(frame, ip + 9)?;
        let transport = ip + usize::from(version_ihl & 0x0f) * 4;
        let (expected, header) = match segmentation.kind {
            SegmentationKind::Tcp4 { .. } => {
                let [data_offset] = get::<1>(frame, transport + 12)?;
                (Protocol::TCP, usize::from(data_offset >> 4) * 4)
            }
            SegmentationKind::Udp4 => (Protocol::UDP, 8),
        };
        let shortest = if expected == Protocol::TCP { 20 } else { 8 };
        let sound = version_ihl >> 4 == 4
            && transport >= ip + 20
            && protocol == expected.0
            && header >= shortest
            && transport + header == payload
            && payload <= frame.len().min(HEADERS);
        if sound { Ok(Self { ip, transport, payload, kind: segmentation.kind }) } else { Err(Malformed) }
    }

    /// Makes the headers of piece number `index` its own; its payload starts
    /// `offset` bytes into that of the large frame.
    fn finish(&self, piece: &mut [u8], index: usize, offset: usize, last: bool) -> Result<(), Malformed> {
        let transport_len = piece.len() - self.transport;
        match self.kind {
            SegmentationKind::Tcp4 { .. } => self.finish_tcp(piece, index, offset, last)?,
            SegmentationKind::Udp4 => {
                put(piece, self.transport + field::UDP_LENGTH, (transport_len as u16).to_be_bytes())?;
            }
        }
        let (protocol, field) = match self.kind {
            SegmentationKind::Tcp4 { .. } => (Protocol::TCP, field::TCP_CHECKSUM),
            SegmentationKind::Udp4 => (Protocol::UDP, field::UDP_CHECKSUM),
        };
        let source = Ipv4Addr::from(get::<4>(piece, self.ip + field::IP_SOURCE)?);
        let destination = Ipv4Addr::from(get::<4>(piece, self.ip + field::IP_DESTINATION)?);
        let pseudo = Checksum::pseudo(source, destination, protocol, transport_len).partial();
        put(piece, self.transport + field, pseudo.to_be_bytes())?;
        complete_checksum(piece, PartialChecksum { start: self.transport as u16, offset: field as u16 })?;
        self.finish_ip(piece, index)
    }

    fn finish_tcp(&self, piece: &mut [u8], index: usize, offset: usize, last: bool) -> Result<(), Malformed> {
        let at = self.transport + field::TCP_SEQUENCE;
        let sequence = u32::from_be_bytes(get(piece, at)?).wrapping_add(offset as u32);
        put(piece, at, sequence.to_be_bytes())?;
        // FIN and PSH concern the end of the data, CWR its beginning
        // (RFC 3168 §6.1.2).
        let at = self.transport + field::TCP_FLAGS;
        let [mut flags] = get::<1>(piece, at)?;
        if !last {
            flags &= !(FIN | PSH);
        }
        if index > 0 {
            flags &= !CWR;
        }
        put(piece, at, [flags])
    }

    fn finish_ip(&self, piece: &mut [u8], index: usize) -> Result<(), Malformed> {
        let total = (piece.len() - self.ip) as u16;
        put(piece, self.ip + field::IP_TOTAL_LENGTH, total.to_be_bytes())?;
        let at = self.ip + field::IP_IDENTIFICATION;
        let identification = u16::from_be_bytes(get(piece, at)?).wrapping_add(index as u16);
        put(piece, at, identification.to_be_bytes())?;
        put(piece, self.ip + field::IP_CHECKSUM, [0, 0])?;
        let sum = checksum(piece.get(self.ip..self.transport).ok_or(Malformed)?);
        put(piece, self.ip + field::IP_CHECKSUM, sum.to_be_bytes())
    }
}

/// Where the IPv4 header of a frame starts, behind up to two VLAN tags.
fn ip_offset(frame: &[u8]) -> Result<usize, Malformed> {
    let mut at = 12;
    for _ in 0..3 {
        match u16::from_be_bytes(get(frame, at)?) {
            0x8100 | 0x88a8 => at += 4,
            ethertype if ethertype == EtherType::IPV4.0 => return Ok(at + 2),
            _ => break,
        }
    }
    Err(Malformed)
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Malformed)
}

fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> Result<(), Malformed> {
    *bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut).ok_or(Malformed)? = value;
    Ok(())
}
