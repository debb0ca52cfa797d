//! The transmit side: one buffer, and at most one frame that waits in it.

use std::os::fd::AsFd;

use std::io::IoSlice;

use rustix::io::Errno;
use traits::TxMeta;
use zerocopy::IntoBytes;

use crate::device::GSO_MAX_SIZE;
use crate::header::{ETHERNET_LEN, HEADER_LEN, VnetHeader};

/// A buffer for one frame, with its header before it.
#[derive(Debug)]
pub(crate) struct Transmit {
    buffer: Box<[u8]>,
    /// Whether the device wants the header.
    vnet_header: bool,
    /// Bytes of the frame that the device had no room for; 0: none waits.
    held: usize,
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
        Self { buffer: vec![0; HEADER_LEN + GSO_MAX_SIZE].into(), vnet_header, held: 0 }
    }

    /// Bytes of the frame that waits for the device.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Gives up the frame that waits.
    pub(crate) fn clear(&mut self) {
        self.held = 0;
    }

    /// Space for a frame of `len` bytes.
    pub(crate) fn frame(&mut self, len: usize) -> Option<&mut [u8]> {
        self.buffer.get_mut(HEADER_LEN..)?.get_mut(..len)
    }

    /// Sends the first `len` bytes of the frame.
    pub(crate) fn send(&mut self, device: impl AsFd, meta: TxMeta, len: usize) -> Sent {
        if len < ETHERNET_LEN {
            return Sent::Refused;
        }
        self.request(meta, len);
        self.held = len;
        self.flush(device)
    }

    /// Sends a frame of which the first `len` bytes are here and the rest are
    /// `pieces`. What the device has no room for is copied, to wait.
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
        let head = self.buffer.get(self.start()..HEADER_LEN + len).unwrap_or_default();
        let all = [IoSlice::new(head), IoSlice::new(first), IoSlice::new(second)];
        let used = if second.is_empty() { 2 } else { 3 };
        let sent = outcome(|| rustix::io::writev(&device, all.get(..used).unwrap_or_default()));
        if sent == Sent::Held
            && let Some(rest) = self.buffer.get_mut(HEADER_LEN + len..HEADER_LEN + whole)
            && let Some((to_first, to_second)) = rest.split_at_mut_checked(first.len())
        {
            to_first.copy_from_slice(first);
            to_second.copy_from_slice(second);
            self.held = whole;
        }
        sent
    }

    /// Writes the header before a frame of `len` bytes.
    fn request(&mut self, meta: TxMeta, len: usize) {
        if let Some(header) = self.buffer.first_chunk_mut::<HEADER_LEN>() {
            header.copy_from_slice(VnetHeader::for_transmit(meta, len).as_bytes());
        }
    }

    /// Where what the device wants begins.
    fn start(&self) -> usize {
        if self.vnet_header { 0 } else { HEADER_LEN }
    }

    /// Sends the frame that waits.
    pub(crate) fn flush(&mut self, device: impl AsFd) -> Sent {
        let bytes = self.buffer.get(self.start()..HEADER_LEN + self.held).unwrap_or_default();
        let sent = outcome(|| rustix::io::write(&device, bytes));
        if sent != Sent::Held {
            self.held = 0;
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
