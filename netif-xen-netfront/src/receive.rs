//! The receive side of a queue: its ring, and the pages that the backend
//! writes to.

use core::num::NonZeroU16;

use traits::{ChecksumVerdict, RxMeta};

use crate::counters::{Breach, RxDrop};
use crate::frame::{self, ETHERNET_HEADER};
use crate::hypervisor::PAGE;
use crate::protocol::{
    Extra, ExtraKind, MAX_SLOTS, RX_CHECKSUM_BLANK, RX_DATA_VALIDATED, RX_EXTRA_INFO, RX_MORE_DATA, RxRequest,
    RxResponse,
};
use crate::ring::{FrontRing, SLOTS};
use crate::{GrantRef, Shared};

/// A queue's ring and its pages.
///
/// Responses come in the order of their requests, since one that carries extra
/// info has no id (`netif.h`). So request number `n` always has the page
/// `n mod pages`, and there is nothing to keep.
#[derive(Debug)]
pub(crate) struct RxQueue<S> {
    ring: FrontRing<S, 2>,
    pages: S,
    /// A power of two, so that it divides where indices wrap.
    count: u32,
}

/// What came out of a ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Received {
    /// No whole frame waits.
    Nothing,
    /// A frame, the first so many bytes of the buffer.
    Frame(usize, RxMeta),
    /// A frame that was dropped.
    Dropped(RxDrop),
}

/// A piece of a frame, checked: within its page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Piece {
    /// Its first byte, counted over all pages.
    at: usize,
    len: usize,
}

/// A frame's slots, copied and looked at.
#[derive(Debug)]
struct Chain {
    /// Slots, those of extra info included.
    slots: u32,
    pieces: heapless::Vec<Piece, MAX_SLOTS>,
    flags: u16,
    segment_size: Option<NonZeroU16>,
    /// Why the frame is no good, the first reason found.
    fault: Option<RxDrop>,
}

impl<S: Shared> RxQueue<S> {
    /// A queue over `count` pages, a power of two of at most as many as the
    /// ring has slots.
    pub(crate) fn new(ring: S, pages: S, count: usize) -> Self {
        let count = (count as u32).min(SLOTS);
        Self { ring: FrontRing::new(ring), pages, count }
    }

    /// Forgets what was received, for a backend that begins anew.
    pub(crate) fn reset(&mut self) {
        self.ring.reset();
    }

    pub(crate) fn grant(&self) -> Option<GrantRef> {
        self.ring.grant()
    }

    /// Puts all pages that are free on the ring. The backend need not have
    /// an event for it: see [`RxQueue::publish`].
    pub(crate) fn post(&mut self) {
        while self.ring.in_flight() < self.count {
            let index = self.ring.produced();
            let Some(grant) = self.pages.grant((index % self.count) as usize) else { break };
            self.ring.put(RxRequest { id: id(index), grant }.words());
        }
        self.ring.publish();
    }

    /// Puts a good number of free pages on the ring, if there are so many.
    pub(crate) fn post_some(&mut self) {
        if self.count - self.ring.in_flight() >= self.count / 4 {
            self.post();
        }
    }

    /// Puts all pages that are free on the ring; whether the backend wants an
    /// event.
    #[must_use]
    pub(crate) fn publish(&mut self) -> bool {
        self.post();
        self.ring.publish_and_check()
    }

    /// Asks for an event at the next response; whether there is one already
    /// beyond those of the frame that is not whole yet.
    #[must_use]
    pub(crate) fn arm(&self, seen: u32) -> bool {
        self.ring.arm(seen + 1)
    }

    /// Responses that wait.
    pub(crate) fn available(&self) -> Result<u32, Breach> {
        self.ring.available().map_err(|_| Breach::ProducerJumped)
    }

