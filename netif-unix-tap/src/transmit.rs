//! The transmit side: one buffer, and the frames that wait in it.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::AsFd;

use rustix::io::Errno;
use traits::TxMeta;
use zerocopy::IntoBytes;

use crate::device::{BATCH, GSO_MAX_SIZE};
use crate::header::{ETHERNET_LEN, HEADER_LEN, VnetHeader};

/// A buffer for frames, each with its header before it.
///
/// Frames that others follow at once wait until those are filled, and then go one
/// right behind the other: what fills them runs in one piece, and so does the
/// kernel, which after each change from one to the other would begin with cold
/// caches.
#[derive(Debug)]
pub(crate) struct Transmit {
    buffer: Box<[u8]>,
    /// Whether the device wants the header.
    vnet_header: bool,
    /// Bytes of each frame that waits, the oldest first; at most [`BATCH`].
    waiting: VecDeque<usize>,
    /// Where the oldest one's header begins.
    start: usize,
    /// Where the next one's does.
    end: usize,
    /// The device had no room for the oldest.
    refused: bool,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Sent {
    /// The device has taken it.
    Taken,
    /// The device has no room: the frame waits in the buffer.
    Held,
    /// The link is down, and the frame is lost.
    LinkDown,
    /// The device is gone, and the frame is lost.
    Gone,
    /// The device has refused the frame, which is lost.
    Refused,
}

impl Transmit {
    pub(crate) fn new(vnet_header: bool) -> Self {
        Self {
            buffer: vec![0; HEADER_LEN + GSO_MAX_SIZE].into(),
            vnet_header,
            waiting: VecDeque::with_capacity(BATCH),
            start: 0,
            end: 0,
            refused: false,
        }
    }

    /// Bytes of the frame that has waited longest.
    pub(crate) fn oldest(&self) -> Option<usize> {
        self.waiting.front().copied()
    }

    /// Gives up the frames that wait, and returns how many.
    pub(crate) fn clear(&mut self) -> usize {
        let count = self.waiting.drain(..).count();
        (self.start, self.end, self.refused) = (0, 0, false);
        count
    }

    /// Whether a frame of `len` bytes may wait behind the others.
    pub(crate) fn has_place(&self, len: usize) -> bool {
        !self.refused && self.waiting.len() < BATCH && self.end + HEADER_LEN + len <= self.buffer.len()
    }

    /// Space for a frame of `len` bytes behind the others.
    pub(crate) fn frame(&mut self, len: usize) -> Option<&mut [u8]> {
        self.buffer.get_mut(self.end + HEADER_LEN..)?.get_mut(..len)
    }

    /// Has the frame of which the first `len` bytes were filled wait. `false`: it is
    /// none.
    pub(crate) fn push(&mut self, meta: TxMeta, len: usize) -> bool {
        if len < ETHERNET_LEN {
            return false;
        }
        self.request(meta, len);
        self.waiting.push_back(len);
        self.end += HEADER_LEN + len;
        true
    }

    /// Sends a frame of which the first `len` bytes are here and the rest are
    /// `pieces`, while no other waits. What the device has no room for is copied, to
    /// wait.
    pub(crate) fn send_gathered(
        &mut self,
        device: impl AsFd,
        meta: TxMeta,
        len: usize,
        pieces: [&[u8]; 2],
    ) -> Sent {
        let [first, second] = pieces;
        let whole = len + first.len() + second.len();
        if len < ETHERNET_LEN {
            return Sent::Refused;
        }
        self.request(meta, whole);
        let head = self.buffer.get(self.skipped()..HEADER_LEN + len).unwrap_or_default();
        let all = [IoSlice::new(head), IoSlice::new(first), IoSlice::new(second)];
        let used = if second.is_empty() { 2 } else { 3 };
        let sent = outcome(|| rustix::io::writev(&device, all.get(..used).unwrap_or_default()));
        if sent == Sent::Held
            && let Some(rest) = self.buffer.get_mut(HEADER_LEN + len..HEADER_LEN + whole)
            && let Some((to_first, to_second)) = rest.split_at_mut_checked(first.len())
        {
            to_first.copy_from_slice(first);
            to_second.copy_from_slice(second);
            self.waiting.push_back(whole);
            self.end = HEADER_LEN + whole;
            self.refused = true;
        }
        sent
    }

    /// Writes the header before the next frame, of `len` bytes.
    fn request(&mut self, meta: TxMeta, len: usize) {
        let place = self.buffer.get_mut(self.end..);
        if let Some(header) = place.and_then(|place| place.first_chunk_mut::<HEADER_LEN>()) {
            header.copy_from_slice(VnetHeader::for_transmit(meta, len).as_bytes());
        }
    }

    /// Bytes before each frame that the device does not want.
    fn skipped(&self) -> usize {
        if self.vnet_header { 0 } else { HEADER_LEN }
    }

    /// Sends the frame that has waited longest, of `len` bytes.
    pub(crate) fn send_oldest(&mut self, device: impl AsFd, len: usize) -> Sent {
        let next = self.start + HEADER_LEN + len;
        let bytes = self.buffer.get(self.start + self.skipped()..next).unwrap_or_default();
        let sent = outcome(|| rustix::io::write(&device, bytes));
        self.refused = sent == Sent::Held;
        if !self.refused {
            self.waiting.pop_front();
            self.start = next;
        }
        if self.waiting.is_empty() {
            self.clear();
        }
        sent
    }
}

/// Writes, and tells what became of it.
fn outcome(write: impl Fn() -> Result<usize, Errno>) -> Sent {
    let written = loop {
        match write() {
            Err(Errno::INTR) => {}
            other => break other,
        }
    };
    match written {
        Ok(_) => Sent::Taken,
        Err(Errno::AGAIN) => Sent::Held,
        Err(Errno::IO | Errno::NETDOWN) => Sent::LinkDown,
        Err(Errno::BADFD | Errno::PIPE | Errno::CONNRESET | Errno::NODEV) => Sent::Gone,
        Err(_) => Sent::Refused,
    }
}
