//! One packet that is put together.

use core::net::Ipv4Addr;
use core::ops::Range;

use traits::{Cast, Instant, LinkCast, Packet, RxMeta};
use wire::Protocol;

use super::blocks::Blocks;
use crate::header::{HEADER_LEN, MAX_HEADER_LEN, MAX_PACKET_LEN, Parsed};
use crate::stats::Count;

/// What fragments of one packet have in common (RFC 791 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) src: Ipv4Addr,
    dst: Ipv4Addr,
    protocol: Protocol,
    identification: u16,
}

/// One fragment, its limits checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) key: Key,
    header: &'a [u8],
    payload: &'a [u8],
    start: usize,
    last: bool,
    tos: u8,
    ttl: u8,
    cast: Cast,
    link: LinkCast,
}

impl<'a> Piece<'a> {
    pub(super) fn new(parsed: &Parsed<'a>, cast: Cast, meta: RxMeta) -> Result<Self, Count> {
        let fields = parsed.fields;
        let (start, last) = (fields.fragmentation.offset(), !fields.fragmentation.more_fragments());
        let len = parsed.payload.len();
        if len == 0 || (!last && !len.is_multiple_of(8)) {
            return Err(Count::RxFragmentLength);
        }
        if HEADER_LEN + start + len > MAX_PACKET_LEN {
            return Err(Count::RxFragmentTooLong);
        }
        Ok(Self {
            key: Key {
                src: fields.src,
                dst: fields.dst,
                protocol: fields.protocol,
                identification: fields.identification,
            },
            header: parsed.header,
            payload: parsed.payload,
            start,
            last,
            tos: fields.tos,
            ttl: fields.ttl,
            cast,
            link: meta.link,
        })
    }

    fn range(&self) -> Range<usize> {
        self.start..self.start + self.payload.len()
    }
}

/// What becomes of the packet with a fragment more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(super) enum Inserted {
    /// Some are still missing.
    Incomplete,
    /// Nothing new.
    Duplicate,
    /// It is whole.
    Whole,
    /// It can't be put together any more.
    Broken(Count),
}

/// What an entry is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// Nothing; its buffer may still be read, and is borrowed then.
    Free,
    /// Fragments come in.
    Collecting,
    /// The packet is broken: what still comes of it is dropped (RFC 5722 §3
    /// drops also the fragments not yet received).
    Broken,
}

/// The place of one packet; its payload stands in a buffer beside it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    pub(super) key: Key,
    /// When it is given up.
    pub(super) expires: Instant,
    /// Grows with each use: the entry with the lowest was idle longest.
    pub(super) used: u64,
    /// The header of the first fragment; empty until that has come.
    header: [u8; MAX_HEADER_LEN],
    header_len: usize,
    /// Bytes of payload in the first fragment.
    first_len: usize,
    /// Bytes received.
    have: usize,
    /// The highest end seen.
    end: usize,
    /// Bytes of the whole payload, known from the last fragment on.
    total: Option<usize>,
    blocks: Blocks,
    /// Which of the four ECN codepoints were seen, a bit each.
    ecn: u8,
    tos: u8,
    ttl: u8,
    cast: Cast,
    link: LinkCast,
}

impl Entry {
    pub(super) const FREE: Self = Self {
        state: State::Free,
        key: Key {
            src: Ipv4Addr::UNSPECIFIED,
            dst: Ipv4Addr::UNSPECIFIED,
            protocol: Protocol(0),
            identification: 0,
        },
        expires: Instant::ZERO,
        used: 0,
        header: [0; MAX_HEADER_LEN],
        header_len: 0,
        first_len: 0,
        have: 0,
        end: 0,
        total: None,
        blocks: Blocks::NONE,
        ecn: 0,
        tos: 0,
        ttl: 0,
        cast: Cast::Unicast,
        link: LinkCast::Host,
    };

