//! The frontend's end of a ring (`xen/include/public/io/ring.h`).
//!
//! A ring is one page: four indices, then the slots, each of which holds a
//! request and later a response. Indices run on and wrap at 2³²; their low bits
//! name a slot.
//!
//! ```text
//!  consumed       rsp_prod          published      produced
//! ────┼───────────────┼──────────────────┼──────────────┼────
//!     │ responses to  │ requests at the  │ requests put │
//!     │ be looked at  │ backend          │ but not told │
//! ```
//!
//! **The only index that the other side tells us is `rsp_prod`**: it is loaded
//! once, and taken only if it lies between `consumed` and `published`.

use core::sync::atomic::{Ordering, fence};

use crate::{GrantRef, Shared};

/// Slots of a ring: what fits a page, as a power of two, for both sizes of
/// slot.
pub(crate) const SLOTS: u32 = 256;

/// Where the four indices and the slots stand in the page.
const REQ_PROD: usize = 0;
const REQ_EVENT: usize = 4;
const RSP_PROD: usize = 8;
const RSP_EVENT: usize = 12;
const FIRST_SLOT: usize = 64;

/// More responses than requests: the ring is of no use any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProducerJumped;

/// A ring whose slots have `WORDS` words each.
#[derive(Debug)]
pub(crate) struct FrontRing<S, const WORDS: usize> {
    page: S,
    /// Requests put (`req_prod_pvt`).
    produced: u32,
    /// Requests that the backend may see (`req_prod`).
    published: u32,
    /// Requests published when the backend was last considered for an event.
    notified: u32,
    /// Responses taken (`rsp_cons`).
    consumed: u32,
}

impl<S: Shared, const WORDS: usize> FrontRing<S, WORDS> {
    pub(crate) fn new(page: S) -> Self {
        let mut ring = Self { page, produced: 0, published: 0, notified: 0, consumed: 0 };
        ring.reset();
        ring
    }

    /// Empties the ring, for a backend that begins anew.
    pub(crate) fn reset(&mut self) {
        (self.produced, self.published, self.notified, self.consumed) = (0, 0, 0, 0);
        self.page.store(REQ_PROD, 0);
        self.page.store(RSP_PROD, 0);
        self.page.store(REQ_EVENT, 1);
        self.page.store(RSP_EVENT, 1);
    }

    pub(crate) fn grant(&self) -> Option<GrantRef> {
        self.page.grant(0)
    }

    /// The index of the request put next.
    pub(crate) const fn produced(&self) -> u32 {
        self.produced
    }

    /// The index of the response taken next.
    pub(crate) const fn consumed(&self) -> u32 {
        self.consumed
    }

    /// Requests put and not answered.
    pub(crate) const fn in_flight(&self) -> u32 {
        self.produced.wrapping_sub(self.consumed)
    }

    /// Slots for further requests.
    pub(crate) const fn free(&self) -> u32 {
        SLOTS - self.in_flight()
    }

    /// Puts a request; the words past those given keep what they have. The
    /// caller has seen to it that a slot is [free](Self::free).
    pub(crate) fn put<const N: usize>(&mut self, words: [u32; N]) {
        let slot = Self::slot(self.produced);
        for (index, word) in words.into_iter().take(WORDS).enumerate() {
            self.page.store(slot + 4 * index, word);
        }
        self.produced = self.produced.wrapping_add(1);
    }

    /// Lets the backend see what was put.
    pub(crate) fn publish(&mut self) {
        if self.published != self.produced {
            self.published = self.produced;
            self.page.store(REQ_PROD, self.published);
        }
    }

    /// Lets the backend see what was put; whether it has asked for an event
    /// since the last time that it was considered.
    #[must_use]
    pub(crate) fn publish_and_check(&mut self) -> bool {
        self.publish();
        if self.notified == self.published {
            return false;
        }
        // The producer has to be seen before the event index is looked at,
        // else both sides may wait.
        fence(Ordering::SeqCst);
        let since_event = self.published.wrapping_sub(self.page.load(REQ_EVENT));
        let since_notified = self.published.wrapping_sub(self.notified);
        self.notified = self.published;
        since_event < since_notified
    }

    /// Responses that wait.
    pub(crate) fn available(&self) -> Result<u32, ProducerJumped> {
        let available = self.page.load(RSP_PROD).wrapping_sub(self.consumed);
        let outstanding = self.published.wrapping_sub(self.consumed);
        if available > outstanding { Err(ProducerJumped) } else { Ok(available) }
    }

