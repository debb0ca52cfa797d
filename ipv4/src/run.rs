//! Runs of packets that differ in their payload alone.

use traits::{Ethernet, Header, Run, SendError, TxMeta};
use wire::EtherType;

use crate::Ipv4;
use crate::header::HEADER_LEN;
use crate::stats::Count;

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// Sends a run that goes where the last packet went, to a neighbour that is
    /// known: then its packets have one header, but for their lengths.
    #[inline(always)]
    pub(crate) fn send_run_like_last(
        &self,
        header: &Header,
        meta: TxMeta,
        run: Run,
        mut fill: impl FnMut(usize, &mut [u8]) -> usize,
    ) -> Option<(usize, Result<(), SendError>)> {
        // A packet that may be cut has a number of its own.
        if !header.dont_fragment || meta.segmentation().is_some() {
            return None;
        }
        let (route, fields) = self.like_last(header, meta, run.longest())?;
        let (mut encoded, mut encoded_last) = ([0; HEADER_LEN], [0; HEADER_LEN]);
        fields.encode(&mut encoded, &[], run.len)?;
        fields.encode(&mut encoded_last, &[], run.last_len)?;
        let (meta, below) = (meta.below(HEADER_LEN as u16), run.below(HEADER_LEN));
        let sent = self.ethernet.write_run(route.host, EtherType::IPV4, meta, below, |index, buffer| {
            let Some((head, body)) = buffer.split_first_chunk_mut() else { return 0 };
            *head = if run.is_last(index) { encoded_last } else { encoded };
            match fill(index, body) {
                0 => 0,
                used => HEADER_LEN + used,
            }
        });
        if let Some((count, _)) = sent {
            self.counters.add_many(Count::TxPackets, count as u64);
        }
        sent
    }
}
