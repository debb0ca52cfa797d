//! The IPv4 header (RFC 791 §3.1): bytes to meaning and back.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |Version|  IHL  |  DSCP   |ECN  |          Total Length         |
//! +-------+-------+---------------+-----+-------------------------+
//! |         Identification        |0|D|M|     Fragment Offset     |
//! +---------------+---------------+-----+-------------------------+
//! |  Time to Live |    Protocol   |        Header Checksum        |
//! +---------------+---------------+-------------------------------+
//! |                         Source Address                        |
//! +---------------------------------------------------------------+
//! |                      Destination Address                      |
//! +---------------------------------------------------------------+
//! |                   Options, 0 to 40 bytes                      |
//! +---------------------------------------------------------------+
//! ```

use core::net::Ipv4Addr;

use wire::{Protocol, checksum, header_checksum};
use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::stats::Count;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Bytes of the longest header.
pub const MAX_HEADER_LEN: usize = 60;
/// Bytes of the longest packet, header included.
pub const MAX_PACKET_LEN: usize = 65_535;

/// The fixed part of a header as it stands on the wire.
#[derive(Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Raw {
    version_ihl: u8,
    tos: u8,
    total_length: U16,
    identification: U16,
    fragment: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    src: [u8; 4],
    dst: [u8; 4],
}

/// Flags and fragment offset, one field on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fragmentation(u16);

impl Fragmentation {
    const DONT_FRAGMENT: u16 = 0x4000;
    const MORE_FRAGMENTS: u16 = 0x2000;
    const OFFSET: u16 = 0x1fff;

    /// A whole packet that may be cut.
    pub const NONE: Self = Self(0);
    /// A whole packet that may not be cut.
    pub const FORBIDDEN: Self = Self(Self::DONT_FRAGMENT);

    /// A fragment that starts at `offset` bytes, rounded down to a multiple
    /// of 8; `more`: it is not the last.
    pub const fn new(offset: u16, more: bool) -> Self {
        Self((offset / 8) | if more { Self::MORE_FRAGMENTS } else { 0 })
    }

    /// Whether the packet may not be cut.
    pub const fn dont_fragment(self) -> bool {
        self.0 & Self::DONT_FRAGMENT != 0
    }

    /// Whether fragments follow.
    pub const fn more_fragments(self) -> bool {
        self.0 & Self::MORE_FRAGMENTS != 0
    }

    /// Where the fragment starts in the packet's payload, in bytes.
    pub const fn offset(self) -> usize {
        (self.0 & Self::OFFSET) as usize * 8
    }

    /// Whether the packet is a part of a larger one.
    pub const fn is_fragment(self) -> bool {
        self.0 & (Self::MORE_FRAGMENTS | Self::OFFSET) != 0
    }
}

/// The meaning of a header, options left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderFields {
    /// DSCP and ECN.
    pub tos: u8,
    /// Which packet fragments belong to.
    pub identification: u16,
    /// Flags and offset.
    pub fragmentation: Fragmentation,
    /// Hops left.
    pub ttl: u8,
    /// The protocol of the payload.
    pub protocol: Protocol,
    /// Who sends.
    pub src: Ipv4Addr,
    /// Whom it is for.
    pub dst: Ipv4Addr,
}

impl HeaderFields {
    /// A header with `ttl` 64 and all else zero.
    pub const fn new(src: Ipv4Addr, dst: Ipv4Addr, protocol: Protocol) -> Self {
        Self { tos: 0, identification: 0, fragmentation: Fragmentation::NONE, ttl: 64, protocol, src, dst }
    }

    /// Writes the header to the start of `out`, checksum included, for
    /// `payload_len` bytes that follow it. `options` are copied as they are:
    /// a multiple of 4 bytes, 40 at most.
    ///
    /// Returns the header's length; `None`, with nothing of use written, when
    /// `out` is too short, the options have no such length, or the packet
    /// would be longer than 65,535 bytes.
    #[inline]
    pub fn encode(&self, out: &mut [u8], options: &[u8], payload_len: usize) -> Option<usize> {
        let header_len = HEADER_LEN + options.len();
        if header_len > MAX_HEADER_LEN || !header_len.is_multiple_of(4) {
            return None;
        }
        let total_length = u16::try_from(header_len + payload_len).ok()?;
        let header = out.get_mut(..header_len)?;
        let mut raw = Raw {
            version_ihl: 0x40 | (header_len / 4) as u8,
            tos: self.tos,
            total_length: total_length.into(),
            identification: self.identification.into(),
            fragment: self.fragmentation.0.into(),
            ttl: self.ttl,
            protocol: self.protocol.0,
            checksum: 0.into(),
            src: self.src.octets(),
            dst: self.dst.octets(),
        };
        if options.is_empty() {
            let bytes: &[u8; HEADER_LEN] = zerocopy::transmute_ref!(&raw);
            raw.checksum = header_checksum(bytes).into();
            raw.write_to(header).ok()?;
        } else {
            let (fixed, rest) = header.split_at_mut_checked(HEADER_LEN)?;
            raw.write_to(fixed).ok()?;
            rest.copy_from_slice(options);
            let sum = checksum(header);
            header.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
        }
        Some(header_len)
    }
}

