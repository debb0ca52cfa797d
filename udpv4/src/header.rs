//! The header of RFC 768.

use zerocopy::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of a header.
pub(crate) const HEADER_LEN: usize = size_of::<Header>();

/// Where in the header the checksum is, in bytes.
pub(crate) const CHECKSUM_OFFSET: u16 = core::mem::offset_of!(Header, checksum) as u16;

/// ```text
///  0      7 8     15 16    23 24    31
/// +--------+--------+--------+--------+
/// |     source      |   destination   |
/// +--------+--------+--------+--------+
/// |     length      |    checksum     |
/// +--------+--------+--------+--------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) source: U16,
    pub(crate) destination: U16,
    /// Header and payload, in bytes.
    pub(crate) length: U16,
    /// 0 where the sender made none.
    pub(crate) checksum: U16,
}
