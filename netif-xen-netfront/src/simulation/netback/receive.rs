//! Frames to the guest.

use alloc::vec::Vec;

use netif_memory::segment::{complete_checksum, cut, describe};
use traits::{ChecksumVerdict, Network, RxMeta};

use super::{Connection, Netback, Takes};
use crate::PAGE;
use crate::simulation::BackQueue;
use crate::simulation::wire::ExtraInfo;

const VALIDATED: u16 = 1;
const BLANK: u16 = 2;
const MORE_DATA: u16 = 4;
const EXTRA_INFO: u16 = 8;

impl<T, N: Network> Netback<'_, T, N> {
    /// Puts what the network has delivered into the guest's pages.
    pub(super) fn receive(&self, connection: &mut Connection<'_, T>) {
        let count = connection.queues.len();
        let frames = core::mem::take(&mut *self.backlog.borrow_mut());
        let frames: Vec<_> = frames.into_iter().flat_map(|frame| adapt(frame, connection.takes)).collect();
        let mut kept = Vec::new();
        for (bytes, meta) in frames {
            // Any function of the flow will do.
            let index = bytes.iter().skip(26).take(12).map(|&byte| usize::from(byte)).sum::<usize>() % count;
            let Some(queue) = connection.queues.get_mut(index) else { continue };
            if !kept.is_empty() || !self.put(queue, &bytes, meta) {
                kept.push((bytes, meta));
            }
        }
        let mut backlog = self.backlog.borrow_mut();
        for frame in kept.into_iter().rev() {
            backlog.push_front(frame);
        }
    }

    /// Puts one frame; false where there are too few pages.
    fn put(&self, queue: &mut BackQueue<'_, T>, bytes: &[u8], meta: RxMeta) -> bool {
        let behaviour = self.behaviour.get();
        let offset = usize::from(behaviour.rx_offset);
        let piece = behaviour.rx_piece.min(PAGE - offset).max(1);
        let extra = meta.segment_size.map(|size| ExtraInfo {
            kind: 1,
            size: size.get().into(),
            gso_type: 1,
            ..Default::default()
        });
        let slots = bytes.len().div_ceil(piece) + usize::from(extra.is_some());
        if !queue.rx.arm(slots as u32) {
            return false;
        }
        let mut flags = match meta.checksum {
            ChecksumVerdict::Blank(_) => BLANK | VALIDATED,
            ChecksumVerdict::Verified if behaviour.validates => VALIDATED,
            ChecksumVerdict::Verified | ChecksumVerdict::Unchecked => 0,
        };
        self.count(|statistics| {
            statistics.rx_frames += 1;
            statistics.rx_large += u64::from(extra.is_some());
            statistics.rx_blank += u64::from(flags & BLANK != 0);
        });
        if extra.is_some() {
            flags |= EXTRA_INFO;
        }
        let last = bytes.len().div_ceil(piece) - 1;
        for (index, chunk) in bytes.chunks(piece).enumerate() {
            let more = if index < last { MORE_DATA } else { 0 };
            let flags = if index == 0 { flags } else { 0 };
            if queue.put_rx(chunk, behaviour.rx_offset, flags | more).is_none() {
                return false;
            }
            if let Some(extra) = extra
                && index == 0
            {
                // Takes the slot of a page, which stays empty.
                let _ = queue.take_rx();
                queue.rx.respond(&extra);
            }
        }
        true
    }
}

/// What the frontend does not take is done for it.
fn adapt((mut bytes, mut meta): (Vec<u8>, RxMeta), takes: Takes) -> Vec<(Vec<u8>, RxMeta)> {
    if let Some(size) = meta.segment_size
        && !(takes.large && takes.several)
    {
        let mut pieces = Vec::new();
        if let Ok(segmentation) = describe(&bytes, size) {
            let _ = cut(&mut bytes, segmentation, |piece| {
                pieces.push((piece.to_vec(), RxMeta::NONE.with_checksum(ChecksumVerdict::Verified)));
            });
        }
        return pieces;
    }
    if let ChecksumVerdict::Blank(place) = meta.checksum
        && !takes.blank
    {
        let _ = complete_checksum(&mut bytes, place);
        meta = meta.with_checksum(ChecksumVerdict::Unchecked);
    }
    [(bytes, meta)].into()
}
