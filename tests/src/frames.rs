//! Frames made by hand, right in all that is not said to be wrong.

use std::net::Ipv4Addr;

use fata::traits::{EtherType, MacAddr, Protocol};
use fata::wire::{Checksum, checksum};

/// The stack's end.
pub const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// The stack's hardware address.
pub const OWN_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 2]);
/// Whoever means no good.
pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
/// Its hardware address.
pub const PEER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
/// Somebody who means well.
pub const GOOD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 8);
/// Its hardware address.
pub const GOOD_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 8]);

/// No more data.
pub const FIN: u8 = 1;
/// Synchronizes numbers.
pub const SYN: u8 = 2;
/// Ends the connection.
pub const RST: u8 = 4;
/// To be handed on.
pub const PSH: u8 = 8;
/// The acknowledgement counts.
pub const ACK: u8 = 16;
/// The urgent pointer counts.
pub const URG: u8 = 32;

/// From the peer to `dst`.
pub fn ethernet(dst: MacAddr, ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &PEER_MAC.0, &ethertype.0.to_be_bytes(), payload].concat()
}

/// An ARP packet as Ethernet and IPv4 have it.
pub fn arp(operation: u8, sender: (MacAddr, Ipv4Addr), target: Ipv4Addr) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, operation];
    [&head[..], &sender.0.0, &sender.1.octets(), &[0; 6], &target.octets()].concat()
}

/// An IPv4 packet.
#[derive(Clone)]
pub struct Ip {
    /// Whose it is.
    pub src: Ipv4Addr,
    /// For whom it is.
    pub dst: Ipv4Addr,
    /// What it carries.
    pub protocol: Protocol,
    /// The identification.
    pub id: u16,
    /// Flags and offset, as in the header.
    pub fragment: u16,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// What follows the header.
    pub payload: Vec<u8>,
}

impl Ip {
    /// From the peer to the stack.
    pub fn new(protocol: Protocol, payload: &[u8]) -> Self {
        let (src, dst, options) = (PEER, OWN, Vec::new());
        Self { src, dst, protocol, id: 7, fragment: 0, options, payload: payload.to_vec() }
    }

    /// From somebody else.
    pub fn from(self, src: Ipv4Addr) -> Self {
        Self { src, ..self }
    }

    /// To somebody else.
    pub fn to(self, dst: Ipv4Addr) -> Self {
        Self { dst, ..self }
    }

    /// A fragment: at which byte, and whether more follow.
    pub fn fragment(self, id: u16, offset: usize, more: bool) -> Self {
        let fragment = (offset / 8) as u16 | if more { 0x2000 } else { 0 };
        Self { id, fragment, ..self }
    }

    /// With options, which are filled up to words.
    pub fn options(self, options: &[u8]) -> Self {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Self { options, ..self }
    }

    /// The packet, with its header's checksum.
    pub fn bytes(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let total = (header + self.payload.len()) as u16;
        let mut packet = vec![0x40 | (header / 4) as u8, 0];
        for word in [total, self.id, self.fragment] {
            packet.extend(word.to_be_bytes());
        }
        packet.extend([64, self.protocol.0, 0, 0]);
        packet.extend(self.src.octets());
        packet.extend(self.dst.octets());
        packet.extend(&self.options);
        renew(&mut packet);
        packet.extend(&self.payload);
        packet
    }

    /// In a frame to the stack.
    pub fn frame(&self) -> Vec<u8> {
        ethernet(OWN_MAC, EtherType::IPV4, &self.bytes())
    }

    /// In a frame to all.
    pub fn broadcast(&self) -> Vec<u8> {
        ethernet(MacAddr::BROADCAST, EtherType::IPV4, &self.bytes())
    }
}

/// Gives an IPv4 header its checksum.
pub fn renew(header: &mut [u8]) {
    let end = usize::from(header[0] & 0x0f) * 4;
    let end = end.clamp(20, header.len());
    header[10..12].fill(0);
    let sum = checksum(&header[..end]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// An ICMP message with its checksum.
pub fn icmp(kind: u8, code: u8, rest: &[u8]) -> Ip {
    let mut message = [&[kind, code, 0, 0], rest].concat();
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    Ip::new(Protocol::ICMP, &message)
}

/// An echo request.
pub fn ping() -> Ip {
    icmp(8, 0, &[1, 2, 3, 4, 5, 6, 7, 8])
}

/// A UDP datagram from port 4000.
pub fn udp(port: u16, data: &[u8]) -> Ip {
    let mut datagram = Vec::new();
    for word in [4000, port, (8 + data.len()) as u16, 0] {
        datagram.extend(word.to_be_bytes());
    }
    datagram.extend(data);
    summed(Ip::new(Protocol::UDP, &datagram), 6)
}

/// A packet with the checksum of its transport `at` bytes into it.
pub fn summed(mut ip: Ip, at: usize) -> Ip {
    ip.payload[at..at + 2].fill(0);
    let sum = Checksum::pseudo(ip.src, ip.dst, ip.protocol, ip.payload.len()).bytes(&ip.payload).finish();
    ip.payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    ip
}

/// A TCP segment.
#[derive(Clone)]
pub struct Tcp {
    /// Source and destination.
    pub ports: (u16, u16),
    /// The sequence number.
    pub seq: u32,
    /// The acknowledgement number.
    pub ack: u32,
    /// [`SYN`] and its like.
    pub flags: u8,
    /// The window, as it stands in the header.
    pub window: u16,
    /// The urgent pointer.
    pub urgent: u16,
    /// Options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// What follows the header.
    pub data: Vec<u8>,
}

impl Tcp {
    /// From `port` to port 80.
    pub fn new(port: u16, flags: u8, seq: u32, ack: u32) -> Self {
        let (options, data) = (Vec::new(), Vec::new());
        Self { ports: (port, 80), seq, ack, flags, window: 60_000, urgent: 0, options, data }
    }

    /// With another window.
    pub fn window(self, window: u16) -> Self {
        Self { window, ..self }
    }

    /// With options, which are filled up to words.
    pub fn options(self, options: &[u8]) -> Self {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Self { options, ..self }
    }

    /// With data.
    pub fn data(self, data: &[u8]) -> Self {
        Self { data: data.to_vec(), ..self }
    }

    /// Between the addresses of `ip`.
    pub fn in_ip(&self, ip: Ip) -> Ip {
        let mut segment = Vec::new();
        segment.extend(self.ports.0.to_be_bytes());
        segment.extend(self.ports.1.to_be_bytes());
        segment.extend(self.seq.to_be_bytes());
        segment.extend(self.ack.to_be_bytes());
        segment.extend([(((20 + self.options.len()) / 4) << 4) as u8, self.flags]);
        segment.extend(self.window.to_be_bytes());
        segment.extend([0, 0]);
        segment.extend(self.urgent.to_be_bytes());
        segment.extend(&self.options);
        segment.extend(&self.data);
        summed(Ip { payload: segment, protocol: Protocol::TCP, ..ip }, 16)
    }

    /// From the peer to the stack.
    pub fn ip(&self) -> Ip {
        self.in_ip(Ip::new(Protocol::TCP, &[]))
    }

    /// In a frame to the stack.
    pub fn frame(&self) -> Vec<u8> {
        self.ip().frame()
    }
}
