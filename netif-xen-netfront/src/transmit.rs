//! The transmit side: the pool of pages, and a ring for each queue.

use core::num::NonZeroU16;

use traits::{PartialChecksum, SegmentationKind, TxMeta};
use wire::Checksum;

use crate::counters::Breach;
use crate::frame::{self, ETHERNET_HEADER};
use crate::hypervisor::PAGE;
use crate::pool::{Pool, Reserved};
use crate::protocol::{
    TX_CHECKSUM_BLANK, TX_DATA_VALIDATED, TX_EXTRA_INFO, TX_MORE_DATA, TxRequest, TxResponse, gso_words,
};
use crate::ring::FrontRing;
use crate::{GrantRef, Hypervisor, Shared};

/// Frames on their way to the backend.
pub(crate) struct Transmit<H: Hypervisor, const QUEUES: usize> {
    pub(crate) pool: Pool<H::Outgoing>,
    pub(crate) queues: heapless::Vec<TxQueue<H::Shared>, QUEUES>,
    /// Frames answered with an error since this was last asked for.
    failed: u64,
}

/// One ring.
#[derive(Debug)]
pub(crate) struct TxQueue<S> {
    ring: FrontRing<S, 3>,
    /// Extra info slots that are not answered.
    extras: u32,
}

/// A frame that is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Filled {
    pub(crate) len: usize,
    flags: u16,
    segment_size: Option<NonZeroU16>,
    hash: u32,
}

/// What became of a frame once it was filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Sent {
    /// Put on the ring; so many bytes.
    Put(usize),
    /// It has no bytes.
    Nothing,
    /// It can't be sent.
    Refused,
}

impl<S: Shared> TxQueue<S> {
    pub(crate) fn new(page: S) -> Self {
        Self { ring: FrontRing::new(page), extras: 0 }
    }

    pub(crate) fn grant(&self) -> Option<GrantRef> {
        self.ring.grant()
    }

    /// Lets the backend see what was put; whether it wants an event.
    #[must_use]
    pub(crate) fn publish(&mut self) -> bool {
        self.ring.publish_and_check()
    }
}

impl<H: Hypervisor, const QUEUES: usize> Transmit<H, QUEUES> {
    pub(crate) fn new(pool: Pool<H::Outgoing>) -> Self {
        Self { pool, queues: heapless::Vec::new(), failed: 0 }
    }

    /// Forgets all frames, for a backend that begins anew.
    pub(crate) fn reset(&mut self) {
        self.pool.reset();
        for queue in &mut self.queues {
            queue.ring.reset();
            queue.extras = 0;
        }
    }

    /// Space for a frame of `len` bytes, looking at what the backend has
    /// answered if need be.
    pub(crate) fn reserve(&mut self, len: usize, large: bool) -> Result<Option<Reserved>, Breach> {
        let slots = slots(len, large);
        if let Some(frame) = self.try_reserve(len, slots) {
            return Ok(Some(frame));
        }
        self.reap()?;
        Ok(self.try_reserve(len, slots))
    }

    fn try_reserve(&mut self, len: usize, slots: usize) -> Option<Reserved> {
        if self.has_slots(slots) { self.pool.reserve(len) } else { None }
    }

    /// Whether each queue has so many slots: which one a frame goes to is
    /// known only when it is filled.
    fn has_slots(&self, slots: usize) -> bool {
        !self.queues.is_empty() && self.queues.iter().all(|queue| queue.ring.free() as usize >= slots)
    }

    /// Whether there is room for a frame of `len` bytes.
    pub(crate) fn has_room(&self, len: usize, large: bool) -> bool {
        self.has_slots(slots(len, large)) && self.pool.has_room(len)
    }

