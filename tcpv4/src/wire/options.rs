//! TCP options (RFC 9293 §3.2, RFC 7323, RFC 2018).

use crate::{Mss, SeqNum, WindowScale};

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Blocks that fit into the 40 bytes of options.
pub const MAX_SACK_BLOCKS: usize = 4;

/// The options that this implementation knows; all others are skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The largest segment that the sender takes, its floor applied.
    pub mss: Option<Mss>,
    /// The sender scales its windows by this, and offers to take scaled ones.
    pub window_scale: Option<WindowScale>,
    /// The sender understands selective acknowledgements.
    pub sack_permitted: bool,
    /// Timestamps (RFC 7323 §3).
    pub timestamps: Option<Timestamps>,
    /// Selective acknowledgements.
    pub sack: SackBlocks,
}

/// The timestamps option.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timestamps {
    /// TSval: the sender's clock.
    pub value: u32,
    /// TSecr: the latest of the receiver's that the sender has seen.
    pub echo: u32,
}

/// A block of data that has arrived out of order: `start` up to `end`, which
/// is not part of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SackBlock {
    /// The first sequence number.
    pub start: SeqNum,
    /// The one after the last.
    pub end: SeqNum,
}

/// Up to [`MAX_SACK_BLOCKS`] blocks, as they stand on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct SackBlocks {
    blocks: [SackBlock; MAX_SACK_BLOCKS],
    len: u8,
}

impl PartialEq for SackBlocks {
    /// What was cut off does not count.
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for SackBlocks {}

impl SackBlocks {
    /// None.
    pub const NONE: Self =
        Self { blocks: [SackBlock { start: SeqNum::new(0), end: SeqNum::new(0) }; MAX_SACK_BLOCKS], len: 0 };

    /// Adds a block, unless there are as many as fit.
    pub fn push(&mut self, block: SackBlock) {
        if let Some(place) = self.blocks.get_mut(usize::from(self.len)) {
            *place = block;
            self.len += 1;
        }
    }

    /// The blocks.
    #[inline]
    pub fn as_slice(&self) -> &[SackBlock] {
        self.blocks.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that they take in a header, padding included.
    #[inline]
    pub const fn encoded_len(&self) -> usize {
        if self.is_empty() { 0 } else { 4 + 8 * self.len as usize }
    }

    /// Keeps the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.len = self.len.min(count as u8);
    }
}

impl Options {
    /// None.
    pub const NONE: Self =
        Self { mss: None, window_scale: None, sack_permitted: false, timestamps: None, sack: SackBlocks::NONE };

    /// Reads options.
    ///
    /// Reading stops at the first one whose length is impossible; those before
    /// it count. An option of a known kind with a wrong length is skipped.
    pub fn parse(bytes: &[u8]) -> Self {
        let mut options = Self::NONE;
        options.read(bytes);
        options
    }