    /// Begins the packet that `piece` is a part of.
    pub(super) fn begin(&mut self, piece: &Piece<'_>, expires: Instant) {
        *self = Self { state: State::Collecting, key: piece.key, expires, cast: piece.cast, ..Self::FREE };
    }

    /// Puts a fragment into the packet's buffer.
    pub(super) fn insert(&mut self, piece: &Piece<'_>, buffer: &mut [u8]) -> Inserted {
        let range = piece.range();
        if let Err(reason) = self.check_end(&range, piece.last) {
            return Inserted::Broken(reason);
        }
        let Some(place) = buffer.get_mut(range.clone()) else {
            return Inserted::Broken(Count::RxFragmentNoBuffer);
        };
        if self.blocks.overlaps(range.clone()) {
            // Networks double packets; a doubled fragment says what is known
            // already. Anything else that overlaps is an attack (RFC 5722).
            let known = self.blocks.contains(range) && *place == *piece.payload;
            let agrees = !piece.last || self.total.is_some();
            return if known && agrees {
                Inserted::Duplicate
            } else {
                Inserted::Broken(Count::RxFragmentOverlap)
            };
        }
        place.copy_from_slice(piece.payload);
        self.blocks.insert(range.clone());
        self.have += piece.payload.len();
        self.end = self.end.max(range.end);
        self.ecn |= 1 << (piece.tos & 3);
        if piece.link != LinkCast::Host {
            self.link = piece.link;
        }
        if piece.last {
            self.total = Some(range.end);
        }
        if piece.start == 0 {
            self.take_first(piece);
        }
        self.finish()
    }

    /// Whether fragments agree on where the packet ends.
    fn check_end(&self, range: &Range<usize>, last: bool) -> Result<(), Count> {
        let agrees = match self.total {
            Some(total) if last => range.end == total,
            Some(total) => range.end <= total,
            None if last => range.end >= self.end,
            None => true,
        };
        if agrees { Ok(()) } else { Err(Count::RxFragmentMismatch) }
    }

    fn take_first(&mut self, piece: &Piece<'_>) {
        if let Some(header) = self.header.get_mut(..piece.header.len()) {
            header.copy_from_slice(piece.header);
            self.header_len = piece.header.len();
        }
        self.first_len = piece.payload.len();
        (self.tos, self.ttl) = (piece.tos, piece.ttl);
    }

    fn finish(&mut self) -> Inserted {
        // Nothing overlaps, so that as many bytes as the whole has are the
        // whole.
        if self.total != Some(self.have) {
            return Inserted::Incomplete;
        }
        if self.header_len + self.have > MAX_PACKET_LEN {
            return Inserted::Broken(Count::RxFragmentTooLong);
        }
        const NOT_ECT: u8 = 1;
        const CE: u8 = 1 << 3;
        if self.ecn & CE != 0 {
            // RFC 3168 §5.3: congestion met by one is met by the whole.
            if self.ecn & NOT_ECT != 0 {
                return Inserted::Broken(Count::RxFragmentEcn);
            }
            self.tos |= 3;
        }
        Inserted::Whole
    }

    /// What is known of the packet, without its bytes.
    pub(super) fn packet(&self) -> Packet<'static> {
        let mut packet = Packet::new(self.key.src, self.key.dst, self.key.protocol, &[]);
        packet.cast = self.cast;
        packet.ttl = self.ttl;
        packet.tos = self.tos;
        // No device's word on a checksum holds for the whole.
        packet.meta = RxMeta::NONE.with_link(self.link);
        packet
    }

    /// The header of the first fragment, empty if that has not come.
    pub(super) fn header(&self) -> ([u8; MAX_HEADER_LEN], usize) {
        (self.header, self.header_len)
    }

    /// Bytes of payload in the first fragment, if that has come.
    pub(super) fn first_len(&self) -> Option<usize> {
        (self.header_len > 0).then_some(self.first_len)
    }

    /// Bytes of payload received; of a whole packet, all.
    pub(super) fn len(&self) -> usize {
        self.have
    }
}
