//! Independent parsers' word on what the stack sends, and on what it takes.

use dhcp_client::message::{Code, Message};
use etherparse::{
    ArpEthIpv4Packet, ArpPacketSlice, Ethernet2Slice, Ipv4Header, Ipv4HeaderSlice, NetSlice, SlicedPacket,
    TransportSlice, UdpSlice,
};
use smoltcp::wire::{DhcpPacket, DhcpRepr};
use traits::{Datagram, Packet};
use wire::{EtherType, Protocol};

use crate::packet::{PEER, STACK};

/// For frames whose payload means nothing (IEEE 802 local experimental).
pub const OPAQUE: EtherType = EtherType(0x88b5);

/// Panics where a frame that the stack sent is not what a peer may expect:
/// a field out of place, a length or a checksum that does not hold.
pub fn check_sent(frame: &[u8]) {
    if frame.get(12..14) == Some(&OPAQUE.0.to_be_bytes()) {
        return;
    }
    let packet = SlicedPacket::from_ethernet(frame)
        .unwrap_or_else(|error| panic!("sent what is no packet: {error}: {frame:02x?}"));
    let ip = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => ip,
        Some(NetSlice::Arp(arp)) => {
            let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).expect("ARP of another network");
            assert!((1..=2).contains(&arp.operation.0), "neither asks nor answers: {arp:?}");
            assert_eq!(frame[6..12], arp.sender_mac, "speaks for another");
            return;
        }
        Some(NetSlice::Ipv6(_)) | None => panic!("sent an unknown EtherType: {frame:02x?}"),
    };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum(), "IPv4 checksum");
    assert_eq!(usize::from(header.total_len) + 14, frame.len(), "IPv4 total length");
    assert_ne!(header.time_to_live, 0, "time to live");
    assert!(!header.source.starts_with(&[224]) && header.source != [255; 4], "sent from a group");
    if ip.payload().fragmented {
        return;
    }
    let (src, dst) = (header.source, header.destination);
    match &packet.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(Ok(tcp.checksum()), tcp.calc_checksum_ipv4(src, dst), "TCP checksum");
            assert!(!(tcp.syn() && (tcp.fin() || tcp.rst())), "TCP flags");
            assert!(tcp.options_iterator().all(|option| option.is_ok()), "TCP options");
        }
        Some(TransportSlice::Udp(udp)) => {
            assert_eq!(usize::from(udp.length()), udp.payload().len() + 8, "UDP length");
            let sum = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
            assert_eq!(Ok(udp.checksum()), sum, "UDP checksum");
            if (udp.source_port(), udp.destination_port()) == (68, 67) {
                check_dhcp(udp.payload());
            }
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            assert!(sums_up(icmp.slice()), "ICMP checksum");
        }
        Some(_) | None => {}
    }
}

/// Whether a message holds with the checksum in it. Summed up as a receiver
/// does: both zeros are good, where the parser's own sum knows one.
fn sums_up(message: &[u8]) -> bool {
    let sum = message.chunks(2).fold(0u32, |sum, pair| {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let sum = sum + u32::from(word);
        (sum & 0xffff) + (sum >> 16)
    });
    sum == 0xffff
}

/// Panics where a message of the client's is not what another stack's parser
/// takes for one.
pub fn check_dhcp(message: &[u8]) {
    let packet = DhcpPacket::new_checked(message).expect("no DHCP message");
    let sent = DhcpRepr::parse(&packet).expect("a DHCP message that another refuses");
    let bytes = packet.options().map(|option| 2 + option.data.len()).sum::<usize>();
    assert!(message.get(240 + bytes) == Some(&255), "options that do not end: {sent:?}");
    assert_eq!(packet.opcode(), smoltcp::wire::DhcpOpCode::Request);
    // RFC 2131 §4.4.1, table 5.
    assert_eq!((sent.your_ip.octets(), sent.relay_agent_ip.octets()), ([0; 4], [0; 4]), "{sent:?}");
}

/// Panics where IPv4 hands up what an independent parser reads otherwise.
pub fn check_taken(packet: &Packet<'_>) {
    let header = Ipv4HeaderSlice::from_slice(packet.header).expect("took what is no header");
    let fields = header.to_header();
    assert_eq!((fields.source, fields.destination), (packet.src.octets(), packet.dst.octets()));
    assert_eq!((fields.protocol.0, fields.time_to_live), (packet.protocol.0, packet.ttl));
    if header.more_fragments() || header.fragments_offset().value() != 0 {
        // Put together of several, this is the header of one of them.
        return;
    }
    if packet.protocol == Protocol::ICMP {
        assert!(sums_up(packet.payload), "took a wrong ICMP checksum");
    }
    assert_eq!(usize::from(header.total_len()), packet.header.len() + packet.payload.len(), "IPv4 length");
    assert!(same_sum(header.header_checksum(), fields.calc_header_checksum()), "took a wrong IPv4 checksum");
}

