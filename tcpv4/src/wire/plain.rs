//! The header that nearly all segments have, told by three of its words.

use core::num::NonZeroU16;

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::Ports;
use super::header::Header;
use crate::segment::Plain;
use crate::{SeqNum, Window};

/// The timestamps alone, as everybody pads them (RFC 7323, appendix A).
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Timestamps {
    kind: U32,
    value: U32,
    echo: U32,
}

/// NOP, NOP, kind 8, 10 bytes.
const TIMESTAMPS: u32 = 0x0101_080a;
const PSH: u16 = 0x0008;
/// ACK and perhaps PSH, behind a header of 20 bytes and of 32.
const WITHOUT: u16 = 0x5010;
const WITH: u16 = 0x8010;

/// What length and flags of a plain segment's header say.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    has_timestamps: bool,
    is_last: bool,
}

/// The kind of a segment, if it may be a plain one.
#[inline(always)]
pub(crate) fn kind(payload: &[u8]) -> Option<Kind> {
    let (header, _) = Header::ref_from_prefix(payload).ok()?;
    let flags = u16::from_be_bytes([header.data_offset, header.flags]);
    let has_timestamps = match flags & !PSH {
        WITH => true,
        WITHOUT => false,
        _ => return None,
    };
    Some(Kind { has_timestamps, is_last: flags & PSH != 0 })
}

/// Reads a segment of that kind where it is a plain one: the same as
/// [`parse`](super::parse) would, but that the checksum was not looked at.
#[inline(always)]
pub(crate) fn plain(
    payload: &[u8],
    kind: Kind,
    segment_size: Option<NonZeroU16>,
) -> Option<(Ports, Plain<'_>)> {
    let (header, rest) = Header::ref_from_prefix(payload).ok()?;
    let (ts_value, payload) = if kind.has_timestamps {
        let (option, payload) = Timestamps::ref_from_prefix(rest).ok()?;
        if option.kind.get() != TIMESTAMPS {
            return None;
        }
        (Some(option.value.get()), payload)
    } else {
        (None, rest)
    };
    let plain = Plain {
        seq: SeqNum::new(header.seq.get()),
        ack: SeqNum::new(header.ack.get()),
        window: Window(header.window.get()),
        ts_value,
        is_last: kind.is_last,
        payload,
        segment_size,
    };
    Some((Ports { src: header.src_port.get(), dst: header.dst_port.get() }, plain))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::net::Ipv4Addr;
    use std::vec::Vec;

    use proptest::prelude::*;
    use traits::{ChecksumVerdict, RxMeta};

    use super::*;
    use crate::wire::parse;

    /// Headers that are plain but for some bytes.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let offset = prop_oneof![4 => Just(0x80u8), 2 => Just(0x50), 1 => any::<u8>()];
        let flags = prop_oneof![4 => Just(0x10u8), 4 => Just(0x18), 1 => any::<u8>()];
        let spoilt = prop::collection::vec((0usize..40, any::<u8>()), 0..2);
        (any::<[u8; 12]>(), offset, flags, any::<[u8; 16]>(), 0usize..50, spoilt).prop_map(
            |(head, offset, flags, rest, len, spoilt)| {
                let mut bytes = head.to_vec();
                bytes.extend([offset, flags]);
                bytes.extend(rest.first_chunk::<6>().unwrap());
                bytes.extend([1, 1, 8, 10]);
                bytes.extend(rest.last_chunk::<8>().unwrap());
                bytes.extend([7; 18]);
                bytes.truncate(len);
                for (at, byte) in spoilt {
                    if let Some(place) = bytes.get_mut(at) {
                        *place = byte;
                    }
                }
                bytes
            },
        )
    }

    proptest! {
        /// What is taken for plain is what the options one by one say.
        #[test]
        fn is_what_parsing_makes_of_it(bytes in bytes(), size: u16) {
            let (src, dst) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
            let size = NonZeroU16::new(size);
            let meta =
                RxMeta::NONE.with_checksum(ChecksumVerdict::Verified).with_segment_size(size);
            let parsed = parse(src, dst, 0, &meta, &bytes).ok();
            let by_parsing = parsed.and_then(|(ports, segment)| Some((ports, segment.plain()?)));
            let at_once = kind(&bytes).and_then(|kind| plain(&bytes, kind, size));
            match (at_once, by_parsing) {
                (Some(plain), by_parsing) => prop_assert_eq!(Some(plain), by_parsing),
                (None, None) => {}
                // Padded otherwise, or with bits that mean nothing.
                (None, Some(_)) => {
                    let is_usual =
                        matches!((bytes[12], &bytes[20..]), (0x50, _) | (0x80, [1, 1, 8, 10, ..]));
                    prop_assert!(!is_usual, "{:?}", bytes);
                }
            }
        }
    }
}
