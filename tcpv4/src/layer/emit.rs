//! How a segment becomes a packet. One place calls `write` of the layer below; its
//! `write_run` is called in [`run`](super::run).

use traits::{Header, Ip, Offload, Path, Payload, SegmentationKind, SendError, TxMeta};
use wire::{Checksum, Protocol};

use super::burst::BURST;
use super::open::MTU_UNKNOWN;
use super::{ConnectionId, Tcp};
use crate::SeqNum;
use crate::connection::Budget;
use crate::segment::{Marks, Transmit};
use crate::storage::Storage;
use crate::table::Tuple;
use crate::wire::{self as format, CHECKSUM_OFFSET, Ports};

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Sends a segment: as one, or as several where it is large and the device
    /// does not cut it (or may not: `large`). Returns how many packets went
    /// out, with `transmit` made what went with them.
    pub(super) fn emit_large(
        &self,
        tuple: &Tuple,
        transmit: &mut Transmit,
        path: &Path,
        large: bool,
        id: &ConnectionId,
    ) -> (usize, Result<(), SendError>) {
        let Some(size) = transmit.gso_size.filter(|_| !(large && cuts(transmit, path))) else {
            let written = self.emit(tuple, transmit, path, Some(id));
            if written.is_ok() {
                self.count_written(transmit, written);
            }
            return (usize::from(written.is_ok()), written);
        };
        let size = u32::from(size.get());
        let run = self.emit_run(tuple, transmit, size, path, id);
        let (count, written) = run.unwrap_or_else(|| self.emit_cut(tuple, transmit, size, path, id));
        if count > 0 {
            transmit.truncate(count as u32 * size);
        }
        (count, written)
    }

    /// Sends a large segment as several, one by one; returns how many went out.
    fn emit_cut(
        &self,
        tuple: &Tuple,
        transmit: &Transmit,
        size: u32,
        path: &Path,
        id: &ConnectionId,
    ) -> (usize, Result<(), SendError>) {
        let mut piece = Transmit { gso_size: None, control: None, ..*transmit };
        piece.marks.remove(Marks::PSH);
        let mut count = 0;
        let mut left = transmit.len;
        while left > 0 {
            piece.len = left.min(size);
            left -= piece.len;
            if left == 0 {
                piece.control = transmit.control;
                piece.marks |= transmit.marks & Marks::PSH;
            }
            let written = self.emit(tuple, &piece, path, Some(id));
            if written.is_err() {
                return (count, written);
            }
            self.count_written(&piece, written);
            count += 1;
            piece.seq += piece.len;
            piece.offset += piece.len;
            // Once is enough (RFC 3168 §6.1.2).
            piece.marks.remove(Marks::CWR);
        }
        (count, Ok(()))
    }

    /// Sends one segment: the only place that does, but for those of a
    /// [run](Self::emit_run).
    pub(super) fn emit(
        &self,
        tuple: &Tuple,
        transmit: &Transmit,
        path: &Path,
        id: Option<&ConnectionId>,
    ) -> Result<(), SendError> {
        let header_len = transmit.header_len();
        let len = header_len + transmit.len as usize;
        let partial = path.capabilities.offload.contains(Offload::TX_CHECKSUM);
        let mut meta = meta_of(partial);
        if let Some(size) = transmit.gso_size {
            let cwr = transmit.marks.contains(Marks::CWR);
            meta = meta.with_segmentation(SegmentationKind::Tcp4 { cwr }, size, header_len as u16);
        }
        let header = header_of(tuple, transmit);
        // Two pointers, which travel in registers.
        let filling = Filling { tuple, transmit, header_len, partial, id };
        if I::GATHERS
            && partial
            && transmit.len >= GATHERED
            && let Some(id) = id
            && self.is_shown_in_two(*id, transmit)
        {
            let queued = Queued { tcp: self, id, transmit };
            return self.ip.write_gathered(header, meta, header_len, queued, |buffer| {
                self.fill_header(&filling, buffer)
                    .map_or_else(|| self.withhold(filling.transmit), |_| header_len)
            });
        }
        self.ip.write(header, meta, len, |buffer| {
            self.fill(&filling, buffer).unwrap_or_else(|| self.withhold(filling.transmit))
        })
    }

    /// Whether a segment's data lies in two pieces at the most, as a device that
    /// gathers is shown it.
    fn is_shown_in_two(&self, id: ConnectionId, transmit: &Transmit) -> bool {
        let state = self.state.try_borrow().ok();
        let held = state.as_ref().and_then(|state| state.get(id));
        held.is_some_and(|held| held.machine.payload(transmit).is_some())
    }

    /// Nothing is filled in, so that nothing goes out. The layer below says that it
    /// has written all the same, so that it [counts](Self::count_written) as sent.
    #[cold]
    pub(super) fn withhold(&self, transmit: &Transmit) -> usize {
        self.counters.withheld.count();
        self.counters.sent.take_back();
        if transmit.is_again() {
            self.counters.retransmitted.take_back();
        }
        0
    }

    /// Writes the segment; `None` when that can't be, since whoever called
    /// this uses the connection itself at the moment.
    #[inline]
    fn fill(&self, filling: &Filling<'_>, buffer: &mut [u8]) -> Option<usize> {
        let &Filling { transmit, header_len, partial, id, .. } = filling;
        let len = header_len + transmit.len as usize;
        let buffer = buffer.get_mut(..len)?;
        let (data, pseudo) = self.fill_header(filling, buffer)?;
        if let Some(id) = id.filter(|_| transmit.len > 0) {
            self.copy_data(id, transmit.seq, data)?;
        }
        if !partial {
            complete_checksum(pseudo, buffer)?;
        }
        Some(len)
    }

    /// Writes the data from `seq` on, as much as there is room for; `None` where
    /// it is not there any more, or in use.
    #[inline(always)]
    pub(super) fn copy_data(&self, id: &ConnectionId, seq: SeqNum, data: &mut [u8]) -> Option<()> {
        let state = self.state.try_borrow().ok()?;
        let machine = &state.get(*id)?.machine;
        let Some((first, second)) = machine.data_at(seq, data.len() as u32) else {
            return machine.copy_data_at(seq, data).then_some(());
        };
        let (to_first, to_second) = data.split_at_mut_checked(first.len())?;
        to_first.copy_from_slice(first);
        if !second.is_empty() {
            to_second.get_mut(..second.len())?.copy_from_slice(second);
        }
        Some(())
    }

    /// Writes the segment's header, with the checksum as far as the device wants
    /// it. Returns the room behind, and the sum of the pseudo-header.
    #[inline]
    fn fill_header<'b>(&self, filling: &Filling<'_>, buffer: &'b mut [u8]) -> Option<(&'b mut [u8], Checksum)> {
        let &Filling { tuple, transmit, header_len, partial, .. } = filling;
        let len = header_len + transmit.len as usize;
        let pseudo = pseudo(tuple, len);
        let checksum = if partial { pseudo.partial() } else { 0 };
        Some((format::emit_of_len(transmit, header_len, ports_of(tuple), checksum, buffer)?, pseudo))
    }
}

