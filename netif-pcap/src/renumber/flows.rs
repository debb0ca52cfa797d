//! Which number of the recording stands for which of the stack's.

use std::net::SocketAddrV4;

use wire::Protocol;

use super::packet::{self, ACK, SYN, long, put_long, put_word, word};
use crate::{Recorded, Side};

/// Option kinds (RFC 9293 §3.1, RFC 2018, RFC 7323).
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Where the numbers of a connection start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Start {
    sequence: u32,
    timestamp: Option<u32>,
}

/// The connections from one end to another, one after the other.
#[derive(Clone, Debug)]
struct Flow {
    own: SocketAddrV4,
    peer: SocketAddrV4,
    /// Whether the host opened the first one.
    opens: bool,
    recorded: Vec<Start>,
    /// The stack's port and where its numbers start; and which of `recorded`
    /// that is.
    stack: Option<(u16, Start, usize)>,
}

impl Flow {
    /// The recording's start, and the stack's.
    fn starts(&self) -> Option<(Start, Start)> {
        let (_, stack, index) = self.stack?;
        self.recorded.get(index).or(self.recorded.last()).map(|recorded| (*recorded, stack))
    }
}

/// All connections of a host in a recording.
#[derive(Debug, Default)]
pub(super) struct Flows(Vec<Flow>);

/// A segment's ends and, of a SYN, where its numbers start.
#[derive(Clone, Copy)]
struct Ends {
    src: SocketAddrV4,
    dst: SocketAddrV4,
    flags: u8,
    start: Start,
}

fn ends(frame: &[u8]) -> Option<(Ends, std::ops::Range<usize>)> {
    let packet = packet::packet(frame).filter(|packet| packet.protocol == Protocol::TCP)?;
    let range = packet::tcp_header(frame, packet.payload)?;
    let header = frame.get(range.clone())?;
    let (from, to) = (word(header, 0)?, word(header, 2)?);
    let timestamp = packet::tcp_option(header, TIMESTAMPS).and_then(|at| long(header, at.start));
    let start = Start { sequence: long(header, 4)?, timestamp };
    let (src, dst) = (SocketAddrV4::new(packet.src, from), SocketAddrV4::new(packet.dst, to));
    Some((Ends { src, dst, flags: *header.get(13)?, start }, range))
}

impl Flows {
    /// What `side` sent in the recording.
    pub(super) fn of(frames: &[Recorded], side: Side) -> Self {
        let mut flows = Self::default();
        let sent = frames.iter().filter(|frame| side.sends(frame)).filter_map(|frame| ends(&frame.bytes));
        for (segment, _) in sent.filter(|(segment, _)| segment.flags & SYN != 0) {
            let known = flows.0.iter_mut().find(|flow| (flow.own, flow.peer) == (segment.src, segment.dst));
            match known {
                // Sent again.
                Some(flow) if flow.recorded.last().map(|s| s.sequence) == Some(segment.start.sequence) => {}
                Some(flow) => flow.recorded.push(segment.start),
                None => flows.0.push(Flow {
                    own: segment.src,
                    peer: segment.dst,
                    opens: segment.flags & ACK == 0,
                    recorded: vec![segment.start],
                    stack: None,
                }),
            }
        }
        flows
    }

    /// Notes where the numbers of a connection of the stack's start.
    fn learn(&mut self, segment: &Ends) {
        let port = segment.src.port();
        let same = |flow: &Flow| flow.peer == segment.dst && flow.own.ip() == segment.src.ip();
        let known = self.0.iter().position(|flow| same(flow) && flow.stack.is_some_and(|(p, ..)| p == port));
        let place = known.or_else(|| {
            let opens = segment.flags & ACK == 0;
            self.0.iter().position(|flow| {
                let free = flow.stack.is_none() && flow.opens == opens;
                same(flow) && free && (opens || flow.own.port() == port)
            })
        });
        let Some(flow) = place.and_then(|place| self.0.get_mut(place)) else {
            return;
        };
        let index = match flow.stack {
            // Sent again.
            Some((_, start, index)) if start.sequence == segment.start.sequence => index,
            Some((_, _, index)) => index + 1,
            None => 0,
        };
        if flow.stack.is_none_or(|(_, _, before)| before != index) {
            flow.stack = Some((port, segment.start, index));
        }
    }

    /// Gives what the stack sends the recording's numbers.
    pub(super) fn send(&mut self, frame: &mut [u8], checksum: Option<usize>) -> Option<()> {
        let (segment, header) = ends(frame)?;
        if segment.flags & SYN != 0 {
            self.learn(&segment);
        }
        let flow = self.0.iter().find(|flow| {
            let port = flow.stack.map(|(port, ..)| port);
            flow.peer == segment.dst && flow.own.ip() == segment.src.ip() && port == Some(segment.src.port())
        })?;
        let (recorded, stack) = flow.starts()?;
        packet::change(frame, header, checksum, |header| {
            put_word(header, 0, flow.own.port());
            shift(header, 4, stack.sequence, recorded.sequence);
            if let (Some(at), Some(from), Some(to)) =
                (packet::tcp_option(header, TIMESTAMPS), stack.timestamp, recorded.timestamp)
            {
                shift(header, at.start, from, to);
            }
        });
        Some(())
    }

    /// Gives what the host received the stack's numbers.
    pub(super) fn receive(&self, frame: &mut [u8]) -> Option<()> {
        let (segment, header) = ends(frame)?;
        let flow = self.recorded(segment.dst, segment.src)?;
        let (recorded, stack) = flow.starts()?;
        let (port, ..) = flow.stack?;
        packet::change(frame, header, Some(16), |header| {
            put_word(header, 2, port);
            if segment.flags & ACK != 0 {
                shift(header, 8, recorded.sequence, stack.sequence);
            }
            if let Some(blocks) = packet::tcp_option(header, SACK) {
                blocks.step_by(4).for_each(|at| shift(header, at, recorded.sequence, stack.sequence));
            }
            let echoed = packet::tcp_option(header, TIMESTAMPS).map(|at| at.start + 4);
            if let (Some(at), Some(from), Some(to)) = (echoed, recorded.timestamp, stack.timestamp)
                && long(header, at).is_some_and(|echo| echo != 0)
            {
                shift(header, at, from, to);
            }
        });
        Some(())
    }

    /// The same for the segment that an ICMP error quotes: its first eight
    /// bytes, at `at`.
    pub(super) fn receive_quote(
        &self,
        own: SocketAddrV4,
        peer: SocketAddrV4,
        at: usize,
        message: &mut [u8],
    ) -> Option<()> {
        let flow = self.recorded(own, peer)?;
        let (recorded, stack) = flow.starts()?;
        put_word(message, at, flow.stack?.0);
        shift(message, at + 4, recorded.sequence, stack.sequence);
        Some(())
    }

    fn recorded(&self, own: SocketAddrV4, peer: SocketAddrV4) -> Option<&Flow> {
        self.0.iter().find(|flow| (flow.own, flow.peer) == (own, peer))
    }
}

/// Counts the number at `at` from `to` on instead of `from`.
fn shift(bytes: &mut [u8], at: usize, from: u32, to: u32) {
    if let Some(number) = long(bytes, at) {
        put_long(bytes, at, number.wrapping_sub(from).wrapping_add(to));
    }
}
