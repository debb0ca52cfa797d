//! A large segment that the device does not cut, as a run of segments: only
//! sequence number and data differ, but at its ends.

use traits::{Ip, Offload, Path, Run, SendError};
use wire::{Checksum, Protocol};

use super::emit::{GATHERED, header_of, meta_of};
use super::{ConnectionId, Tcp};
use crate::SeqNum;
use crate::segment::Transmit;
use crate::storage::Storage;
use crate::table::Tuple;
use crate::wire::{CHECKSUM_OFFSET, PieceHeader, Ports};

/// What is to be written into the segments of a run.
struct Pieces<'s> {
    tuple: &'s Tuple,
    /// All of them as one.
    transmit: &'s Transmit,
    id: &'s ConnectionId,
    /// Bytes of data in each but the last.
    size: u32,
    header: PieceHeader,
    /// The device completes the checksum: from what, for each but the last and
    /// for the last.
    partial: Option<[u16; 2]>,
}

impl<I: Ip, S: Storage> Tcp<I, S> {
    /// Sends a large segment as several of `size` bytes, where the layer below
    /// takes a run; returns how many went out. [`Self::emit_cut`] comes to the same.
    ///
    /// A function of its own, as that of one segment is: its loop has all registers.
    #[inline(never)]
    pub(super) fn emit_run(
        &self,
        tuple: &Tuple,
        transmit: &Transmit,
        size: u32,
        path: &Path,
        id: &ConnectionId,
    ) -> Option<(usize, Result<(), SendError>)> {
        let is_partial = path.capabilities.offload.contains(Offload::TX_CHECKSUM);
        // Fewest bytes: one by one comes to the same. Nor is copied what is gathered.
        if cfg!(guest_small) || (I::GATHERS && is_partial && size >= GATHERED) {
            return None;
        }
        let header_len = transmit.header_len();
        let count = transmit.len.div_ceil(size);
        let last = transmit.len - count.saturating_sub(1) * size;
        let [len, last_len] = [size, last].map(|data| header_len + data as usize);
        let run = Run { count: count as usize, len, last_len };
        let ports = Ports { src: tuple.local_port, dst: tuple.remote_port };
        let pieces = Pieces {
            tuple,
            transmit,
            id,
            size,
            header: PieceHeader::new(transmit, header_len, ports),
            partial: is_partial.then(|| [len, last_len].map(|len| pseudo(tuple, len).partial())),
        };
        let header = header_of(tuple, transmit);
        let written = self.ip.write_run(header, meta_of(is_partial), run, |index, buffer| {
            self.fill_piece(&pieces, index as u32, buffer).unwrap_or_else(|| self.withhold(transmit))
        });
        if let Some((count, _)) = written {
            self.count_sent(transmit, count);
        }
        written
    }

    /// Writes one of the segments: as [`Self::emit`] does.
    #[inline]
    fn fill_piece(&self, pieces: &Pieces<'_>, index: u32, buffer: &mut [u8]) -> Option<usize> {
        let &Pieces { tuple, transmit, id, size, ref header, partial } = pieces;
        let at = index * size;
        let (seq, left) = (transmit.seq + at, transmit.len.checked_sub(at)?);
        let is_last = left <= size;
        let checksum = partial.map_or(0, |[each, last]| if is_last { last } else { each });
        let data = header.emit(seq, index == 0, is_last, checksum, buffer)?;
        self.copy_data(id, seq, data)?;
        if partial.is_none() {
            let sum = pseudo(tuple, buffer.len()).bytes(buffer).finish();
            let at = usize::from(CHECKSUM_OFFSET);
            buffer.get_mut(at..at + 2)?.copy_from_slice(&sum.to_be_bytes());
        }
        Some(buffer.len())
    }

    /// Writes the data from `seq` on, as much as there is room for; `None` where
    /// it is not there any more, or in use.
    #[inline(always)]
    fn copy_data(&self, id: &ConnectionId, seq: SeqNum, data: &mut [u8]) -> Option<()> {
        let state = self.state.try_borrow().ok()?;
        let (first, second) = state.get(*id)?.machine.data_at(seq, data.len() as u32)?;
        let (to_first, to_second) = data.split_at_mut_checked(first.len())?;
        to_first.copy_from_slice(first);
        if !second.is_empty() {
            to_second.get_mut(..second.len())?.copy_from_slice(second);
        }
        Some(())
    }
}

/// The sum of the pseudo-header of a segment of `len` bytes.
fn pseudo(tuple: &Tuple, len: usize) -> Checksum {
    Checksum::pseudo(tuple.local, tuple.remote, Protocol::TCP, len)
}
