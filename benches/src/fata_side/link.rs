//! An end of the link in memory as a device, and its clock.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

use fata::traits::{
    Capabilities, ChecksumVerdict, Frame, Instant, Layer, MacAddr, Network, NetworkStatistics, Never, Offload,
    RxMeta, SendError, Time, TxMeta, WakerSet,
};

use crate::ring::{FRAME_MAX, Ring};

/// Frames handed up before others run.
const BATCH: usize = 64;

/// Virtual time, moved by whoever drives the towers.
#[derive(Default)]
pub(crate) struct Clock {
    now: Cell<u64>,
    earliest: Cell<Option<u64>>,
    sleepers: WakerSet<8>,
}

impl Clock {
    /// Moves on, and wakes whoever is due.
    pub(crate) fn advance(&self, nanoseconds: u64) {
        let now = self.now.get() + nanoseconds;
        self.now.set(now);
        if self.earliest.get().is_some_and(|earliest| earliest <= now) {
            self.earliest.set(None);
            self.sleepers.wake();
        }
    }
}

impl Time for Clock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        poll_fn(move |context| {
            let deadline = deadline.as_nanos();
            if deadline <= self.now.get() {
                return Poll::Ready(());
            }
            self.earliest.set(Some(self.earliest.get().map_or(deadline, |earliest| earliest.min(deadline))));
            self.sleepers.register(context.waker());
            Poll::Pending
        })
    }
}

/// One end.
pub(crate) struct End<'r> {
    pub(crate) clock: &'r Clock,
    pub(crate) transmit: &'r Ring,
    pub(crate) receive: &'r Ring,
    pub(crate) mac: MacAddr,
    /// The layers compute and verify checksums.
    pub(crate) checksums: bool,
}

impl Layer for End<'_> {
    fn now(&self) -> Instant {
        Time::now(self.clock)
    }

    fn capabilities(&self) -> Capabilities {
        match self.checksums {
            true => Capabilities::NONE,
            false => Capabilities::new(Offload::TX_CHECKSUM | Offload::RX_CHECKSUM, 0),
        }
    }

    fn poll(&self, _now: Instant, _waker: &Waker) -> Option<Instant> {
        None
    }

    fn poll_room(&self, waker: &Waker) -> Poll<()> {
        if !self.transmit.is_full() {
            return Poll::Ready(());
        }
        self.transmit.writers.register(waker);
        Poll::Pending
    }

    fn has_backlog(&self) -> bool {
        false
    }

    fn flush(&self) {}
}

impl Network for End<'_> {
    type Error = Never;

    fn mac(&self) -> MacAddr {
        self.mac
    }

    fn mtu(&self) -> usize {
        1500
    }

    #[inline]
    fn write(&self, meta: TxMeta, len: usize, fill: impl FnOnce(&mut [u8]) -> usize) -> Result<(), SendError> {
        if meta.segmentation().is_some() || (meta.checksum().is_some() && self.checksums) {
            return Err(SendError::Unsupported);
        }
        if len > FRAME_MAX {
            return Err(SendError::TooLong);
        }
        if self.transmit.is_full() {
            return Err(SendError::Full);
        }
        self.transmit.push(len, |buffer| (fill(buffer), ()));
        Ok(())
    }

    async fn listen(&self, mut input: impl FnMut(Frame<'_>)) -> Result<Never, Never> {
        let verdict = if self.checksums { ChecksumVerdict::Unchecked } else { ChecksumVerdict::Verified };
        let meta = RxMeta::NONE.with_checksum(verdict);
        poll_fn(|context| {
            self.receive.readers.register(context.waker());
            for _ in 0..BATCH {
                if self.receive.is_empty() {
                    return Poll::Pending;
                }
                self.receive.pop(|bytes| input(Frame::new(bytes, meta)));
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }

    fn statistics(&self) -> NetworkStatistics {
        NetworkStatistics::ZERO
    }

    fn reset_statistics(&self) {}

    fn disconnect(&self) {}
}
