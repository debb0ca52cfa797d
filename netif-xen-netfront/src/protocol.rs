//! What stands in a slot of a ring (`xen/include/public/io/netif.h`), in words
//! of 32 bits as they are loaded and stored, each half-word and byte in the
//! order of x86.
//!
//! `xen-sys` has none of it: it knows hypercalls, events and shared info.

use core::num::NonZeroU16;

use crate::GrantRef;

/// The frame's transport checksum holds a partial sum.
pub(crate) const TX_CHECKSUM_BLANK: u16 = 1 << 0;
/// The frame's data need no further check.
pub(crate) const TX_DATA_VALIDATED: u16 = 1 << 1;
/// The frame goes on in the next slot.
pub(crate) const TX_MORE_DATA: u16 = 1 << 2;
/// An extra info slot follows.
pub(crate) const TX_EXTRA_INFO: u16 = 1 << 3;

/// The frame's data need no further check.
pub(crate) const RX_DATA_VALIDATED: u16 = 1 << 0;
/// The frame's transport checksum holds a partial sum.
pub(crate) const RX_CHECKSUM_BLANK: u16 = 1 << 1;
/// The frame goes on in the next slot.
pub(crate) const RX_MORE_DATA: u16 = 1 << 2;
/// Extra info slots follow.
pub(crate) const RX_EXTRA_INFO: u16 = 1 << 3;

/// The answer to an extra info slot, which has no id.
const RESPONSE_NULL: i16 = 1;
const RESPONSE_OKAY: i16 = 0;

const EXTRA_TYPE_GSO: u8 = 1;
const EXTRA_TYPE_MAX: u8 = 5;
const EXTRA_FLAG_MORE: u8 = 1 << 0;
const GSO_TYPE_TCPV4: u8 = 1;

/// The size of a frame is told in 16 bits (`XEN_NETIF_MAX_TX_SIZE`).
pub(crate) const MAX_FRAME: usize = 0xffff;

/// Slots that every backend takes for one frame, extra info apart
/// (`XEN_NETIF_NR_SLOTS_MIN`).
pub(crate) const MAX_SLOTS: usize = 18;

const fn halves(low: u16, high: u16) -> u32 {
    low as u32 | (high as u32) << 16
}

const fn low(word: u32) -> u16 {
    word as u16
}

const fn high(word: u32) -> u16 {
    (word >> 16) as u16
}

/// A piece of a frame to send. In a frame's first piece, `size` is that of the
/// whole frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct TxRequest {
    pub(crate) grant: GrantRef,
    pub(crate) offset: u16,
    pub(crate) flags: u16,
    pub(crate) id: u16,
    pub(crate) size: u16,
}

impl TxRequest {
    pub(crate) const fn words(self) -> [u32; 3] {
        [self.grant.0, halves(self.offset, self.flags), halves(self.id, self.size)]
    }
}

/// The words of an extra info slot that asks for TCP segmentation.
pub(crate) const fn gso_words(size: NonZeroU16) -> [u32; 2] {
    let head = EXTRA_TYPE_GSO as u16;
    [halves(head, size.get()), GSO_TYPE_TCPV4 as u32]
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TxResponse {
    /// Of an extra info slot.
    Null,
    /// The piece with this id is sent.
    Okay(u16),
    /// The piece with this id is dropped.
    Failed(u16),
}

impl TxResponse {
    pub(crate) const fn from_word(word: u32) -> Self {
        match high(word) as i16 {
            RESPONSE_NULL => Self::Null,
            RESPONSE_OKAY => Self::Okay(low(word)),
            _ => Self::Failed(low(word)),
        }
    }
}

/// A page for what will be received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RxRequest {
    pub(crate) id: u16,
    pub(crate) grant: GrantRef,
}

impl RxRequest {
    pub(crate) const fn words(self) -> [u32; 2] {
        [self.id as u32, self.grant.0]
    }
}

/// A piece of a frame received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RxResponse {
    pub(crate) id: u16,
    pub(crate) offset: u16,
    pub(crate) flags: u16,
    /// Bytes, or an error below zero.
    pub(crate) status: i16,
}

impl RxResponse {
    pub(crate) const fn from_words([head, tail]: [u32; 2]) -> Self {
        Self { id: low(head), offset: high(head), flags: low(tail), status: high(tail) as i16 }
    }
}

/// An extra info slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extra {
    pub(crate) kind: ExtraKind,
    /// Another one follows.
    pub(crate) more: bool,
}

/// What an extra info slot says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ExtraKind {
    /// The frame consists of TCP segments over IPv4 of this size.
    Tcp4(NonZeroU16),
    /// Nothing that is of use here.
    Other,
    /// What was never asked for, or what has no meaning.
    Malformed,
}

impl Extra {
    pub(crate) const fn from_words([head, tail]: [u32; 2]) -> Self {
        let [kind, flags] = low(head).to_le_bytes();
        let kind = match kind {
            EXTRA_TYPE_GSO => match (NonZeroU16::new(high(head)), tail as u8) {
                (Some(size), GSO_TYPE_TCPV4) => ExtraKind::Tcp4(size),
                _ => ExtraKind::Malformed,
            },
            0 | EXTRA_TYPE_MAX.. => ExtraKind::Malformed,
            _ => ExtraKind::Other,
        };
        Self { kind, more: flags & EXTRA_FLAG_MORE != 0 }
    }
}