    /// Has `fill` fill the frame, and puts it on a ring.
    pub(crate) fn send(
        &mut self,
        frame: Reserved,
        len: usize,
        meta: TxMeta,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Sent {
        let filled = self.pool.fill(frame, len, |buffer| {
            let used = fill(buffer).min(len);
            finish(buffer.get_mut(..used).unwrap_or_default(), meta)
        });
        let Some(Some(filled)) = filled else {
            self.pool.shrink(frame, 0);
            return Sent::Refused;
        };
        self.pool.shrink(frame, filled.len);
        if filled.len == 0 {
            return Sent::Nothing;
        }
        if self.put(frame, filled).is_none() {
            self.pool.shrink(frame, 0);
            return Sent::Refused;
        }
        Sent::Put(filled.len)
    }

    /// Puts the requests of a frame on the ring of its flow. `None`, and
    /// nothing is put, where a page has no grant, which can't be.
    fn put(&mut self, frame: Reserved, filled: Filled) -> Option<()> {
        let index = filled.hash as usize % self.queues.len().max(1);
        let queue = self.queues.get_mut(index)?;
        let (start, end) = (frame.start(), frame.start() + filled.len);
        self.pool.grant(start)?;
        self.pool.grant(end - 1)?;
        let mut at = start;
        let mut pieces = 0;
        while at < end {
            let piece_end = end.min((at / PAGE + 1) * PAGE);
            let first = at == start;
            let mut flags = if first { filled.flags } else { 0 };
            if piece_end < end {
                flags |= TX_MORE_DATA;
            }
            let size = if first { filled.len } else { piece_end - at };
            let grant = self.pool.grant(at)?;
            let request =
                TxRequest { grant, offset: (at % PAGE) as u16, flags, id: frame.id, size: size as u16 };
            queue.ring.put(request.words());
            if let Some(size) = filled.segment_size
                && first
            {
                queue.ring.put(gso_words(size));
                queue.extras += 1;
            }
            pieces += 1;
            at = piece_end;
        }
        self.pool.sent(frame, index as u8, pieces);
        Some(())
    }

    /// Takes all answers that are there.
    pub(crate) fn reap(&mut self) -> Result<(), Breach> {
        for (index, queue) in self.queues.iter_mut().enumerate() {
            let available = queue.ring.available().map_err(|_| Breach::ProducerJumped)?;
            for ahead in 0..available {
                let [word] = queue.ring.response(ahead);
                match TxResponse::from_word(word) {
                    TxResponse::Null => {
                        queue.extras = queue.extras.checked_sub(1).ok_or(Breach::TxNull)?;
                    }
                    TxResponse::Okay(id) => {
                        self.pool.answered(id, index as u8).map_err(|_| Breach::TxId)?;
                    }
                    TxResponse::Failed(id) => {
                        let last = self.pool.answered(id, index as u8).map_err(|_| Breach::TxId)?;
                        self.failed += u64::from(last);
                    }
                }
            }
            queue.ring.consume(available);
        }
        Ok(())
    }

    /// Frames answered with an error since this was last asked for.
    pub(crate) fn take_failed(&mut self) -> u64 {
        core::mem::take(&mut self.failed)
    }

    /// Asks for an event when half of what is out is answered; whether it is
    /// already.
    #[must_use]
    pub(crate) fn arm(&self) -> bool {
        let arm = |ring: &FrontRing<H::Shared, 3>| match ring.in_flight() {
            0 => false,
            out => ring.arm(out.div_ceil(2)),
        };
        // Each is armed, whatever the others say.
        self.queues.iter().filter(|queue| arm(&queue.ring)).count() > 0
    }
}

/// Slots that a frame of `len` bytes takes.
const fn slots(len: usize, large: bool) -> usize {
    len.div_ceil(PAGE) + large as usize
}

/// The flags for a filled frame; `None` for a request that does not fit it.
///
/// A checksum that the backend would not find is completed here, one of another
/// protocol or of a fragment.
fn finish(frame: &mut [u8], meta: TxMeta) -> Option<Filled> {
    let mut filled = Filled { len: frame.len(), flags: 0, segment_size: None, hash: frame::flow_hash(frame) };
    if frame.is_empty() {
        return Some(filled);
    }
    if frame.len() < ETHERNET_HEADER {
        return None;
    }
    // A frame that fits one segment is no large one.
    let segmentation = meta
        .segmentation()
        .filter(|large| frame.len() > usize::from(large.header_len).saturating_add(large.size.get().into()));
    match meta.checksum() {
        Some(place) if frame::transport_checksum(frame) == Some(place) => {
            filled.flags = TX_CHECKSUM_BLANK | TX_DATA_VALIDATED;
        }
        Some(place) if segmentation.is_none() => complete(frame, place)?,
        None if segmentation.is_none() => {}
        Some(_) | None => return None,
    }
    if let Some(large) = segmentation {
        match large.kind {
            SegmentationKind::Tcp4 { .. } => {}
            SegmentationKind::Udp4 => return None,
        }
        filled.flags |= TX_EXTRA_INFO;
        filled.segment_size = Some(large.size);
    }
    Some(filled)
}

/// Completes a checksum in software.
fn complete(frame: &mut [u8], place: PartialChecksum) -> Option<()> {
    const UDP_OFFSET: u16 = 6;
    let summed = frame.get_mut(usize::from(place.start)..)?;
    let sum = Checksum::new().bytes(summed).finish();
    // RFC 768: a sum of zero is sent as all ones.
    let sum = if sum == 0 && place.offset == UDP_OFFSET { 0xffff } else { sum };
    *summed.get_mut(usize::from(place.offset)..)?.first_chunk_mut()? = sum.to_be_bytes();
    Some(())
}
