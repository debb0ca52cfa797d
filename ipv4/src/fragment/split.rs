//! Packets cut into fragments (RFC 791 §3.2).

use traits::{Ethernet, SendError, TxMeta};
use wire::Checksum;

use crate::Ipv4;
use crate::header::{Fragmentation, HEADER_LEN};
use crate::output::{Filler, Outgoing};
use crate::stats::Count;

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// Sends a packet with a payload of at most `len` bytes as fragments of
    /// at most `mtu` bytes.
    ///
    /// `fill` writes the whole into the layer's one buffer for that, from
    /// within the first fragment's own write: if that fails, `fill` was not
    /// called. Later fragments that fail are the network's kind of loss.
    pub(crate) fn split(
        &self,
        outgoing: &Outgoing<'_>,
        meta: TxMeta,
        mtu: usize,
        len: usize,
        fill: &mut Filler<'_>,
    ) -> Result<(), SendError> {
        if BUFFER == 0 {
            return Err(SendError::TooLong);
        }
        // Whoever fills may write in turn.
        let mut buffer = self.outgoing.try_borrow_mut().map_err(|_| SendError::Full)?;
        let buffer = buffer.get_mut(..len).ok_or(SendError::TooLong)?;
        let chunk = mtu.saturating_sub(HEADER_LEN + outgoing.options.len()) & !7;
        if chunk == 0 {
            return Err(SendError::TooLong);
        }
        let more = |more| TxMeta::NONE.with_more(more);
        let mut used = 0;
        self.emit(outgoing, more(true), chunk.min(len), &mut |first| {
            used = fill(buffer).min(len);
            complete_checksum(buffer.get_mut(..used).unwrap_or_default(), meta);
            outgoing.set_fragmentation(Fragmentation::new(0, used > first.len()));
            copy(buffer.get(..used).unwrap_or_default(), first)
        })?;
        self.counters.add(Count::TxFragmented);
        let rest = buffer.get(..used).and_then(|whole| whole.get(chunk..)).unwrap_or_default();
        let mut offset = chunk;
        let mut is_ended = meta.more();
        for part in rest.chunks(chunk) {
            let last = offset + part.len() >= used;
            outgoing.set_fragmentation(Fragmentation::new(offset as u16, !last));
            let meta = more(!last || meta.more());
            if self.emit(outgoing, meta, part.len(), &mut |body| copy(part, body)).is_err() {
                self.counters.add(Count::TxFragmentsLost);
                break;
            }
            is_ended |= last;
            offset += part.len();
        }
        // Those before were marked as followed by another.
        if !is_ended {
            self.ethernet.flush();
        }
        Ok(())
    }
}

/// Copies as much as there is room for, and says how much.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let len = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..len), to.get_mut(..len)) {
        to.copy_from_slice(from);
    }
    len
}

/// Completes the checksum that was left to the device: it sees parts only.
fn complete_checksum(payload: &mut [u8], meta: TxMeta) {
    let Some(partial) = meta.checksum() else { return };
    let (start, offset) = (usize::from(partial.start), usize::from(partial.offset));
    let Some(summed) = payload.get_mut(start..) else { return };
    let sum = match Checksum::new().bytes(summed).finish() {
        // Zero means none to UDP, and the same as this to others.
        0 => 0xffff,
        sum => sum,
    };
    if let Some(field) = summed.get_mut(offset..).and_then(|rest| rest.first_chunk_mut()) {
        *field = sum.to_be_bytes();
    }
}