/// Bytes of payload from which on a device that gathers is told where they lie:
/// below, the copy costs less than the device's second look.
pub(super) const GATHERED: u32 = 4096;

/// A segment's data in its connection's queue.
struct Queued<'s, I, S: Storage> {
    tcp: &'s Tcp<I, S>,
    id: &'s ConnectionId,
    transmit: &'s Transmit,
}

impl<I: Ip, S: Storage> Payload for Queued<'_, I, S> {
    fn payload_len(&self) -> usize {
        self.transmit.len as usize
    }

    /// Not while whoever called uses the connection itself.
    fn show<R>(&self, take: impl FnOnce([&[u8]; 2]) -> R) -> Option<R> {
        let state = self.tcp.state.try_borrow().ok();
        let held = state.as_ref().and_then(|state| state.get(*self.id));
        let Some((first, second)) = held.and_then(|held| held.machine.payload(self.transmit)) else {
            self.tcp.withhold(self.transmit);
            return None;
        };
        Some(take([first, second]))
    }
}

/// What is to be written into a segment.
struct Filling<'s> {
    tuple: &'s Tuple,
    transmit: &'s Transmit,
    header_len: usize,
    /// The device completes the checksum.
    partial: bool,
    /// Whose the data is.
    id: Option<&'s ConnectionId>,
}

/// The header of the packet that carries a segment.
#[inline]
pub(super) fn header_of(tuple: &Tuple, transmit: &Transmit) -> Header {
    Header::new(tuple.remote, Protocol::TCP).from(tuple.local).with_tos(transmit.ecn.tos()).with_dont_fragment()
}

/// The ports of a segment that is sent.
#[inline]
pub(super) const fn ports_of(tuple: &Tuple) -> Ports {
    Ports { src: tuple.local_port, dst: tuple.remote_port }
}

/// The sum of the pseudo-header of a segment of `len` bytes.
#[inline]
pub(super) fn pseudo(tuple: &Tuple, len: usize) -> Checksum {
    Checksum::pseudo(tuple.local, tuple.remote, Protocol::TCP, len)
}

/// Puts the checksum of a `segment` into its place, where that is 0 as yet.
#[inline]
pub(super) fn complete_checksum(pseudo: Checksum, segment: &mut [u8]) -> Option<()> {
    let sum = pseudo.bytes(segment).finish();
    let at = usize::from(CHECKSUM_OFFSET);
    segment.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

/// What is asked of the device for a segment; `partial`: that it completes the
/// checksum. Others may follow each: the turn, or the batch received, ends with a
/// flush.
#[inline]
pub(super) const fn meta_of(partial: bool) -> TxMeta {
    let meta = TxMeta::NONE.with_more(true);
    if partial { meta.with_checksum(0, CHECKSUM_OFFSET) } else { meta }
}

/// What a path takes; `large`: whether to ask the device to cut. Where it does
/// not, a burst is decided upon as one and cut here, as [a run](Tcp::emit_run) or
/// [one by one](Tcp::emit_cut).
pub(super) fn budget(path: &Result<Path, SendError>, large: bool) -> Budget {
    match path {
        Err(_) => Budget { mtu: MTU_UNKNOWN, gso_max_size: 0 },
        Ok(path) => {
            let cuts = large && path.capabilities.offload.contains(CUTS);
            let gso_max_size = if cuts { path.capabilities.gso_max_size } else { BURST * path.mtu };
            Budget { mtu: path.mtu, gso_max_size }
        }
    }
}

/// What a device does that cuts large segments.
const CUTS: Offload = Offload::TSO4.union(Offload::TX_CHECKSUM);

/// Whether the device cuts this segment as asked: with CWR, not all do.
fn cuts(transmit: &Transmit, path: &Path) -> bool {
    let offload = path.capabilities.offload;
    offload.contains(CUTS) && (!transmit.marks.contains(Marks::CWR) || offload.contains(Offload::TSO_ECN))
}