    /// The first words of the response `ahead` of the one taken next, copied.
    pub(crate) fn response<const N: usize>(&self, ahead: u32) -> [u32; N] {
        let slot = Self::slot(self.consumed.wrapping_add(ahead));
        core::array::from_fn(|index| self.page.load(slot + 4 * index))
    }

    /// Takes `count` responses. The caller has seen that so many are
    /// [available](Self::available).
    pub(crate) fn consume(&mut self, count: u32) {
        self.consumed = self.consumed.wrapping_add(count);
    }

    /// Asks for an event when `after` further responses are there; whether
    /// they are already, so that no event will come.
    #[must_use]
    pub(crate) fn arm(&self, after: u32) -> bool {
        self.page.store(RSP_EVENT, self.consumed.wrapping_add(after));
        fence(Ordering::SeqCst);
        self.page.load(RSP_PROD).wrapping_sub(self.consumed) >= after
    }

    const fn slot(index: u32) -> usize {
        FIRST_SLOT + (index % SLOTS) as usize * 4 * WORDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    use crate::hypervisor::PAGE;

    /// A page that both ends of a test write to.
    struct Page([Cell<u32>; PAGE / 4]);

    impl Shared for &Page {
        fn grant(&self, _: usize) -> Option<GrantRef> {
            None
        }

        fn load(&self, at: usize) -> u32 {
            self.0[at / 4].get()
        }

        fn store(&self, at: usize, word: u32) {
            self.0[at / 4].set(word);
        }

        fn copy_out(&self, _: usize, _: &mut [u8]) {}
    }

    /// A ring whose indices stand at `at`, and the backend's producer with them.
    fn with_ring(at: u32, test: impl FnOnce(FrontRing<&Page, 3>, &Page)) {
        let page = &Page([const { Cell::new(0) }; PAGE / 4]);
        let mut ring = FrontRing::new(page);
        (ring.produced, ring.published, ring.notified, ring.consumed) = (at, at, at, at);
        page.store(REQ_PROD, at);
        page.store(RSP_PROD, at);
        page.store(REQ_EVENT, at.wrapping_add(1));
        test(ring, page);
    }

    const STARTS: [u32; 5] = [0, 1, u32::MAX, u32::MAX - 100, 0x7fff_ffff];

    #[test]
    fn indices_wrap() {
        for start in STARTS {
            with_ring(start, |mut ring, page| {
                for count in 0..600_u32 {
                    assert_eq!(ring.free(), SLOTS);
                    ring.put([count, 0, 0]);
                    ring.publish();
                    assert_eq!(page.load(REQ_PROD), start.wrapping_add(count + 1));
                    page.store(RSP_PROD, start.wrapping_add(count + 1));
                    assert_eq!(ring.available(), Ok(1));
                    assert_eq!(ring.response::<1>(0), [count]);
                    ring.consume(1);
                }
            });
        }
    }

    #[test]
    fn a_producer_outside_of_what_is_out_is_refused() {
        for start in STARTS {
            with_ring(start, |mut ring, page| {
                for _ in 0..10 {
                    ring.put([0, 0, 0]);
                }
                // Put, but not shown.
                page.store(RSP_PROD, start.wrapping_add(1));
                assert_eq!(ring.available(), Err(ProducerJumped));
                ring.publish();
                for (ahead, expected) in
                    [(0, Ok(0)), (10, Ok(10)), (11, Err(ProducerJumped)), (u32::MAX, Err(ProducerJumped))]
                {
                    page.store(RSP_PROD, start.wrapping_add(ahead));
                    assert_eq!(ring.available(), expected, "{start} {ahead}");
                }
            });
        }
    }

    #[test]
    fn an_event_when_the_index_asked_for_is_passed() {
        for start in STARTS {
            with_ring(start, |mut ring, page| {
                page.store(REQ_EVENT, start.wrapping_add(3));
                let events: [bool; 5] = core::array::from_fn(|_| {
                    ring.put([0, 0, 0]);
                    ring.publish_and_check()
                });
                assert_eq!(events, [false, false, true, false, false]);
                assert!(!ring.publish_and_check(), "nothing new");
                // Shown one by one, considered once.
                page.store(REQ_EVENT, start.wrapping_add(6));
                for _ in 0..3 {
                    ring.put([0, 0, 0]);
                    ring.publish();
                }
                assert!(ring.publish_and_check());
            });
        }
    }
}
