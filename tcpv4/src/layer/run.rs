//! A large segment that the device does not cut, as a run of segments: only
//! sequence number and data differ, but at its ends.

use traits::{Ip, Offload, Path, Run, SendError};

use super::emit::{GATHERED, complete_checksum, header_of, meta_of, ports_of, pseudo};
use super::{ConnectionId, Tcp};
use crate::segment::Transmit;
use crate::storage::Storage;
use crate::table::Tuple;
use crate::wire::PieceHeader;

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
        let pieces = Pieces {
            tuple,
            transmit,
            id,
            size,
            header: PieceHeader::new(transmit, header_len, ports_of(tuple)),
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
            complete_checksum(pseudo(tuple, buffer.len()), buffer)?;
        }
        Some(buffer.len())
    }
}
