//! Sending: one emit site for all datagrams.

use core::net::Ipv4Addr;
use core::num::NonZeroU16;

use traits::{Datagrams, Endpoint, Header as IpHeader, Ip, Offload, Path, SegmentationKind, SendError, TxMeta};
use wire::{Checksum, Protocol};
use zerocopy::IntoBytes;

use crate::Udp;
use crate::header::{CHECKSUM_OFFSET, HEADER_LEN, Header};

/// The most bytes of payload, over all its datagrams, of a write with
/// [`Endpoint::segment_size`] that is cut here because the device does not:
/// it is kept on the stack meanwhile.
pub const SOFTWARE_SEGMENTATION_MAX: usize = 16 * 1024;

/// Bytes of an IPv4 header without options.
const IP_HEADER_LEN: usize = 20;

/// The largest payload of a datagram: 65,507 bytes.
const PAYLOAD_MAX: usize = 65_535 - IP_HEADER_LEN - HEADER_LEN;

impl<I: Ip> Datagrams for Udp<I> {
    /// With [`Endpoint::segment_size`] and a device that cuts, all datagrams
    /// go down in one write. Without, they are filled into a buffer of
    /// [`SOFTWARE_SEGMENTATION_MAX`] bytes on the stack and sent one by one;
    /// when the first has been sent the rest may still be lost, as any
    /// datagram may, and is counted.
    ///
    /// # Errors
    ///
    /// Those of [`Ip::write`] and [`Ip::route`];
    /// [`TooLong`](SendError::TooLong) for more than 65,507 bytes, a segment
    /// size beyond the path's MTU, or more than
    /// [`SOFTWARE_SEGMENTATION_MAX`] to cut;
    /// [`Unsupported`](SendError::Unsupported) for destination port 0.
    #[inline]
    fn write(
        &self,
        endpoint: Endpoint,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> Result<(), SendError> {
        // Behind a `dyn`, so that the tower below is compiled once and not
        // once for every filler.
        let mut fill = Some(fill);
        self.send_any(&endpoint, len, &mut |buffer| fill.take().map_or(0, |fill| fill(buffer)))
    }
}

type Fill<'f> = &'f mut dyn FnMut(&mut [u8]) -> usize;

/// How a write becomes packets.
enum Plan {
    /// One datagram.
    One(TxMeta),
    /// One write that the device cuts.
    Device(TxMeta),
    /// One write per segment of so many bytes.
    Software(NonZeroU16),
}

impl<I: Ip> Udp<I> {
    /// The most bytes of payload that a write to `dst` with a
    /// [`segment_size`](Endpoint::segment_size) may have: the device's bound,
    /// or [`SOFTWARE_SEGMENTATION_MAX`].
    ///
    /// # Errors
    ///
    /// Those of [`Ip::route`].
    pub fn segmented_max(&self, dst: Ipv4Addr) -> Result<usize, SendError> {
        let path = self.ip.route(dst, None)?;
        Ok(if device_cuts(&path) { device_max(&path) } else { SOFTWARE_SEGMENTATION_MAX })
    }

    fn send_any(&self, endpoint: &Endpoint, len: usize, fill: Fill<'_>) -> Result<(), SendError> {
        let result = self.send_planned(endpoint, len, fill);
        match result {
            Ok(()) => self.counters.tx_datagrams.bump(),
            Err(_) => self.counters.tx_refused.bump(),
        }
        result
    }

    fn send_planned(&self, endpoint: &Endpoint, len: usize, fill: Fill<'_>) -> Result<(), SendError> {
        if endpoint.dst.port() == 0 {
            return Err(SendError::Unsupported);
        }
        let path = self.ip.route(*endpoint.dst.ip(), endpoint.source)?;
        match plan(endpoint, &path, len)? {
            Plan::One(meta) | Plan::Device(meta) => self.emit(endpoint, path.src, meta, len, fill),
            Plan::Software(size) => self.send_segments(endpoint, &path, size, len, fill),
        }
    }

    /// Cuts in software. The filler runs within the first write, so that it
    /// was not called when that fails.
    #[cold]
    #[inline(never)]
    fn send_segments(
        &self,
        endpoint: &Endpoint,
        path: &Path,
        size: NonZeroU16,
        len: usize,
        fill: Fill<'_>,
    ) -> Result<(), SendError> {
        let size = usize::from(size.get());
        let mut buffer = [0; SOFTWARE_SEGMENTATION_MAX];
        let buffer = buffer.get_mut(..len).ok_or(SendError::TooLong)?;
        let mut used = 0;
        let meta = plain(path, size).with_more(true);
        self.emit(endpoint, path.src, meta, size, &mut |first| {
            used = fill(buffer).min(len);
            copy(buffer.get(..used).unwrap_or_default(), first)
        })?;
        let sent = buffer.get(..used).unwrap_or_default();
        let mut rest = sent.chunks(size).skip(1).peekable();
        let mut is_ended = endpoint.more;
        while let Some(segment) = rest.next() {
            let meta = plain(path, segment.len()).with_more(endpoint.more || rest.peek().is_some());
            let one = self.emit(endpoint, path.src, meta, segment.len(), &mut |buffer| copy(segment, buffer));
            is_ended = endpoint.more || one.is_ok();
            match one {
                Ok(()) => self.counters.tx_datagrams.bump(),
                Err(_) => self.counters.tx_segments_dropped.bump(),
            }
        }
        // The first was marked as followed by another before the filler could
        // say how much there is; or the last was refused.
        if !is_ended {
            self.ip.flush();
        }
        Ok(())
    }

