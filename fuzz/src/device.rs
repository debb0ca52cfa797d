//! The device at the bottom of a tower under test.

use std::cell::{Cell, RefCell};
use std::task::{Poll, Waker};

use netif_memory::VirtualClock;
use netif_memory::segment;
use traits::{
    Capabilities, Frame, Instant, Layer, Network, NetworkStatistics, Never, SendError, Time, TxMeta, WakerSet,
};
use wire::MacAddr;

use crate::groups::Groups;
use crate::packet::STACK;
use crate::wire_check::check_sent;

/// Frames kept for the peer to look at; older ones go.
const KEPT: usize = 8;

/// A device in virtual time that hands nothing up by itself: targets call
/// `input`. What is sent through it is looked at by an independent parser,
/// and the last frames are kept.
#[derive(Debug)]
pub struct Device<'a> {
    clock: &'a VirtualClock,
    /// What it offers.
    pub capabilities: Cell<Capabilities>,
    /// The groups that the stack was told to join.
    pub groups: Groups,
    full: Cell<bool>,
    sent: RefCell<Vec<Vec<u8>>>,
    count: Cell<usize>,
    waiters: WakerSet,
}

impl<'a> Device<'a> {
    /// The longest Ethernet payload, in bytes.
    pub const MTU: usize = 1500;

    /// A device without offloads.
    pub fn new(clock: &'a VirtualClock) -> Self {
        Self {
            clock,
            capabilities: Cell::default(),
            groups: Groups::default(),
            full: Cell::default(),
            sent: RefCell::default(),
            count: Cell::default(),
            waiters: WakerSet::new(),
        }
    }

    /// Takes the device's room away, or gives it back.
    pub fn set_full(&self, full: bool) {
        self.full.set(full);
        if !full {
            self.waiters.wake();
        }
    }

    /// Whether it has no room.
    pub fn is_full(&self) -> bool {
        self.full.get()
    }

    /// The frames sent last, the newest at the end, as on a wire.
    pub fn last_sent(&self) -> Vec<Vec<u8>> {
        self.sent.borrow().clone()
    }

    /// Frames sent in all.
    pub fn count(&self) -> usize {
        self.count.get()
    }

    fn keep(&self, frame: &[u8]) {
        check_sent(frame);
        self.groups.check_sent(frame);
        let mut sent = self.sent.borrow_mut();
        if sent.len() == KEPT {
            sent.remove(0);
        }
        sent.push(frame.to_vec());
        self.count.set(self.count.get() + 1);
    }
}

impl Layer for Device<'_> {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.get()
    }

    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if !self.full.get() {
            return Poll::Ready(());
        }
        self.waiters.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl Network for Device<'_> {
    type Error = Never;

    fn mac(&self) -> MacAddr {
        STACK.0
    }

    fn mtu(&self) -> usize {
        Self::MTU
    }

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        if self.full.get() {
            return Err(SendError::Full);
        }
        let capabilities = self.capabilities.get();
        let longest = match meta.segmentation() {
            None => Self::MTU + 14,
            Some(_) => capabilities.gso_max_size,
        };
        assert!(len <= longest, "{len} bytes, longer than the device takes");
        let mut frame = vec![0xaa; len];
        let used = fill(&mut frame);
        assert!(used <= len, "{used} bytes written of {len}");
        if used == 0 {
            return Ok(());
        }
        frame.truncate(used);
        match (meta.segmentation(), meta.checksum()) {
            (None, None) => self.keep(&frame),
            (None, Some(request)) => {
                segment::complete_checksum(&mut frame, request).expect("a checksum outside of the frame");
                self.keep(&frame);
            }
            (Some(segmentation), request) => {
                assert!(request.is_some(), "a frame to be cut without a checksum to complete");
                segment::cut(&mut frame, segmentation, |piece| self.keep(piece))
                    .expect("a frame that can't be cut");
            }
        }
        Ok(())
    }

    async fn listen(&self, _input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        std::future::pending().await
    }

    fn statistics(&self) -> NetworkStatistics {
        NetworkStatistics::ZERO
    }

    fn reset_statistics(&self) {}

    fn disconnect(&self) {}
}

/// A device over another: what is sent through it is looked at by an
/// independent parser.
#[derive(Debug)]
pub struct Checked<N>(pub N);

impl<N: Network> Layer for Checked<N> {
    traits::forward_layer!(0, except capabilities);

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }
}

impl<N: Network> Network for Checked<N> {
    type Error = N::Error;

    traits::forward_network!(0, except write);

    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        self.0.write(meta, len, |frame| {
            let used = fill(frame);
            if used > 0 {
                check_sent(&frame[..used]);
            }
            used
        })
    }
}
