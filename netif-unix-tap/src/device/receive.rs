//! The receive side: batches, and one listener at a time.

use core::fmt;
use core::task::{Context, Poll};
use std::io;

use os::unix::Reactor;
use rustix::io::Errno;
use traits::{Frame, Never, Offload, RxMeta};
use zerocopy::FromBytes;

use super::{BATCH, FULL, State, Tap};
use crate::header::{ETHERNET_LEN, HEADER_LEN, VnetHeader};

/// What ends [`Tap`]'s `listen`.
#[derive(Debug)]
#[non_exhaustive]
pub enum TapError {
    /// The interface was deleted.
    Gone,
    /// Reading failed otherwise.
    Io(io::Error),
}

impl fmt::Display for TapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the tap interface was deleted"),
            Self::Io(error) => write!(f, "reading from the tap failed: {error}"),
        }
    }
}

impl core::error::Error for TapError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Gone => None,
            Self::Io(error) => Some(error),
        }
    }
}

impl<R: Reactor> Tap<R> {
    /// One batch of frames, and the answers that were held back meanwhile.
    pub(super) fn poll_listen(
        &self,
        context: &mut Context<'_>,
        input: &mut impl FnMut(Frame<'_>),
    ) -> Poll<Result<Never, TapError>> {
        self.listener.register(context.waker());
        // Whoever waits for room is served here too, whatever became of the
        // task whose waker the reactor keeps.
        let _ = self.poll_waiting(context.waker());
        let polled = self.poll_batch(context, input);
        let _ = self.poll_waiting(context.waker());
        polled
    }

    fn poll_batch(
        &self,
        context: &mut Context<'_>,
        input: &mut impl FnMut(Frame<'_>),
    ) -> Poll<Result<Never, TapError>> {
        let Ok(mut receive) = self.receive.try_borrow_mut() else { return Poll::Pending };
        // In quarters of a frame.
        let mut left = 4 * BATCH;
        while left > 0 {
            let mut share = 4;
            if self.state.get() == State::Down {
                self.idle.register(context.waker());
                return Poll::Pending;
            }
            match self.read(&mut receive) {
                Ok(Some((frame, meta))) => {
                    if FULL.contains(&frame.len()) {
                        share = 1;
                    }
                    input(Frame::new(frame, meta));
                    if self.arrivals.is_alone() {
                        break;
                    }
                }
                Ok(None) => {}
                Err(Errno::AGAIN) => match self.reactor.poll_readable(&self.source, context.waker()) {
                    Poll::Pending => {
                        self.arrivals.ended();
                        self.backlog.clear();
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(TapError::Io(error))),
                },
                Err(errno) => return Poll::Ready(Err(self.ended(errno))),
            }
            left = left.saturating_sub(share);
        }
        self.backlog.batch_was_full();
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads one frame; `None`: it was malformed, and counted.
    fn read<'a>(&self, buffer: &'a mut [u8]) -> Result<Option<(&'a [u8], RxMeta)>, Errno> {
        let space =
            if self.vnet_header { &mut *buffer } else { buffer.get_mut(HEADER_LEN..).unwrap_or_default() };
        let whole = space.len();
        let len = loop {
            match rustix::io::read(&self.source, &mut *space) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        if len == 0 {
            return Err(Errno::BADFD);
        }
        let bytes = space.get(..len).unwrap_or_default();
        let parsed = if len < whole { self.parse(bytes) } else { None };
        self.count(|statistics| match parsed {
            Some((frame, _)) => {
                statistics.rx_packets = statistics.rx_packets.wrapping_add(1);
                statistics.rx_bytes = statistics.rx_bytes.wrapping_add(frame.len() as u64);
            }
            None => statistics.rx_dropped = statistics.rx_dropped.wrapping_add(1),
        });
        Ok(parsed)
    }

    fn parse<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], RxMeta)> {
        let (frame, meta) = if self.vnet_header {
            let (header, frame) = VnetHeader::read_from_prefix(bytes).ok()?;
            let believe = self.offload.get().contains(Offload::RX_CHECKSUM);
            (frame, header.on_receive(frame, believe).ok()?)
        } else {
            (bytes, RxMeta::NONE)
        };
        (frame.len() >= ETHERNET_LEN).then_some((frame, meta))
    }

    fn ended(&self, errno: Errno) -> TapError {
        self.state.set(State::Down);
        match errno {
            Errno::BADFD | Errno::FAULT | Errno::CONNRESET => TapError::Gone,
            _ => TapError::Io(errno.into()),
        }
    }
}

/// The turn to listen, which one future at a time has.
pub(super) struct Turn<'a, R: Reactor> {
    pub(super) tap: &'a Tap<R>,
    pub(super) mine: bool,
}

impl<R: Reactor> Turn<'_, R> {
    pub(super) fn take(&mut self) -> bool {
        if !self.mine && !self.tap.listening.replace(true) {
            self.mine = true;
        }
        self.mine
    }
}

impl<R: Reactor> Drop for Turn<'_, R> {
    fn drop(&mut self) {
        if self.mine {
            self.tap.listening.set(false);
            self.tap.backlog.clear();
            self.tap.idle.wake();
        }
    }
}
