//! Packets made and read by code of their own.

use std::net::Ipv4Addr;

use super::{Got, ME, PEER};

/// A packet read without the crate's help.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub tos: u8,
    pub id: u16,
    pub df: bool,
    pub mf: bool,
    pub offset: usize,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Seen {
    pub fn read(b: &[u8]) -> Self {
        assert_eq!(b[0] >> 4, 4);
        let ihl = usize::from(b[0] & 15) * 4;
        let word = |at: usize| u16::from_be_bytes([b[at], b[at + 1]]);
        assert_eq!(usize::from(word(2)), b.len(), "total length");
        assert_eq!(sum(&b[..ihl]), 0, "header checksum");
        Seen {
            tos: b[1],
            id: word(4),
            df: word(6) & 0x4000 != 0,
            mf: word(6) & 0x2000 != 0,
            offset: usize::from(word(6) & 0x1fff) * 8,
            ttl: b[8],
            protocol: b[9],
            src: Ipv4Addr::new(b[12], b[13], b[14], b[15]),
            dst: Ipv4Addr::new(b[16], b[17], b[18], b[19]),
            options: b[20..ihl].to_vec(),
            payload: b[ihl..].to_vec(),
        }
    }
}

/// The Internet checksum by its definition.
pub fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A packet to be made, field by field.
#[derive(Clone, Debug)]
pub struct Make {
    pub version: u8,
    pub ihl: Option<u8>,
    pub total: Option<u16>,
    pub tos: u8,
    pub id: u16,
    /// Flags and offset as they stand on the wire.
    pub fragment: u16,
    pub ttl: u8,
    pub protocol: u8,
    pub src: Ipv4Addr,
    pub dst: Ipv4Addr,
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
    pub sum_off_by: u16,
}

pub const DF: u16 = 0x4000;
pub const MF: u16 = 0x2000;

pub fn make(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: impl Into<Vec<u8>>) -> Make {
    Make {
        version: 4,
        ihl: None,
        total: None,
        tos: 0,
        id: 0x1234,
        fragment: 0,
        ttl: 61,
        protocol,
        src,
        dst,
        options: vec![],
        payload: payload.into(),
        sum_off_by: 0,
    }
}

impl Make {
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let header = 20 + self.options.len();
        let ihl = self.ihl.unwrap_or((header / 4) as u8);
        let total = self.total.unwrap_or((header + self.payload.len()) as u16);
        let mut b = vec![self.version << 4 | ihl, self.tos];
        b.extend(total.to_be_bytes());
        b.extend(self.id.to_be_bytes());
        b.extend(self.fragment.to_be_bytes());
        b.extend([self.ttl, self.protocol, 0, 0]);
        b.extend(self.src.octets());
        b.extend(self.dst.octets());
        b.extend(&self.options);
        let check = sum(&b).wrapping_add(self.sum_off_by);
        b[10..12].copy_from_slice(&check.to_be_bytes());
        b.extend(&self.payload);
        b
    }
}

/// An ICMP message with its checksum.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut b = vec![kind, code, 0, 0];
    b.extend(rest);
    b.extend(data);
    let check = sum(&b).to_be_bytes();
    b[2..4].copy_from_slice(&check);
    b
}

/// A part of `whole`, from `start` on.
pub fn part(id: u16, whole: &[u8], start: usize, end: usize) -> Make {
    let more = if end < whole.len() { MF } else { 0 };
    make(PEER, ME, 17, &whole[start..end]).with(|p| {
        p.id = id;
        p.fragment = (start / 8) as u16 | more;
    })
}

/// All parts, of `size` bytes each.
pub fn parts(id: u16, whole: &[u8], size: usize) -> Vec<Make> {
    (0..whole.len()).step_by(size).map(|start| part(id, whole, start, whole.len().min(start + size))).collect()
}

pub fn whole_of(got: &[Got]) -> &[u8] {
    match got {
        [Got::Packet { payload, .. }] => payload,
        other => panic!("{other:?}"),
    }
}
