//! Frames as a peer builds them, with lengths and checksums that hold.

use std::net::Ipv4Addr;

use wire::{Checksum, EtherType, MacAddr, Protocol};

/// The stack under test.
pub const STACK: (MacAddr, Ipv4Addr) = (MacAddr([0x02, 0, 0, 0, 0, 2]), Ipv4Addr::new(10, 0, 0, 2));
/// Its neighbour, which is also its gateway.
pub const PEER: (MacAddr, Ipv4Addr) = (MacAddr([0x02, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 1));

/// An Ethernet frame.
pub fn ethernet(dst: MacAddr, src: MacAddr, ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &src.0, &ethertype.0.to_be_bytes(), payload].concat()
}

/// An ARP packet from `sender`.
pub fn arp(operation: u16, sender: (MacAddr, Ipv4Addr), target: (MacAddr, Ipv4Addr)) -> Vec<u8> {
    let fixed = [0, 1, 8, 0, 6, 4];
    let (sender_ip, target_ip) = (sender.1.octets(), target.1.octets());
    [&fixed[..], &operation.to_be_bytes(), &sender.0.0, &sender_ip, &target.0.0, &target_ip].concat()
}

/// What varies in an IPv4 header.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    /// From whom.
    pub src: Ipv4Addr,
    /// To whom.
    pub dst: Ipv4Addr,
    /// The ECN field, its lower two bits.
    pub ecn: u8,
    /// What.
    pub protocol: Protocol,
    /// Names the packet to which fragments belong.
    pub identification: u16,
    /// Flags and fragment offset.
    pub fragment: u16,
    /// Options, as much of them as fits; padded with zeros.
    pub options: &'a [u8],
}

impl Default for Ipv4<'_> {
    fn default() -> Self {
        Self {
            src: PEER.1,
            dst: STACK.1,
            ecn: 0,
            protocol: Protocol::UDP,
            identification: 0,
            fragment: 0,
            options: &[],
        }
    }
}

impl Ipv4<'_> {
    /// A packet around `payload`.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let options = self.options.get(..self.options.len().min(40)).unwrap_or_default();
        let header_len = 20 + options.len().next_multiple_of(4);
        let total = (header_len + payload.len()).min(65_535);
        let mut packet = vec![0; header_len];
        packet[0] = 0x40 | (header_len / 4) as u8;
        packet[1] = self.ecn & 3;
        packet[2..4].copy_from_slice(&(total as u16).to_be_bytes());
        packet[4..6].copy_from_slice(&self.identification.to_be_bytes());
        packet[6..8].copy_from_slice(&self.fragment.to_be_bytes());
        packet[8] = 64;
        packet[9] = self.protocol.0;
        packet[12..16].copy_from_slice(&self.src.octets());
        packet[16..20].copy_from_slice(&self.dst.octets());
        packet[20..20 + options.len()].copy_from_slice(options);
        let sum = wire::checksum(&packet);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet.extend_from_slice(payload);
        packet
    }

    /// A frame to the stack around `payload`.
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        ethernet(STACK.0, PEER.0, EtherType::IPV4, &self.packet(payload))
    }

    /// Completes the checksum that stands at `at` in `payload`.
    fn sum(&self, mut payload: Vec<u8>, at: usize) -> Vec<u8> {
        if let Some(field) = payload.get_mut(at..at + 2) {
            field.fill(0);
            let sum = match self.protocol {
                Protocol::ICMP => wire::checksum(&payload),
                _ => {
                    Checksum::pseudo(self.src, self.dst, self.protocol, payload.len()).bytes(&payload).finish()
                }
            };
            payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        }
        payload
    }

    /// A datagram.
    pub fn udp(&self, src: u16, dst: u16, data: &[u8]) -> Vec<u8> {
        let len = (data.len() + 8) as u16;
        let header = [src.to_be_bytes(), dst.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat();
        Self { protocol: Protocol::UDP, ..*self }.sum([&header[..], data].concat(), 6)
    }

    /// An ICMP message, of whatever kind, with a checksum that holds.
    pub fn icmp(&self, message: &[u8]) -> Vec<u8> {
        Self { protocol: Protocol::ICMP, ..*self }.sum(message.to_vec(), 2)
    }

    /// A segment.
    pub fn tcp(&self, tcp: &Tcp<'_>) -> Vec<u8> {
        let options = tcp.options.get(..tcp.options.len().min(40)).unwrap_or_default();
        let header_len = 20 + options.len().next_multiple_of(4);
        let mut segment = vec![0; header_len];
        segment[0..2].copy_from_slice(&tcp.src.to_be_bytes());
        segment[2..4].copy_from_slice(&tcp.dst.to_be_bytes());
        segment[4..8].copy_from_slice(&tcp.seq.to_be_bytes());
        segment[8..12].copy_from_slice(&tcp.ack.to_be_bytes());
        segment[12] = (header_len / 4 * 16) as u8;
        segment[13] = tcp.flags;
        segment[14..16].copy_from_slice(&tcp.window.to_be_bytes());
        segment[18..20].copy_from_slice(&tcp.urgent.to_be_bytes());
        segment[20..20 + options.len()].copy_from_slice(options);
        segment.extend_from_slice(tcp.data);
        Self { protocol: Protocol::TCP, ..*self }.sum(segment, 16)
    }
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp<'a> {
    /// The sender's port.
    pub src: u16,
    /// The receiver's port.
    pub dst: u16,
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK, whether the flag is set or not.
    pub ack: u32,
    /// All eight flags.
    pub flags: u8,
    /// SEG.WND.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// Options, as much of them as fits.
    pub options: &'a [u8],
    /// The data.
    pub data: &'a [u8],
}
