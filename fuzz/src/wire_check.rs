//! An independent parser's word on what the stack sends.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use wire::EtherType;

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
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        // ARP is the only other kind that the stack speaks.
        assert_eq!(frame[12..14], [0x08, 0x06], "sent an unknown EtherType");
        assert!(frame.len() >= 42, "sent a short ARP packet");
        return;
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
        }
        Some(TransportSlice::Icmpv4(icmp)) => {
            // Summed up as a receiver does: both zeros are good, where the
            // parser's own sum knows one.
            let sum = icmp.slice().chunks(2).fold(0u32, |sum, pair| {
                let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
                let sum = sum + u32::from(word);
                (sum & 0xffff) + (sum >> 16)
            });
            assert_eq!(sum, 0xffff, "ICMP checksum");
        }
        Some(_) | None => {}
    }
}
