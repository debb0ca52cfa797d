//! From a frame's payload to whoever takes it.

use core::net::Ipv4Addr;

use traits::{Cast, Ethernet, Frame, IcmpError, Inbound, LinkCast, Packet, RxMeta, UnreachableCode};
use wire::Protocol;

use crate::Ipv4;
use crate::addressing::Destination;
use crate::fragment::Whole;
use crate::header::{HeaderFields, Parsed, parse, parse_plain};
use crate::icmp::ErrorToSend;
use crate::igmp;
use crate::listeners::{DefaultLabel, Label, Listeners};
use crate::stats::Count;

impl<E, const BUFFERS: usize, const BUFFER: usize, const ENTRIES: usize, const PATHS: usize>
    Ipv4<E, BUFFERS, BUFFER, ENTRIES, PATHS>
where
    E: Ethernet,
{
    /// Takes the payload of an Ethernet frame, and hands what is for this host
    /// to the label of its protocol: verified, whole, padding cut off, in the
    /// driver's own buffer (fragments: in the layer's).
    ///
    /// Nothing of the layer is borrowed while a label runs: it may call back
    /// into any method. Echo requests and packets of protocols that nobody
    /// takes are answered from here, with [`TxMeta::more`](traits::TxMeta)
    /// set; the driver sends them at the end of its batch.
    #[inline]
    pub fn input<T: Label, U: Label, I: Label, D: DefaultLabel>(
        &self,
        frame: Frame<'_>,
        mut listeners: Listeners<T, U, I, D>,
    ) {
        self.counters.add(Count::RxPackets);
        let mut whole = None;
        let inbound = match self.accept_plain(&frame) {
            Some(packet) => Inbound::Packet(packet),
            // By its parts, so that the frame of a plain one need not stand in memory.
            None => match self.accept_any(frame.bytes, frame.meta, &mut whole) {
                Some(inbound) => inbound,
                None => return,
            },
        };
        let protocol = match &inbound {
            Inbound::Packet(packet) => packet.protocol,
            Inbound::Error(error) => error.protocol,
        };
        let taken = match (protocol, inbound) {
            (Protocol::TCP, _) => listeners.tcp.take(inbound),
            (Protocol::UDP, _) => listeners.udp.take(inbound),
            (Protocol::ICMP, _) => listeners.icmp.take(inbound),
            (_, Inbound::Packet(packet)) => {
                let taken = listeners.default.take(packet.protocol, packet.src, packet.dst, packet.payload);
                if !taken {
                    return self.protocol_unknown(&packet);
                }
                taken
            }
            (_, Inbound::Error(_)) => false,
        };
        self.counters.add(if taken { Count::RxDelivered } else { Count::RxIgnored });
    }

    /// The packet in a frame where it is as nearly all are: well formed, whole,
    /// for this host, and for TCP or UDP. `None` for any other.
    #[inline(always)]
    fn accept_plain<'f>(&self, frame: &Frame<'f>) -> Option<Packet<'f>> {
        // Fewest bytes: the general way comes to the same.
        if cfg!(guest_small) {
            return None;
        }
        let Parsed { fields, header, payload } = parse_plain(frame.bytes)?;
        let is_usual = matches!(fields.protocol, Protocol::TCP | Protocol::UDP)
            && frame.meta.link == LinkCast::Host
            && (self.recent.is_peer(fields.src, fields.dst)
                || self.cast(fields.src, fields.dst) == Ok(Cast::Unicast));
        is_usual.then(|| packet(&fields, header, payload, frame.meta))
    }

    /// What is in a frame for a label; fragments are collected in `whole`. What is
    /// for none is counted.
    #[inline(never)]
    fn accept_any<'a, 'f: 'a, 's>(
        &'s self,
        bytes: &'f [u8],
        meta: RxMeta,
        whole: &'a mut Option<Whole<'s>>,
    ) -> Option<Inbound<'a>> {
        let packet = match self.accept(bytes, meta) {
            Ok(Accepted::Packet(packet)) => packet,
            Ok(Accepted::Fragment(parsed, cast)) => whole.insert(self.collect(&parsed, cast, meta)?).packet(),
            Err(reason) => {
                self.counters.add(reason);
                return None;
            }
        };
        if !matches!(packet.protocol, Protocol::ICMP | Protocol::IGMP) {
            return Some(Inbound::Packet(packet));
        }
        match self.control(&packet) {
            Ok(Control::Message) => Some(Inbound::Packet(packet)),
            Ok(Control::Error(error)) => Some(Inbound::Error(error)),
            Err(reason) => {
                self.counters.add(reason);
                None
            }
        }
    }

    /// Whether a packet is well formed and for this host.
    fn accept<'f>(&self, bytes: &'f [u8], meta: RxMeta) -> Result<Accepted<'f>, Count> {
        let parsed = parse(bytes)?;
        let fields = parsed.fields;
        let cast = match self.recent.is_peer(fields.src, fields.dst) {
            true => Cast::Unicast,
            false => self.cast(fields.src, fields.dst)?,
        };
        if cast == Cast::Unicast && meta.link != LinkCast::Host {
            return Err(Count::RxLinkBroadcast);
        }
        if fields.fragmentation.is_fragment() {
            return Ok(Accepted::Fragment(parsed, cast));
        }
        let mut packet = packet(&fields, parsed.header, parsed.payload, meta);
        packet.cast = cast;
        Ok(Accepted::Packet(packet))
    }

    /// Whom a packet is for, if it is for this host.
    #[inline(never)]
    fn cast(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Result<Cast, Count> {
        match self.addressing.borrow().classify(src, dst)? {
            Destination::Here(Cast::Unicast) => {
                self.recent.set_peer(src, dst);
                Ok(Cast::Unicast)
            }
            Destination::Here(cast) => Ok(cast),
            Destination::Group if self.groups.borrow().contains(dst) => Ok(Cast::Multicast),
            Destination::Group => Err(Count::RxNotLocal),
        }
    }

    /// What the layer deals with itself, and what a label is to be told of it.
    #[cold]
    #[inline(never)]
    fn control<'p>(&self, packet: &Packet<'p>) -> Result<Control<'p>, Count> {
        match packet.protocol {
            Protocol::ICMP => self.icmp(packet),
            _ => Err(self.igmp(packet)),
        }
    }

    #[cold]
    #[inline(never)]
    fn collect(&self, parsed: &Parsed<'_>, cast: Cast, meta: RxMeta) -> Option<Whole<'_>> {
        let now = self.ethernet.now();
        let whole = self.reassembly.collect(parsed, cast, meta, now, &self.counters);
        self.wake_before(self.reassembly.deadline());
        whole
    }

    #[cold]
    fn protocol_unknown(&self, packet: &Packet<'_>) {
        self.counters.add(Count::RxProtocolUnknown);
        self.send_error(packet, ErrorToSend::Unreachable(UnreachableCode::Protocol), true);
    }

    /// Hears routers and other members (RFC 2236 §3).
    fn igmp(&self, packet: &Packet<'_>) -> Count {
        let Some(message) = igmp::parse(packet.payload) else { return Count::IgmpMalformed };
        let now = self.ethernet.now();
        let deadline = {
            let mut groups = self.groups.borrow_mut();
            groups.hear(message, now, |bound| self.secret.below(bound));
            groups.deadline()
        };
        self.wake_before(deadline);
        match message {
            igmp::Incoming::Query { .. } => Count::IgmpQueries,
            igmp::Incoming::Report { .. } | igmp::Incoming::Other => Count::IgmpHeard,
        }
    }
}

/// A packet to this host alone.
#[inline(always)]
fn packet<'f>(fields: &HeaderFields, header: &'f [u8], payload: &'f [u8], meta: RxMeta) -> Packet<'f> {
    let mut packet = Packet::new(fields.src, fields.dst, fields.protocol, payload);
    packet.ttl = fields.ttl;
    packet.tos = fields.tos;
    packet.header = header;
    packet.meta = meta.above(header.len() as u16);
    packet
}

/// What is for this host.
enum Accepted<'f> {
    Packet(Packet<'f>),
    Fragment(Parsed<'f>, Cast),
}

/// What a message of ICMP is to its label.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control<'p> {
    /// Itself.
    Message,
    /// An error about a packet of this host.
    Error(IcmpError<'p>),
}