    /// Takes the next frame, copied into `buffer`.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, Breach> {
        let available = self.available()?;
        let Some(chain) = self.chain(available)? else {
            // All pages are answered and the frame goes on: it never ends.
            let endless = available >= self.count;
            return if endless { Err(Breach::RxEndless) } else { Ok(Received::Nothing) };
        };
        let received = self.assemble(&chain, buffer);
        self.ring.consume(chain.slots);
        Ok(received)
    }

    /// Copies and checks the slots of the next frame; `None` where they are
    /// not all there.
    fn chain(&self, available: u32) -> Result<Option<Chain>, Breach> {
        let mut chain =
            Chain { slots: 0, pieces: heapless::Vec::new(), flags: 0, segment_size: None, fault: None };
        loop {
            if chain.slots >= available {
                return Ok(None);
            }
            let response = RxResponse::from_words(self.ring.response(chain.slots));
            let index = self.ring.consumed().wrapping_add(chain.slots);
            if response.id != id(index) {
                return Err(Breach::RxId);
            }
            let first = chain.slots == 0;
            chain.slots += 1;
            chain.add(response, (index % self.count) as usize);
            if first {
                chain.flags = response.flags;
                if response.flags & RX_EXTRA_INFO != 0 && !self.extras(&mut chain, available) {
                    return Ok(None);
                }
            }
            if response.flags & RX_MORE_DATA == 0 {
                return Ok(Some(chain));
            }
        }
    }

    /// Looks at the extra info slots; whether they are all there.
    fn extras(&self, chain: &mut Chain, available: u32) -> bool {
        loop {
            if chain.slots >= available {
                return false;
            }
            let extra = Extra::from_words(self.ring.response(chain.slots));
            chain.slots += 1;
            match extra.kind {
                ExtraKind::Tcp4(size) if chain.segment_size.is_none() => chain.segment_size = Some(size),
                ExtraKind::Other => {}
                ExtraKind::Tcp4(_) | ExtraKind::Malformed => chain.fail(RxDrop::BadExtra),
            }
            if !extra.more {
                return true;
            }
        }
    }

    /// Copies the pieces of a frame together.
    fn assemble(&self, chain: &Chain, buffer: &mut [u8]) -> Received {
        if let Some(fault) = chain.fault {
            return Received::Dropped(fault);
        }
        let mut len = 0;
        for piece in &chain.pieces {
            let Some(space) = buffer.get_mut(len..len + piece.len) else {
                return Received::Dropped(RxDrop::TooLong);
            };
            self.pages.copy_out(piece.at, space);
            len += piece.len;
        }
        if len < ETHERNET_HEADER {
            return Received::Dropped(RxDrop::Runt);
        }
        let frame = buffer.get(..len).unwrap_or_default();
        let meta =
            RxMeta::NONE.with_checksum(verdict(chain.flags, frame)).with_segment_size(chain.segment_size);
        Received::Frame(len, meta)
    }
}

impl Chain {
    fn fail(&mut self, fault: RxDrop) {
        self.fault.get_or_insert(fault);
    }

    fn add(&mut self, response: RxResponse, page: usize) {
        let Ok(len) = usize::try_from(response.status) else { return self.fail(RxDrop::Failed) };
        let offset = usize::from(response.offset);
        if len == 0 || offset + len > PAGE {
            return self.fail(RxDrop::BadPiece);
        }
        if self.pieces.push(Piece { at: page * PAGE + offset, len }).is_err() {
            self.fail(RxDrop::TooManyPieces);
        }
    }
}

/// The id of the request with an index.
const fn id(index: u32) -> u16 {
    (index % SLOTS) as u16
}

/// What the flags say of the transport checksum.
fn verdict(flags: u16, frame: &[u8]) -> ChecksumVerdict {
    if flags & RX_CHECKSUM_BLANK != 0 {
        // Blank at a place that can't be found: whoever looks will miss it.
        return frame::transport_checksum(frame).map_or(ChecksumVerdict::Unchecked, ChecksumVerdict::Blank);
    }
    if flags & RX_DATA_VALIDATED != 0 { ChecksumVerdict::Verified } else { ChecksumVerdict::Unchecked }
}
