//! Frames from the guest.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::task::Waker;

use traits::{Network, SegmentationKind, SendError, TxMeta};

use super::{Connection, Netback};
use crate::PAGE;
use crate::simulation::BackQueue;
use crate::simulation::wire::{ExtraInfo, TxRequest};

/// The most slots that every backend takes.
const SLOTS: usize = 18;

/// A frame that was taken out of a ring.
#[derive(Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
    blank: bool,
    segment_size: Option<NonZeroU16>,
}

/// A frame in the ring.
#[derive(Debug, Default)]
struct Requests {
    pieces: Vec<TxRequest>,
    extras: Vec<ExtraInfo>,
}

impl<T, N: Network> Netback<'_, T, N> {
    /// Takes all frames of a queue; false where that ends the connection.
    pub(super) fn transmit(&self, connection: &mut Connection<'_, T>, index: usize) -> bool {
        let Some(queue) = connection.queues.get_mut(index) else { return true };
        let mut taken = Vec::new();
        loop {
            let waits = queue.tx.arm(1);
            if !waits {
                break;
            }
            let Some(requests) = take(queue) else {
                self.blame("requests that do not end");
                return false;
            };
            match assemble(queue, &requests) {
                Ok(frame) => {
                    self.count(|statistics| {
                        statistics.tx_frames += 1;
                        statistics.tx_large += u64::from(frame.segment_size.is_some());
                        statistics.tx_blank += u64::from(frame.blank);
                        statistics.tx_slots = statistics.tx_slots.max(requests.pieces.len() as u32);
                        statistics.tx_by_queue[index.min(3)] += 1;
                    });
                    connection.held.push_back(frame);
                }
                Err(fault) => {
                    self.blame(fault);
                    return false;
                }
            }
            taken.push(requests);
        }
        answer(queue, &taken, self.behaviour.get().answers_backwards);
        true
    }

    /// Gives the network what was taken, as far as it has room.
    pub(super) fn send_held(&self, connection: &mut Connection<'_, T>, waker: &Waker) {
        while let Some(frame) = connection.held.front() {
            match self.send(frame) {
                Err(SendError::Full) if self.network.poll_room(waker).is_pending() => return,
                Err(SendError::Full) => continue,
                Err(SendError::Down) => {}
                Err(_) => self.blame("a frame that the network can't take"),
                Ok(()) => {}
            }
            connection.held.pop_front();
        }
    }

    fn send(&self, frame: &Frame) -> Result<(), SendError> {
        let mut meta = TxMeta::NONE;
        if frame.blank {
            // Linux finds the checksum by the headers, as this does.
            let Some(place) = crate::frame::transport_checksum(&frame.bytes) else {
                self.blame("a blank checksum that is nowhere");
                return Ok(());
            };
            meta = meta.with_checksum(place.start, place.offset);
            if let Some(size) = frame.segment_size {
                let data_offset = frame.bytes.get(usize::from(place.start) + 12).copied().unwrap_or(0);
                let header = place.start + u16::from(data_offset >> 4) * 4;
                meta = meta.with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, header);
            }
        }
        self.network.write(meta, frame.bytes.len(), |buffer| {
            buffer.copy_from_slice(&frame.bytes);
            buffer.len()
        })
    }
}

/// Takes the requests of one frame.
fn take<T>(queue: &mut BackQueue<'_, T>) -> Option<Requests> {
    let mut requests = Requests::default();
    loop {
        let request = queue.take_tx()?;
        requests.pieces.push(request);
        if requests.pieces.len() == 1 && request.flags.get() & 8 != 0 {
            loop {
                if queue.tx.available() == 0 {
                    return None;
                }
                let extra: ExtraInfo = queue.tx.peek(0);
                queue.tx.consumed = queue.tx.consumed.wrapping_add(1);
                requests.extras.push(extra);
                if extra.flags & 1 == 0 {
                    break;
                }
            }
        }
        if request.flags.get() & 4 == 0 {
            return Some(requests);
        }
    }
}

/// Copies the pieces together, with the checks that Linux makes.
fn assemble<T>(queue: &BackQueue<'_, T>, requests: &Requests) -> Result<Frame, &'static str> {
    let Some((first, rest)) = requests.pieces.split_first() else { return Err("no request") };
    if requests.pieces.len() > SLOTS {
        return Err("too many slots");
    }
    let total = usize::from(first.size.get());
    if total < 14 {
        return Err("shorter than an Ethernet header");
    }
    let of_rest: usize = rest.iter().map(|piece| usize::from(piece.size.get())).sum();
    let Some(of_first) = total.checked_sub(of_rest).filter(|&len| len > 0) else {
        return Err("the pieces are longer than the frame");
    };
    let mut bytes = vec![0; total];
    let mut at = 0;
    for (index, piece) in requests.pieces.iter().enumerate() {
        let len = if index == 0 { of_first } else { piece.size.get().into() };
        let offset = usize::from(piece.offset.get());
        if offset + len > PAGE {
            return Err("a piece across the end of its page");
        }
        queue.copy_from(piece.gref.get(), offset, &mut bytes[at..at + len]).map_err(|_| "not granted")?;
        at += len;
    }
    let blank = first.flags.get() & 1 != 0;
    let mut segment_size = None;
    for extra in &requests.extras {
        if extra.kind != 1 || extra.gso_type != 1 {
            return Err("extra info of an unknown kind");
        }
        segment_size = Some(NonZeroU16::new(extra.size.get()).ok_or("segments of no bytes")?);
    }
    if segment_size.is_some() && !blank {
        return Err("segmentation without a blank checksum");
    }
    Ok(Frame { bytes, blank, segment_size })
}

/// Answers each request, and the extra info where it stood.
fn answer<T>(queue: &mut BackQueue<'_, T>, taken: &[Requests], backwards: bool) {
    let mut answer = |requests: &Requests| {
        for (index, piece) in requests.pieces.iter().enumerate() {
            queue.answer_tx(piece.id.get(), 0);
            if index == 0 {
                for extra in &requests.extras {
                    // The rest of the slot is what it was: no id.
                    queue.answer_tx(u16::from(extra.kind), 1);
                }
            }
        }
    };
    if backwards { taken.iter().rev().for_each(&mut answer) } else { taken.iter().for_each(&mut answer) }
}
