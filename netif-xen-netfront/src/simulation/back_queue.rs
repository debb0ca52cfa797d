//! The backend's end of the rings.

use core::task::{Poll, Waker};

use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::World;
use super::wire::{RxRequest, RxResponse, TxRequest, TxResponse};
use crate::DomainId;

/// Slots of a ring.
const SLOTS: u32 = 256;

/// The backend's end of one ring, in a page that was granted. Slots have
/// `SLOT` bytes.
#[derive(Debug)]
pub struct BackRing<'w, T, const SLOT: usize> {
    world: &'w World<T>,
    domain: DomainId,
    reference: u32,
    /// Requests taken (`req_cons`).
    pub consumed: u32,
    /// Responses put (`rsp_prod_pvt`).
    pub responded: u32,
    published: u32,
}

/// A queue of a device: two rings and the ports for their events.
#[derive(Debug)]
pub struct BackQueue<'w, T> {
    /// Frames from the guest.
    pub tx: BackRing<'w, T, 12>,
    /// Frames to the guest.
    pub rx: BackRing<'w, T, 8>,
    /// The port about `tx`.
    pub tx_port: u32,
    /// The port about `rx`, the same one unless they are split.
    pub rx_port: u32,
    world: &'w World<T>,
    domain: DomainId,
}

impl<'w, T, const SLOT: usize> BackRing<'w, T, SLOT> {
    const REQ_PROD: usize = 0;
    const REQ_EVENT: usize = 4;
    const RSP_PROD: usize = 8;
    const RSP_EVENT: usize = 12;

    /// Attaches to a ring where its responses end.
    pub(super) fn attach(world: &'w World<T>, domain: DomainId, reference: u32) -> Self {
        let mut ring = Self { world, domain, reference, consumed: 0, responded: 0, published: 0 };
        let at = ring.word(Self::RSP_PROD);
        (ring.consumed, ring.responded, ring.published) = (at, at, at);
        ring
    }

    fn word(&self, at: usize) -> u32 {
        let mut word = [0; 4];
        // A ring that is gone reads as zero.
        let _ = self.world.copy_from(self.domain, self.reference, at, &mut word);
        u32::from_le_bytes(word)
    }

    /// Puts any word anywhere.
    pub fn poke(&self, at: usize, word: u32) {
        let _ = self.world.copy_to(self.domain, self.reference, at, &word.to_le_bytes());
    }

    /// Tells any number of responses, put or not.
    pub fn poke_producer(&self, responses: u32) {
        self.poke(Self::RSP_PROD, responses);
    }

    /// Requests that wait.
    pub fn available(&self) -> u32 {
        self.word(Self::REQ_PROD).wrapping_sub(self.consumed)
    }

    /// Requests that the guest has published since the beginning.
    pub fn requested(&self) -> u32 {
        self.word(Self::REQ_PROD)
    }

    fn slot(index: u32) -> usize {
        64 + (index % SLOTS) as usize * SLOT
    }

    /// The request `ahead` of the next one, read as anything.
    pub fn peek<R: FromBytes>(&self, ahead: u32) -> R {
        let mut bytes = [0; SLOT];
        let slot = Self::slot(self.consumed.wrapping_add(ahead));
        let _ = self.world.copy_from(self.domain, self.reference, slot, &mut bytes);
        R::read_from_prefix(&bytes).map(|(request, _)| request).unwrap_or_else(|_| panic!("larger than a slot"))
    }

    /// Puts anything as the next response; what is longer in the slot stays.
    pub fn respond(&mut self, response: &(impl IntoBytes + Immutable)) {
        let _ =
            self.world.copy_to(self.domain, self.reference, Self::slot(self.responded), response.as_bytes());
        self.responded = self.responded.wrapping_add(1);
    }

    /// Shows the guest all responses; whether it wants an event.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        let new = self.responded;
        self.poke(Self::RSP_PROD, new);
        let since_event = new.wrapping_sub(self.word(Self::RSP_EVENT));
        let since_published = new.wrapping_sub(core::mem::replace(&mut self.published, new));
        since_event < since_published
    }

    /// Asks for an event when there are `after` more requests than were
    /// taken; whether there are already.
    #[must_use]
    pub fn arm(&self, after: u32) -> bool {
        self.poke(Self::REQ_EVENT, self.consumed.wrapping_add(after));
        self.available() >= after
    }
}

impl<'w, T> BackQueue<'w, T> {
    pub(super) fn new(
        world: &'w World<T>,
        domain: DomainId,
        (tx_ring, rx_ring): (u32, u32),
        (tx_port, rx_port): (u32, u32),
    ) -> Self {
        let tx = BackRing::attach(world, domain, tx_ring);
        let rx = BackRing::attach(world, domain, rx_ring);
        Self { tx, rx, tx_port, rx_port, world, domain }
    }

    /// Takes the next request to send.
    pub fn take_tx(&mut self) -> Option<TxRequest> {
        let request = (self.tx.available() > 0).then(|| self.tx.peek(0))?;
        self.tx.consumed = self.tx.consumed.wrapping_add(1);
        Some(request)
    }

    /// Takes the next page to receive into.
    pub fn take_rx(&mut self) -> Option<RxRequest> {
        let request = (self.rx.available() > 0).then(|| self.rx.peek(0))?;
        self.rx.consumed = self.rx.consumed.wrapping_add(1);
        Some(request)
    }

    /// Answers a request to send.
    pub fn answer_tx(&mut self, id: u16, status: i16) {
        self.tx.respond(&TxResponse { id: id.into(), status: status.into() });
    }

    /// Puts `bytes` at `offset` into the next page and answers with these
    /// flags; `None` without a page.
    pub fn put_rx(&mut self, bytes: &[u8], offset: u16, flags: u16) -> Option<()> {
        let request = self.take_rx()?;
        let _ = self.world.copy_to(self.domain, request.gref.get(), offset.into(), bytes);
        let status = (bytes.len() as i16).into();
        self.rx.respond(&RxResponse { id: request.id, offset: offset.into(), flags: flags.into(), status });
        Some(())
    }

    /// Shows the guest all responses, with events where it wants them.
    pub fn publish(&mut self) {
        if self.tx.publish() {
            self.world.notify_guest(self.domain, self.tx_port);
        }
        if self.rx.publish() {
            self.world.notify_guest(self.domain, self.rx_port);
        }
    }

    /// Sends the guest events, wanted or not.
    pub fn notify(&self) {
        self.world.notify_guest(self.domain, self.tx_port);
        self.world.notify_guest(self.domain, self.rx_port);
    }

    /// Copies out of a page that the guest has granted.
    ///
    /// # Errors
    ///
    /// See [`GrantFault`](super::GrantFault).
    pub fn copy_from(&self, reference: u32, offset: usize, into: &mut [u8]) -> Result<(), super::GrantFault> {
        self.world.copy_from(self.domain, reference, offset, into)
    }

    /// Copies into a page that the guest has granted.
    ///
    /// # Errors
    ///
    /// See [`GrantFault`](super::GrantFault).
    pub fn copy_to(&self, reference: u32, offset: usize, from: &[u8]) -> Result<(), super::GrantFault> {
        self.world.copy_to(self.domain, reference, offset, from)
    }

    /// Ready when the guest has sent an event on either port.
    pub fn poll_event(&self, waker: &Waker) -> Poll<()> {
        let tx = self.world.poll_from_guest(self.domain, self.tx_port, waker).is_ready();
        let rx = self.world.poll_from_guest(self.domain, self.rx_port, waker).is_ready();
        if tx | rx { Poll::Ready(()) } else { Poll::Pending }
    }
}
