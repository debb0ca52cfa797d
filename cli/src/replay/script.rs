//! The applications of a recorded host, as far as what they did can be seen.

use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use fata::traits::Instant;
use netif_pcap::{Recording, Side};

use super::packet::{Fragments, Packet, Segment, arp, ipv4, reassemble};

const DHCP: [u16; 2] = [67, 68];

/// What was done, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// TCP connections, in order.
    pub(super) connections: Vec<Connection>,
    /// Datagrams sent: from which port, to whom, what.
    pub(super) datagrams: Vec<(Moment, u16, SocketAddrV4, Vec<u8>)>,
    /// Echo requests sent: to whom, the message.
    pub(super) pings: Vec<(Moment, Ipv4Addr, Vec<u8>)>,
    /// UDP ports that were closed: port unreachable was sent.
    pub(super) closed: BTreeSet<u16>,
    /// Whether the host asked for an address by DHCP.
    pub(super) dhcp: bool,
    /// Whether it was leased one before it used any.
    pub(super) leased: bool,
}

/// When something was done: no earlier than this, not before so many frames
/// have arrived, and on a connection not before so many bytes have been
/// received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) frames: usize,
    pub(super) received: u32,
}

/// What the user of one connection did.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) port: u16,
    pub(super) peer: SocketAddrV4,
    /// When it was opened from here.
    pub(super) opened: Option<Moment>,
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

/// How long a host may have been asked for before what was to be sent to it
/// is.
const RESOLVING: Duration = Duration::from_secs(3);

/// What is known while a recording is read.
#[derive(Default)]
struct Reading {
    /// The latest connection between two ends.
    latest: HashMap<(SocketAddrV4, SocketAddrV4), usize>,
    /// When hosts were asked for by ARP that nothing has been sent to since.
    asked: HashMap<Ipv4Addr, Moment>,
    /// Frames that arrived so far.
    arrived: usize,
    fragments: Fragments,
    has_address: bool,
}

impl Reading {
    /// When it was that what was sent to `dst` at `at` was to be sent.
    fn begun(&mut self, dst: Ipv4Addr, at: Instant) -> Moment {
        let asked = self.asked.remove(&dst);
        asked.filter(|asked| at.duration_since(asked.at) <= RESOLVING).unwrap_or(self.moment(at))
    }

    fn moment(&self, at: Instant) -> Moment {
        Moment { at, frames: self.arrived, received: 0 }
    }
}

impl Script {
    /// What the host did that is `side` of the recording.
    pub(super) fn of(recording: &Recording, side: Side) -> Self {
        let mut script = Self::default();
        let mut reading = Reading::default();
        for frame in recording.frames() {
            let sent = side.sends(frame);
            reading.arrived += usize::from(side.receives(frame));
            if let Some(packet) = ipv4(&frame.bytes) {
                if sent {
                    reading.has_address |= !packet.src.is_unspecified();
                    let begun = reading.begun(packet.dst, frame.at);
                    if packet.whole {
                        script.sent(begun, &packet, &mut reading);
                    } else if let Some(whole) = reassemble(&mut reading.fragments, &frame.bytes) {
                        script.sent_other(begun, whole.dst, whole.udp(), whole.icmp());
                    }
                } else {
                    script.received(&packet, &reading);
                }
            } else if let Some(arp) = arp(&frame.bytes).filter(|arp| sent && arp.is_request) {
                reading.asked.insert(arp.target, reading.moment(frame.at));
            }
        }
        script
    }

    fn received(&mut self, packet: &Packet<'_>, reading: &Reading) {
        if let Some(segment) = packet.tcp().filter(|segment| !segment.data.is_empty())
            && let Some(place) = reading.latest.get(&(segment.dst, segment.src))
            && let Some(connection) = self.connections.get_mut(*place)
        {
            connection.answers = true;
        } else if packet.udp().is_some_and(|(src, dst, _)| [src.port(), dst.port()] == DHCP) {
            self.leased |= self.dhcp && !reading.has_address;
        }
    }

    fn sent(&mut self, at: Moment, packet: &Packet<'_>, reading: &mut Reading) {
        let Some(segment) = packet.tcp() else {
            return self.sent_other(at, packet.dst, packet.udp(), packet.icmp());
        };
        let ends = (segment.src, segment.dst);
        if segment.syn && reading.latest.get(&ends).is_none_or(|p| self.is_another(*p, &segment)) {
            reading.latest.insert(ends, self.connections.len());
            self.connections.push(Connection::new(at, &segment));
        }
        if let Some(connection) = reading.latest.get(&ends).and_then(|place| self.connections.get_mut(*place)) {
            connection.sent(at, &segment);
        }
    }

    fn sent_other(
        &mut self,
        at: Moment,
        dst: Ipv4Addr,
        udp: Option<(SocketAddrV4, SocketAddrV4, &[u8])>,
        icmp: Option<&[u8]>,
    ) {
        match (udp, icmp) {
            (Some((src, dst, _)), _) if DHCP.contains(&src.port()) && DHCP.contains(&dst.port()) => {
                self.dhcp = true;
            }
            (Some((src, dst, data)), _) => self.datagrams.push((at, src.port(), dst, data.to_vec())),
            (None, Some(message @ [8, 0, ..])) => self.pings.push((at, dst, message.to_vec())),
            // Port unreachable: the port is that of the packet quoted.
            (None, Some(message @ [3, 3, ..])) => self.closed.extend(quoted_port(message)),
            (None, _) => {}
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
    fn new(at: Moment, syn: &Segment<'_>) -> Self {
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
    fn sent(&mut self, at: Moment, segment: &Segment<'_>) {
        let base = self.base.or(segment.ack);
        self.base = base;
        let received = segment.ack.zip(base).map_or(0, |(ack, base)| ack.wrapping_sub(base));
        let moment = Moment { received, ..at };
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
