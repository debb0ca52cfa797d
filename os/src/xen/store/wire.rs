//! Messages of xenstore (`io/xs_wire.h`).

use alloc::vec::Vec;

/// Bytes of a message's header: its kind, its request's number, its transaction
/// and the length of what follows, 32 bits each.
pub(super) const HEADER: usize = 16;

/// Bytes after the header at most.
pub(super) const PAYLOAD: usize = 4096;

/// Kinds of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(in super::super) enum Kind {
    Directory = 1,
    Read = 2,
    Watch = 4,
    Unwatch = 5,
    TransactionStart = 6,
    TransactionEnd = 7,
    Write = 11,
    Mkdir = 12,
    Remove = 13,
}

/// Kinds that only the daemon sends.
pub(super) const WATCH_EVENT: u32 = 15;
pub(super) const ERROR: u32 = 16;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) kind: u32,
    pub(super) request: u32,
    pub(super) transaction: u32,
    pub(super) len: u32,
}

impl Header {
    pub(super) fn bytes(self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        let words = [self.kind, self.request, self.transaction, self.len];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// `None` while there are not all bytes of it.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.get(..HEADER)?.as_chunks::<4>();
        match *words {
            [kind, request, transaction, len] => Some(Self {
                kind: u32::from_le_bytes(kind),
                request: u32::from_le_bytes(request),
                transaction: u32::from_le_bytes(transaction),
                len: u32::from_le_bytes(len),
            }),
            _ => None,
        }
    }
}

/// The payload of a request: its parts one after the other.
pub(super) fn payload(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// The texts of a list, each of which ends with a zero.
pub(super) fn texts(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&byte| byte == 0).filter_map(|text| text.strip_suffix(&[0]))
}

/// A number in decimal, as the daemon writes those of transactions and tokens.
pub(super) fn number(text: &[u8]) -> Option<u32> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