    /// The emit site: header, payload, checksum.
    fn emit(
        &self,
        endpoint: &Endpoint,
        src: Ipv4Addr,
        meta: TxMeta,
        len: usize,
        fill: Fill<'_>,
    ) -> Result<(), SendError> {
        let dst = *endpoint.dst.ip();
        let mut header = IpHeader::new(dst, Protocol::UDP).from(src).with_tos(endpoint.tos);
        if let Some(ttl) = endpoint.ttl {
            header = header.with_ttl(ttl);
        }
        // One pointer, which travels in a register.
        let mut filling = Filling { endpoint, src, partial: meta.checksum().is_some(), fill };
        self.ip.write(header, meta, HEADER_LEN + len, |buffer| filling.fill(buffer))
    }
}

/// What is to be written into a datagram.
struct Filling<'s> {
    endpoint: &'s Endpoint,
    src: Ipv4Addr,
    /// The device completes the checksum.
    partial: bool,
    fill: Fill<'s>,
}

impl Filling<'_> {
    /// Writes the datagram.
    #[inline]
    fn fill(&mut self, buffer: &mut [u8]) -> usize {
        let Some((head, payload)) = buffer.split_at_mut_checked(HEADER_LEN) else { return 0 };
        let used = (self.fill)(payload).min(payload.len());
        let total = HEADER_LEN + used;
        let mut udp = Header {
            source: self.endpoint.source_port.into(),
            destination: self.endpoint.dst.port().into(),
            length: (total as u16).into(),
            checksum: 0.into(),
        };
        let pseudo = Checksum::pseudo(self.src, *self.endpoint.dst.ip(), Protocol::UDP, total);
        let checksum = if self.partial {
            pseudo.partial()
        } else {
            // RFC 768: a computed zero goes out as all ones.
            match pseudo.bytes(udp.as_bytes()).bytes(payload.get(..used).unwrap_or_default()).finish() {
                0 => 0xffff,
                sum => sum,
            }
        };
        udp.checksum = checksum.into();
        head.copy_from_slice(udp.as_bytes());
        total
    }
}

/// Which way a write of `len` bytes goes.
fn plan(endpoint: &Endpoint, path: &Path, len: usize) -> Result<Plan, SendError> {
    let room = path.mtu.saturating_sub(IP_HEADER_LEN + HEADER_LEN);
    match endpoint.segment_size {
        Some(size) if usize::from(size.get()) < len => {
            if usize::from(size.get()) > room {
                Err(SendError::TooLong)
            } else if device_cuts(path) && len <= device_max(path) {
                let meta = TxMeta::NONE
                    .with_checksum(0, CHECKSUM_OFFSET)
                    .with_segmentation(SegmentationKind::Udp4, size, HEADER_LEN as u16)
                    .with_more(endpoint.more);
                Ok(Plan::Device(meta))
            } else if len <= SOFTWARE_SEGMENTATION_MAX {
                Ok(Plan::Software(size))
            } else {
                Err(SendError::TooLong)
            }
        }
        _ if len > PAYLOAD_MAX => Err(SendError::TooLong),
        _ => Ok(Plan::One(plain(path, len).with_more(endpoint.more))),
    }
}

/// What is asked of the device for one datagram. Nothing where it will be cut
/// into fragments: the checksum is over the whole and no device sees that.
fn plain(path: &Path, len: usize) -> TxMeta {
    let fits = IP_HEADER_LEN + HEADER_LEN + len <= path.mtu;
    if fits && path.capabilities.offload.contains(Offload::TX_CHECKSUM) {
        TxMeta::NONE.with_checksum(0, CHECKSUM_OFFSET)
    } else {
        TxMeta::NONE
    }
}

fn device_cuts(path: &Path) -> bool {
    path.capabilities.offload.contains(Offload::USO4 | Offload::TX_CHECKSUM)
}

fn device_max(path: &Path) -> usize {
    path.capabilities.gso_max_size.saturating_sub(HEADER_LEN).min(PAYLOAD_MAX)
}

/// Copies as much of `from` as `to` takes.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
    len
}
