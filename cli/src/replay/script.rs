//! The applications of a recorded host, as far as what they did can be seen.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};

use fata::traits::Instant;
use netif_pcap::{Recording, Side};

use super::packet::{Packet, Segment, ipv4};

const DHCP: [u16; 2] = [67, 68];

/// What was done, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// TCP connections, in order.
    pub(super) connections: Vec<Connection>,
    /// Datagrams sent: from which port, to whom, what.
    pub(super) datagrams: Vec<(Instant, u16, SocketAddrV4, Vec<u8>)>,
    /// Echo requests sent: to whom, the message.
    pub(super) pings: Vec<(Instant, Ipv4Addr, Vec<u8>)>,
    /// UDP ports that were closed: port unreachable was sent.
    pub(super) closed: BTreeSet<u16>,
    /// Whether the host asked for an address by DHCP.
    pub(super) dhcp: bool,
    /// Whether it was leased one before it used any.
    pub(super) leased: bool,
}

/// When something was done with a connection: no earlier than this, and not
/// before so many bytes have been received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) received: u32,
}

/// What the user of one connection did.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) port: u16,
    pub(super) peer: SocketAddrV4,
    /// When it was opened from here.
    pub(super) opened: Option<Instant>,
    /// What was written: at once what nothing was received between, as one
    /// answer.
    pub(super) writes: Vec<(Moment, Vec<u8>)>,
    pub(super) closed: Option<Moment>,
    start: u32,
    next: u32,
    /// The first acknowledgement sent.
    base: Option<u32>,
    answers: bool,
}

impl Script {
    /// What the host did that is `side` of the recording.
    pub(super) fn of(recording: &Recording, side: Side) -> Self {
        let mut script = Self::default();
        let mut latest = HashMap::new();
        let mut has_address = false;
        for frame in recording.frames() {
            let Some(packet) = ipv4(&frame.bytes).filter(|packet| packet.whole) else { continue };
            if side.sends(frame) {
                has_address |= !packet.src.is_unspecified();
                script.sent(frame.at, &packet, &mut latest);
            } else if let Some(segment) = packet.tcp().filter(|segment| !segment.data.is_empty())
                && let Some(place) = latest.get(&(segment.dst, segment.src))
                && let Some(connection) = script.connections.get_mut(*place)
            {
                connection.answers = true;
            } else if packet.udp().is_some_and(|(src, dst, _)| [src.port(), dst.port()] == DHCP) {
                script.leased |= script.dhcp && !has_address;
            }
        }
        script
    }

    fn sent(
        &mut self,
        at: Instant,
        packet: &Packet<'_>,
        latest: &mut HashMap<(SocketAddrV4, SocketAddrV4), usize>,
    ) {
        if let Some(segment) = packet.tcp() {
            let ends = (segment.src, segment.dst);
            if segment.syn && latest.get(&ends).is_none_or(|p| self.is_another(*p, &segment)) {
                latest.insert(ends, self.connections.len());
                self.connections.push(Connection::new(at, &segment));
            }
            if let Some(connection) = latest.get(&ends).and_then(|place| self.connections.get_mut(*place)) {
                connection.sent(at, &segment);
            }
        } else if let Some((src, dst, data)) = packet.udp() {
            if DHCP.contains(&src.port()) && DHCP.contains(&dst.port()) {
                self.dhcp = true;
            } else {
                self.datagrams.push((at, src.port(), dst, data.to_vec()));
            }
        } else if let Some(message) = packet.icmp() {
            match message {
                [8, 0, ..] => self.pings.push((at, packet.dst, message.to_vec())),
                // Port unreachable: the port is that of the packet quoted.
                [3, 3, ..] => self.closed.extend(quoted_port(message)),
                _ => {}
            }
        }
    }

    fn is_another(&self, place: usize, syn: &Segment<'_>) -> bool {
        self.connections.get(place).is_none_or(|connection| connection.start != syn.sequence)
    }

    /// Ports on which the host took connections.
    pub(super) fn listens(&self, port: u16) -> bool {
        self.connections.iter().any(|connection| connection.opened.is_none() && connection.port == port)
    }
}

/// The destination port in the packet that an ICMP error quotes.
fn quoted_port(message: &[u8]) -> Option<u16> {
    let quoted = message.get(8..)?;
    let header = usize::from(quoted.first()? & 0x0f) * 4;
    quoted.get(header + 2..)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))
}

impl Connection {
    fn new(at: Instant, syn: &Segment<'_>) -> Self {
        Self {
            port: syn.src.port(),
            peer: syn.dst,
            opened: syn.ack.is_none().then_some(at),
            writes: Vec::new(),
            closed: None,
            start: syn.sequence,
            next: syn.sequence.wrapping_add(1),
            base: None,
            answers: true,
        }
    }

    /// Notes what is new in a segment.
    fn sent(&mut self, at: Instant, segment: &Segment<'_>) {
        let base = self.base.or(segment.ack);
        self.base = base;
        let received = segment.ack.zip(base).map_or(0, |(ack, base)| ack.wrapping_sub(base));
        let moment = Moment { at, received };
        let known = self.next.wrapping_sub(segment.sequence) as usize;
        // Beyond what was sent so far, or long before: not new.
        if let Some(fresh) = segment.data.get(known..).filter(|fresh| !fresh.is_empty()) {
            match self.writes.last_mut().filter(|_| !self.answers) {
                Some((_, answer)) => answer.extend_from_slice(fresh),
                None => self.writes.push((moment, fresh.to_vec())),
            }
            self.next = self.next.wrapping_add(fresh.len() as u32);
            self.answers = false;
        }
        if segment.fin {
            self.closed.get_or_insert(moment);
        }
    }
}
