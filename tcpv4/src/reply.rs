//! What is said outside of a connection.

use bitflags::bitflags;

use crate::segment::{Control, Marks, Purpose, Transmit};
use crate::table::Tuple;
use crate::wire::{Options, Timestamps};
use crate::{SeqNum, Window, WindowScale};

/// A segment that is owed, in few bytes: a flood owes many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reply {
    pub(crate) tuple: Tuple,
    seq: SeqNum,
    ack: SeqNum,
    timestamps: Timestamps,
    window: Window,
    scale: WindowScale,
    shape: Shape,
}

bitflags! {
    /// What a reply has.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    struct Shape: u8 {
        const SYN = 1 << 0;
        const RST = 1 << 1;
        const ACK = 1 << 2;
        const ECE = 1 << 3;
        const TIMESTAMPS = 1 << 4;
        const SCALE = 1 << 5;
        const SACK = 1 << 6;
    }
}

impl Reply {
    /// A reset, an acknowledgement or a SYN-ACK, whose MSS is for the path to
    /// tell.
    pub(crate) fn new(tuple: Tuple, transmit: &Transmit) -> Self {
        let Options { mss: _, window_scale, sack_permitted, timestamps, sack: _ } = transmit.options;
        let mut shape = Shape::empty();
        shape.set(Shape::SYN, transmit.control == Some(Control::Syn));
        shape.set(Shape::RST, transmit.control == Some(Control::Rst));
        shape.set(Shape::ACK, transmit.ack.is_some());
        shape.set(Shape::ECE, transmit.marks.contains(Marks::ECE));
        shape.set(Shape::TIMESTAMPS, timestamps.is_some());
        shape.set(Shape::SCALE, window_scale.is_some());
        shape.set(Shape::SACK, sack_permitted);
        Self {
            tuple,
            seq: transmit.seq,
            ack: transmit.ack.unwrap_or(SeqNum::new(0)),
            timestamps: timestamps.unwrap_or(Timestamps { value: 0, echo: 0 }),
            window: transmit.window,
            scale: window_scale.unwrap_or_default(),
            shape,
        }
    }

    /// The segment.
    pub(crate) fn transmit(&self) -> Transmit {
        let has = |shape| self.shape.contains(shape);
        let ack = has(Shape::ACK).then_some(self.ack);
        let mut transmit = if has(Shape::SYN) {
            Transmit::control(Control::Syn, self.seq, ack)
        } else if has(Shape::RST) {
            Transmit::control(Control::Rst, self.seq, ack)
        } else {
            acknowledgement(self.seq, self.ack, self.window, None)
        };
        transmit.window = self.window;
        transmit.marks = if has(Shape::ECE) { Marks::ECE } else { Marks::empty() };
        transmit.options = Options {
            window_scale: has(Shape::SCALE).then_some(self.scale),
            sack_permitted: has(Shape::SACK),
            timestamps: has(Shape::TIMESTAMPS).then_some(self.timestamps),
            ..Options::NONE
        };
        transmit
    }
}

/// A queue with a bound.
pub trait Queue<T>: Default {
    /// `false` when there is no room.
    fn push(&mut self, value: T) -> bool;
    /// The oldest.
    fn front(&self) -> Option<&T>;
    /// Takes the oldest.
    fn pop(&mut self) -> Option<T>;
}

impl<T, const N: usize> Queue<T> for heapless::Deque<T, N> {
    fn push(&mut self, value: T) -> bool {
        self.push_back(value).is_ok()
    }

    fn front(&self) -> Option<&T> {
        heapless::Deque::front(self)
    }

    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }
}

/// A queue that grows with what waits, and gives most of it back when nothing
/// does. Bound: [`Grown::LIMIT`].
#[cfg(feature = "alloc")]
#[derive(Debug)]
pub struct Grown<T>(alloc::collections::VecDeque<T>);

#[cfg(feature = "alloc")]
impl<T> Grown<T> {
    /// Many batches of any device.
    pub const LIMIT: usize = 4096;
    /// What stays: a batch.
    const KEPT: usize = 64;
}

#[cfg(feature = "alloc")]
impl<T> Default for Grown<T> {
    fn default() -> Self {
        Self(alloc::collections::VecDeque::new())
    }
}

#[cfg(feature = "alloc")]
impl<T> Queue<T> for Grown<T> {
    fn push(&mut self, value: T) -> bool {
        let has_room = self.0.len() < Self::LIMIT;
        if has_room {
            self.0.push_back(value);
        }
        has_room
    }

    fn front(&self) -> Option<&T> {
        self.0.front()
    }

    fn pop(&mut self) -> Option<T> {
        let value = self.0.pop_front();
        if self.0.is_empty() && self.0.capacity() > 2 * Self::KEPT {
            self.0.shrink_to(Self::KEPT);
        }
        value
    }
}

/// An acknowledgement and no more.
pub(crate) fn acknowledgement(
    seq: SeqNum,
    ack: SeqNum,
    window: Window,
    timestamps: Option<Timestamps>,
) -> Transmit {
    let mut transmit = Transmit::control(Control::Syn, seq, Some(ack));
    transmit.control = None;
    transmit.purpose = Purpose::Ack;
    transmit.window = window;
    transmit.options.timestamps = timestamps;
    transmit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mss;
    use core::net::{Ipv4Addr, SocketAddrV4};

    #[test]
    fn a_reply_is_small_and_comes_out_as_it_went_in() {
        assert_eq!(size_of::<Reply>(), 32);
        let at = |host, port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), port);
        let tuple = Tuple::new(at(1, 80), at(2, 99));
        let timestamps = Some(Timestamps { value: 5, echo: 6 });
        let mut cookie = Transmit::control(Control::Syn, SeqNum::new(1), Some(SeqNum::new(2)));
        cookie.window = Window(700);
        cookie.marks = Marks::ECE;
        cookie.options.window_scale = Some(WindowScale::new(7));
        cookie.options.sack_permitted = true;
        cookie.options.timestamps = timestamps;
        let mut bare = cookie;
        (bare.marks, bare.options) = (Marks::empty(), Options::NONE);
        let replies = [
            cookie,
            bare,
            Transmit::control(Control::Rst, SeqNum::new(3), None),
            Transmit::control(Control::Rst, SeqNum::new(0), Some(SeqNum::new(4))),
            acknowledgement(SeqNum::new(5), SeqNum::new(6), Window(9), timestamps),
            acknowledgement(SeqNum::new(5), SeqNum::new(6), Window(0), None),
        ];
        for reply in replies {
            assert_eq!(Reply::new(tuple, &reply).transmit(), reply);
        }
        cookie.options.mss = Some(Mss::DEFAULT);
        assert_eq!(Reply::new(tuple, &cookie), Reply::new(tuple, &replies[0]), "the path tells it");
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn the_queue_is_bounded_and_gives_memory_back() {
        let mut queue = Grown::default();
        for n in 0..Grown::<usize>::LIMIT {
            assert!(queue.push(n));
        }
        assert!(!queue.push(0));
        for n in 0..Grown::<usize>::LIMIT {
            assert_eq!((queue.front().copied(), queue.pop()), (Some(n), Some(n)));
        }
        assert_eq!(queue.pop(), None);
        assert!(queue.0.capacity() <= 64);
    }
}
