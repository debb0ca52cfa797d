//! Segments made by hand, and taken apart.

use std::net::Ipv4Addr;

use tcpv4::{Accept, Storage, Tcp};
use traits::{Cast, Inbound, Packet};
use wire::Protocol;

use super::ip::{MockIp, Sent, seal};

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const PSH: u8 = 8;
pub const ACK: u8 = 16;
pub const ECE: u8 = 0x40;
pub const CWR: u8 = 0x80;

pub const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 9);
pub const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A segment from [`PEER`] to port 80 of [`HOST`].
#[derive(Clone, Debug)]
pub struct Raw {
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub src_port: u16,
    pub dst_port: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    pub cast: Cast,
    pub tos: u8,
    /// A bit that is turned over on the way.
    pub spoilt: Option<usize>,
}

impl Raw {
    pub fn new(flags: u8, seq: u32, ack: u32) -> Self {
        Self {
            src: PEER,
            dst: HOST,
            src_port: 5000,
            dst_port: 80,
            seq,
            ack,
            flags,
            window: 65_535,
            options: Vec::new(),
            payload: Vec::new(),
            cast: Cast::Unicast,
            tos: 0,
            spoilt: None,
        }
    }

    pub fn from(mut self, src: Ipv4Addr, port: u16) -> Self {
        (self.src, self.src_port) = (src, port);
        self
    }

    pub fn toward(mut self, port: u16) -> Self {
        self.dst_port = port;
        self
    }

    pub fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    pub fn payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        assert_eq!(self.options.len() % 4, 0);
        let mut bytes = Vec::new();
        bytes.extend(self.src_port.to_be_bytes());
        bytes.extend(self.dst_port.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.push(((5 + self.options.len() / 4) as u8) << 4);
        bytes.push(self.flags);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&self.options);
        bytes.extend(&self.payload);
        seal(self.src, self.dst, &mut bytes);
        if let Some(bit) = self.spoilt
            && let Some(byte) = bytes.get_mut(bit / 8)
        {
            *byte ^= 1 << (bit % 8);
        }
        bytes
    }

    /// Gives it to a layer on which `listener` has port 80.
    pub fn input<S: Storage>(&self, tcp: &Tcp<&MockIp, S>, listener: Option<&dyn Accept>) {
        let bytes = self.bytes();
        let mut packet = Packet::new(self.src, self.dst, Protocol::TCP, &bytes);
        (packet.cast, packet.tos) = (self.cast, self.tos);
        tcp.input(Inbound::Packet(packet), |port| listener.filter(|_| port == 80));
    }
}

/// A segment that was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub dst: Ipv4Addr,
    pub src_port: u16,
    pub dst_port: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl From<&Sent> for Seen {
    fn from(sent: &Sent) -> Self {
        let pieces = sent.on_the_wire();
        assert_eq!(pieces.len(), 1);
        let bytes = &pieces[0];
        let sum = wire::Checksum::pseudo(sent.src, sent.header.dst, Protocol::TCP, bytes.len()).bytes(bytes);
        assert_eq!(sum.finish(), 0, "the checksum is right");
        let short = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        let header = usize::from(bytes[12] >> 4) * 4;
        Self {
            dst: sent.header.dst,
            src_port: short(0),
            dst_port: short(2),
            seq: long(4),
            ack: long(8),
            flags: bytes[13],
            window: short(14),
            options: bytes[20..header].to_vec(),
            payload: bytes[header..].to_vec(),
        }
    }
}

/// Takes what a host has sent.
pub fn take(ip: &MockIp) -> Vec<Seen> {
    ip.take().iter().map(Seen::from).collect()
}
