//! What a frame carries, as far as a replay has to know.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::defrag::IpDefragPool;
use etherparse::{ArpOperation, IpNumber, NetSlice, SlicedPacket, TransportSlice, UdpSlice};
use fata::traits::MacAddr;

/// An IPv4 packet that is no fragment, or the first.
pub(super) struct Packet<'a> {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    pub(super) whole: bool,
    pub(super) transport: Option<TransportSlice<'a>>,
}

/// The IPv4 packet in a frame, if all its headers make sense.
pub(super) fn ipv4(frame: &[u8]) -> Option<Packet<'_>> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
    let header = ip.header();
    let (src, dst) = (header.source_addr(), header.destination_addr());
    Some(Packet { src, dst, whole: !header.is_fragmenting_payload(), transport: sliced.transport })
}

/// A packet made whole out of fragments.
pub(super) struct Whole {
    pub(super) src: Ipv4Addr,
    pub(super) dst: Ipv4Addr,
    protocol: IpNumber,
    payload: Vec<u8>,
}

/// Fragments of packets that are not whole yet.
pub(super) type Fragments = IpDefragPool<(), ()>;

/// The packet that a fragment makes whole.
pub(super) fn reassemble(fragments: &mut Fragments, frame: &[u8]) -> Option<Whole> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &sliced.net else { return None };
    let (src, dst) = (ip.header().source_addr(), ip.header().destination_addr());
    let whole = fragments.process_sliced_packet(&sliced, (), ()).ok()??;
    Some(Whole { src, dst, protocol: whole.ip_number, payload: whole.payload })
}

impl Whole {
    /// The UDP datagram in it.
    pub(super) fn udp(&self) -> Option<(SocketAddrV4, SocketAddrV4, &[u8])> {
        let udp = UdpSlice::from_slice(&self.payload).ok().filter(|_| self.protocol == IpNumber::UDP)?;
        let src = SocketAddrV4::new(self.src, udp.source_port());
        Some((src, SocketAddrV4::new(self.dst, udp.destination_port()), udp.payload()))
    }

    /// The ICMP message in it.
    pub(super) fn icmp(&self) -> Option<&[u8]> {
        (self.protocol == IpNumber::ICMP).then_some(&self.payload[..])
    }
}

/// An ARP packet.
pub(super) struct Arp {
    pub(super) is_request: bool,
    pub(super) sender: Ipv4Addr,
    pub(super) mac: MacAddr,
    pub(super) target: Ipv4Addr,
}

/// The ARP packet in a frame.
pub(super) fn arp(frame: &[u8]) -> Option<Arp> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(NetSlice::Arp(arp)) = &sliced.net else { return None };
    let address = |bytes: &[u8]| bytes.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets));
    Some(Arp {
        is_request: arp.operation() == ArpOperation::REQUEST,
        sender: address(arp.sender_protocol_addr())?,
        mac: MacAddr(*arp.sender_hw_addr().first_chunk()?),
        target: address(arp.target_protocol_addr())?,
    })
}

/// A TCP segment.
pub(super) struct Segment<'a> {
    pub(super) src: SocketAddrV4,
    pub(super) dst: SocketAddrV4,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: Option<u32>,
    pub(super) fin: bool,
    pub(super) data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The TCP segment in it.
    pub(super) fn tcp(&self) -> Option<Segment<'a>> {
        let Some(TransportSlice::Tcp(tcp)) = &self.transport else { return None };
        Some(Segment {
            src: SocketAddrV4::new(self.src, tcp.source_port()),
            dst: SocketAddrV4::new(self.dst, tcp.destination_port()),
            sequence: tcp.sequence_number(),
            syn: tcp.syn(),
            ack: tcp.ack().then(|| tcp.acknowledgment_number()),
            fin: tcp.fin(),
            data: tcp.payload(),
        })
    }

    /// The UDP datagram in it: from, to, data.
    pub(super) fn udp(&self) -> Option<(SocketAddrV4, SocketAddrV4, &'a [u8])> {
        let Some(TransportSlice::Udp(udp)) = &self.transport else { return None };
        let src = SocketAddrV4::new(self.src, udp.source_port());
        Some((src, SocketAddrV4::new(self.dst, udp.destination_port()), udp.payload()))
    }

    /// The ICMP message in it.
    pub(super) fn icmp(&self) -> Option<&'a [u8]> {
        match &self.transport {
            Some(TransportSlice::Icmpv4(icmp)) => Some(icmp.slice()),
            _ => None,
        }
    }
}