/// The packet in a frame that the stack must not refuse: whole, without
/// options, from its neighbour to it, with a checksum that holds.
pub fn owed_packet(frame: &[u8]) -> Option<(Ipv4Header, &[u8])> {
    let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
    let hosts = (ethernet.destination(), ethernet.source(), ethernet.ether_type().0);
    let bytes = ethernet.payload_slice();
    let header = Ipv4HeaderSlice::from_slice(bytes).ok()?.to_header();
    let payload = bytes.get(20..header.total_len.into())?;
    let plain = header.options.is_empty() && !header.more_fragments && header.fragment_offset.value() == 0;
    let to_stack = hosts == (STACK.0.0, PEER.0.0, EtherType::IPV4.0)
        && (header.source, header.destination) == (PEER.1.octets(), STACK.1.octets());
    (plain && to_stack && same_sum(header.header_checksum, header.calc_header_checksum()))
        .then_some((header, payload))
}

/// The port for which there is a datagram in such a packet that the stack must
/// not refuse.
pub fn owed_datagram(header: &Ipv4Header, payload: &[u8]) -> Option<u16> {
    let udp = UdpSlice::from_slice(payload).ok().filter(|_| header.protocol.0 == Protocol::UDP.0)?;
    let sum = udp.to_header().calc_checksum_ipv4(header, udp.payload()).ok()?;
    let sound = udp.checksum() == 0 || same_sum(udp.checksum(), sum);
    let whole = usize::from(udp.length()) == payload.len();
    (sound && whole && udp.source_port() != 0).then_some(udp.destination_port())
}

/// Who says in a frame that an IPv4 address is its own.
pub fn claimed(frame: &[u8]) -> Option<([u8; 6], [u8; 4])> {
    let ethernet = Ethernet2Slice::from_slice_without_fcs(frame).ok()?;
    let arp = ArpPacketSlice::from_slice(ethernet.payload_slice()).ok()?;
    let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
    (ethernet.ether_type().0 == EtherType::ARP.0).then_some((arp.sender_mac, arp.sender_ipv4))
}

/// Panics where a message of DHCP is taken that another stack's parser reads
/// otherwise.
pub fn check_dhcp_taken(bytes: &[u8], message: &Message<'_>) {
    let other = DhcpPacket::new_checked(bytes).expect("took what is no DHCP message");
    let header = message.header();
    assert_eq!(other.magic_number(), 0x6382_5363);
    assert_eq!((other.transaction_id(), other.secs()), (header.xid, header.secs));
    assert_eq!(other.client_hardware_address().0, header.chaddr.0);
    let addresses = [other.client_ip(), other.your_ip(), other.server_ip(), other.relay_agent_ip()];
    assert_eq!(addresses, [header.ciaddr, header.yiaddr, header.siaddr, header.giaddr]);
    // Those of the options field come first; fields that are overloaded are
    // none of the other's business.
    let mut options = message.options();
    for option in other.options() {
        assert_eq!(options.next(), Some((Code(option.kind), option.data)));
    }
    assert!(options.next().is_none() || message.has(Code::OVERLOAD), "more options than there are");
}

/// Panics where UDP hands up what an independent parser reads otherwise;
/// `trusted`: the device has answered for the checksum.
pub fn check_datagram(frame: &[u8], datagram: &Datagram<'_>, trusted: bool) {
    let packet = SlicedPacket::from_ethernet(frame).expect("took what is no packet");
    let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("took what is not IPv4: {frame:02x?}") };
    if ip.payload().fragmented {
        return;
    }
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        panic!("took what is not UDP: {frame:02x?}")
    };
    assert_eq!((udp.source_port(), udp.destination_port()), (datagram.src.port(), datagram.dst.port()));
    assert_eq!(udp.payload(), datagram.payload);
    if !trusted && udp.checksum() != 0 {
        let sum = udp.to_header().calc_checksum_ipv4(&ip.header().to_header(), udp.payload());
        assert!(sum.is_ok_and(|sum| same_sum(udp.checksum(), sum)), "took a wrong UDP checksum");
    }
}

/// Whether both mean the same to a receiver, who knows two zeros.
pub fn same_sum(a: u16, b: u16) -> bool {
    a == b || [a, b].iter().all(|sum| [0, 0xffff].contains(sum))
}
