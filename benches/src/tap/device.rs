//! The tap for sides that bring no driver: opened and set up as the driver of
//! this project does, read and written by the same system calls.

use core::future::{Future, pending};
use core::task::{Poll, Waker};
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant as Start;

use anyhow::{Result, anyhow};
use fata::netif_unix_tap::{Options, Tap};
use fata::os::unix::Reactor;
use fata::traits::{Instant, Time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::{MAC, TAP, offload};
use crate::{Arguments, Row};

/// Bytes of the header before each frame.
pub(crate) const HEADER: usize = 10;
/// Bytes of the largest frame, header included.
pub(crate) const LARGEST: usize = HEADER + 14 + 65_535;

/// A tap without a driver.
pub(crate) struct Device {
    tap: Tap<Nobody>,
    /// Whether each frame has a header.
    pub(crate) header: bool,
    spinning: bool,
    looks: Duration,
}

/// For how long a side of a row that waits for one answer after the other looks for
/// it before it sleeps: as long as this project's loop does at most.
const LOOKS: Duration = Duration::from_micros(100);

impl Device {
    pub(crate) fn open(arguments: &Arguments) -> Result<Self> {
        let options = Options::new().mac(MAC).offload(offload(arguments)).vnet_header(!arguments.no_offload);
        let tap = options.open(Nobody, TAP).map_err(|error| anyhow!("{error}"))?;
        let looks = match arguments.row {
            Row::TapRoundTrips | Row::TapConnect => LOOKS,
            _ => Duration::ZERO,
        };
        Ok(Self { tap, header: !arguments.no_offload, spinning: arguments.spin, looks })
    }

    /// Bytes before each frame.
    pub(crate) fn header_len(&self) -> usize {
        if self.header { HEADER } else { 0 }
    }

    /// Reads a frame with its header; `None` when none waits.
    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Option<usize> {
        rustix::io::read(&self.tap, buffer).ok()
    }

    /// Writes a frame with its header.
    #[inline]
    pub(crate) fn write(&self, frame: &[u8]) -> Result<(), Errno> {
        rustix::io::write(&self.tap, frame).map(drop)
    }

    /// Waits for a frame, at most so long; does not when spinning.
    pub(crate) fn wait(&self, most: Option<Duration>) {
        if self.spinning {
            return;
        }
        let tap = &mut [PollFd::new(&self.tap, PollFlags::IN)];
        let since = Start::now();
        let looks = most.map_or(self.looks, |most| most.min(self.looks));
        while since.elapsed() < looks {
            if poll(tap, Some(&Timespec::default())) != Ok(0) {
                return;
            }
        }
        let timeout = most.and_then(|most| Timespec::try_from(most.saturating_sub(looks)).ok());
        let _ = poll(tap, timeout.as_ref());
    }
}

/// Watches nothing.
struct Nobody;

impl Time for Nobody {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    fn sleep_until(&self, _: Instant) -> impl Future<Output = ()> {
        pending()
    }
}

impl Reactor for Nobody {
    type Source = OwnedFd;

    fn register(&self, fd: OwnedFd) -> io::Result<OwnedFd> {
        Ok(fd)
    }

    fn poll_readable(&self, _: &OwnedFd, _: &Waker) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_writable(&self, _: &OwnedFd, _: &Waker) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.tap.as_fd()
    }
}