    /// The same, into a place where there are none: to move them costs.
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8]) {
        // What almost every segment of an established connection has.
        if let &[NOP, NOP, TIMESTAMPS, 10, a, b, c, d, e, f, g, h] = bytes {
            self.timestamps = Some(Timestamps::from_bytes([a, b, c, d, e, f, g, h]));
        } else {
            self.read_any(bytes);
        }
    }

    #[inline(never)]
    fn read_any(&mut self, mut bytes: &[u8]) {
        while let Some((&kind, rest)) = bytes.split_first() {
            if kind == END {
                break;
            }
            if kind == NOP {
                bytes = rest;
                continue;
            }
            // The length counts kind and length (RFC 9293 §3.2): 2 at least.
            let Some((&len, rest)) = rest.split_first() else { break };
            let Some((body, rest)) = usize::from(len).checked_sub(2).and_then(|len| rest.split_at_checked(len))
            else {
                break;
            };
            self.take(kind, body);
            bytes = rest;
        }
    }

    fn take(&mut self, kind: u8, body: &[u8]) {
        match (kind, body) {
            (MSS, &[high, low]) => self.mss = Some(Mss::new(u16::from_be_bytes([high, low]))),
            (WINDOW_SCALE, &[shift]) => self.window_scale = Some(WindowScale::new(shift)),
            (SACK_PERMITTED, &[]) => self.sack_permitted = true,
            (TIMESTAMPS, body) => {
                if let Ok(body) = body.try_into() {
                    self.timestamps = Some(Timestamps::from_bytes(body));
                }
            }
            (SACK, body) => {
                let (blocks, ragged) = body.as_chunks::<8>();
                if ragged.is_empty() {
                    blocks.iter().for_each(|block| self.sack.push(SackBlock::from_bytes(*block)));
                }
            }
            _ => {}
        }
    }

    /// Bytes on the wire, padding included: a multiple of 4, at most 40.
    pub fn encoded_len(&self) -> usize {
        let mss = if self.mss.is_some() { 4 } else { 0 };
        let timestamps = if self.timestamps.is_some() { 12 } else { 0 };
        // Beside timestamps, SACK-permitted takes the place of their padding.
        let sack_permitted = if self.sack_permitted && self.timestamps.is_none() { 4 } else { 0 };
        let window_scale = if self.window_scale.is_some() { 4 } else { 0 };
        mss + timestamps + sack_permitted + window_scale + self.sack.encoded_len()
    }

    /// Writes the options in the order of Linux: MSS, SACK-permitted,
    /// timestamps, NOP, window scale; NOP NOP before timestamps (where
    /// SACK-permitted does not pad them) and before SACK blocks.
    ///
    /// `buffer` is [`Options::encoded_len`] bytes long; nothing is written
    /// past it.
    pub fn emit(&self, buffer: &mut [u8]) {
        // What almost every segment of an established connection has.
        if let Some(timestamps) = self.timestamps
            && let Ok(alone) = <&mut [u8; 12]>::try_from(&mut *buffer)
            && !self.sack_permitted
        {
            alone.copy_from_slice(&timestamps.to_bytes());
            return;
        }
        let mut out = Writer(buffer);
        if let Some(mss) = self.mss {
            let [high, low] = mss.bytes().to_be_bytes();
            out.put([MSS, 4, high, low]);
        }
        match (self.timestamps, self.sack_permitted) {
            (Some(timestamps), permitted) => {
                out.put(if permitted {
                    [SACK_PERMITTED, 2, TIMESTAMPS, 10]
                } else {
                    [NOP, NOP, TIMESTAMPS, 10]
                });
                out.put(timestamps.value.to_be_bytes());
                out.put(timestamps.echo.to_be_bytes());
            }
            (None, true) => out.put([NOP, NOP, SACK_PERMITTED, 2]),
            (None, false) => {}
        }
        if let Some(scale) = self.window_scale {
            out.put([NOP, WINDOW_SCALE, 3, scale.shift()]);
        }
        let blocks = self.sack.as_slice();
        if !blocks.is_empty() {
            out.put([NOP, NOP, SACK, (2 + 8 * blocks.len()) as u8]);
            for block in blocks {
                out.put(block.start.value().to_be_bytes());
                out.put(block.end.value().to_be_bytes());
            }
        }
    }
}

impl Timestamps {
    /// The option alone, with its padding.
    #[inline]
    const fn to_bytes(self) -> [u8; 12] {
        let [a, b, c, d] = self.value.to_be_bytes();
        let [e, f, g, h] = self.echo.to_be_bytes();
        [NOP, NOP, TIMESTAMPS, 10, a, b, c, d, e, f, g, h]
    }

    fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) }
    }
}

impl SackBlock {
    /// From `start` up to `end`.
    pub const fn new(start: SeqNum, end: SeqNum) -> Self {
        Self { start, end }
    }

    fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        let (start, end) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        Self { start: SeqNum::new(start), end: SeqNum::new(end) }
    }
}

/// Writes words of four bytes one after the other.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, word: [u8; 4]) {
        if let Some((place, rest)) = core::mem::take(&mut self.0).split_first_chunk_mut() {
            *place = word;
            self.0 = rest;
        }
    }
}