/// A packet taken apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<'a> {
    pub(crate) fields: HeaderFields,
    /// The header with its options: 20 to 60 bytes.
    pub(crate) header: &'a [u8],
    /// The payload, without the padding of the frame.
    pub(crate) payload: &'a [u8],
}

impl Raw {
    #[inline]
    fn fields(&self) -> HeaderFields {
        HeaderFields {
            tos: self.tos,
            identification: self.identification.get(),
            fragmentation: Fragmentation(self.fragment.get()),
            ttl: self.ttl,
            protocol: Protocol(self.protocol),
            src: self.src.into(),
            dst: self.dst.into(),
        }
    }

    #[inline]
    fn header_len(&self) -> Result<usize, Count> {
        if self.version_ihl >> 4 != 4 {
            return Err(Count::RxVersion);
        }
        match usize::from(self.version_ihl & 0xf) * 4 {
            len @ HEADER_LEN.. => Ok(len),
            _ => Err(Count::RxHeaderLength),
        }
    }
}

/// Takes a received packet apart, verified as RFC 1122 §3.2.1 asks.
#[inline(always)]
pub(crate) fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Count> {
    let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| Count::RxTruncated)?;
    let header_len = raw.header_len()?;
    let total = usize::from(raw.total_length.get());
    let packet = bytes.get(..total).ok_or(Count::RxTotalLength)?;
    let (header, payload) = packet.split_at_checked(header_len).ok_or(Count::RxTotalLength)?;
    match <&[u8; HEADER_LEN]>::try_from(header) {
        Ok(header) if header_checksum(header) == 0 => {}
        Ok(_) => return Err(Count::RxChecksum),
        Err(_) => check_long(header)?,
    }
    Ok(Parsed { fields: raw.fields(), header, payload })
}

/// The same for a packet as nearly all are: without options, and no fragment.
/// `None` for any other, one with an error included.
#[inline(always)]
pub(crate) fn parse_plain(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (raw, _) = Raw::ref_from_prefix(bytes).ok()?;
    let packet = bytes.get(..usize::from(raw.total_length.get()))?;
    let (header, payload) = packet.split_first_chunk::<HEADER_LEN>()?;
    let fields = raw.fields();
    let is_plain =
        raw.version_ihl == 0x45 && !fields.fragmentation.is_fragment() && header_checksum(header) == 0;
    is_plain.then_some(Parsed { fields, header, payload })
}

/// A quoted packet, of which the start is all there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    pub(crate) fields: HeaderFields,
    /// The length that the packet had, header included.
    pub(crate) total_length: u16,
    /// What there is of its payload.
    pub(crate) payload: &'a [u8],
}

/// Takes apart the packet that an ICMP error quotes. Its checksum is not
/// looked at: routers on the way have changed the header without care.
pub(crate) fn parse_quote(bytes: &[u8]) -> Option<Quoted<'_>> {
    let (raw, _) = Raw::ref_from_prefix(bytes).ok()?;
    let header_len = raw.header_len().ok()?;
    let total_length = raw.total_length.get();
    let available = bytes.get(..usize::from(total_length)).unwrap_or(bytes);
    Some(Quoted { fields: raw.fields(), total_length, payload: available.get(header_len..)? })
}

/// Verifies a header with options.
#[cold]
#[inline(never)]
fn check_long(header: &[u8]) -> Result<(), Count> {
    if checksum(header) != 0 {
        return Err(Count::RxChecksum);
    }
    check_options(header.get(HEADER_LEN..).unwrap_or_default())
}

/// Walks the options of a received header (RFC 791 §3.1).
fn check_options(mut options: &[u8]) -> Result<(), Count> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let Some((&kind, rest)) = options.split_first() {
        options = match kind {
            END => return Ok(()),
            NO_OPERATION => rest,
            // Every host that obeys one is a relay for whoever forges it.
            LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => return Err(Count::RxSourceRoute),
            _ => match rest.first() {
                Some(&len @ 2..) => options.get(usize::from(len)..).ok_or(Count::RxOptions)?,
                Some(_) | None => return Err(Count::RxOptions),
            },
        };
    }
    Ok(())
}
