//! The peer: it knows where both streams are, and makes and reads frames.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use fata::traits::{EtherType, MacAddr, Protocol};
use tests::frames::{ACK, FIN, Ip, PEER_MAC, PSH, RST, SYN, Tcp, arp, ethernet};

use crate::dialogue::{Probe, flags};

/// Where the peer's sequence numbers start: they go round soon.
const IRS: u32 = u32::MAX - 50;

/// What the host did, as far as its peer and its program can see.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) enum Said {
    Segment(Seen),
    /// Its program read so many bytes, and then this.
    Read(usize, &'static str),
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(seen) => seen.fmt(f),
            Self::Read(count, then) => write!(f, "read {count} {then}"),
        }
    }
}

/// What the host answered, with numbers from each side's SYN.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) struct Seen {
    flags: u8,
    seq: i32,
    ack: Option<i32>,
    len: usize,
    is_closed: bool,
    sack: Vec<(i32, i32)>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", flags(self.flags), self.seq)?;
        if self.len > 0 {
            write!(f, "+{}", self.len)?;
        }
        if let Some(ack) = self.ack {
            write!(f, " ack {ack}")?;
        }
        if self.is_closed {
            f.write_str(" window 0")?;
        }
        for (start, end) in &self.sack {
            write!(f, " sack {start}..{end}")?;
        }
        Ok(())
    }
}

/// Leaves out which of the segments of one step but the last push: Linux pushes
/// with each large segment that it cuts, as large as its pacing makes them.
pub(crate) fn without_pushes_within(said: &mut [Said]) {
    let is_data = |said: &Said| matches!(said, Said::Segment(seen) if seen.len > 0);
    let Some(last) = said.iter().rposition(is_data) else { return };
    for said in &mut said[..last] {
        if let Said::Segment(seen) = said {
            seen.flags &= !PSH;
        }
    }
}

/// One peer, known by its port.
pub(crate) struct Peer {
    host_mac: MacAddr,
    /// The peer and the host.
    addresses: [Ipv4Addr; 2],
    ports: [u16; 2],
    /// What it says next.
    nxt: u32,
    /// The host's first number, once it is known, and its next.
    host: Option<(u32, u32)>,
    /// What the host has said already: it may say that again at any time.
    said: BTreeSet<(u8, i32, usize)>,
}

impl Peer {
    pub(crate) fn new(host_mac: MacAddr, addresses: [Ipv4Addr; 2], ports: [u16; 2]) -> Self {
        Self { host_mac, addresses, ports, nxt: IRS, host: None, said: BTreeSet::new() }
    }

    /// A question for the host's address, by which it learns the peer's.
    pub(crate) fn introduce(&self) -> Vec<u8> {
        let [own, host] = self.addresses;
        ethernet(self.host_mac, EtherType::ARP, &arp(1, (PEER_MAC, own), host))
    }

    /// The frame of a segment, which goes on from where the streams are.
    pub(crate) fn say(&mut self, probe: &Probe) -> Vec<u8> {
        let seq = self.nxt.wrapping_add_signed(probe.seq);
        let host = self.host.map_or(0, |(_, next)| next);
        let ack = if probe.flags & ACK != 0 { host.wrapping_add_signed(probe.ack) } else { 0 };
        if probe.counts {
            let controls = u32::from(probe.flags & SYN != 0) + u32::from(probe.flags & FIN != 0);
            self.nxt = seq.wrapping_add(probe.len as u32 + controls);
        }
        let options: &[u8] = if probe.flags & SYN != 0 { &[2, 4, 3, 0xe8, 4, 2, 1, 1] } else { &[] };
        let [src, dst] = self.addresses;
        let data = vec![b'x'; probe.len];
        let segment =
            Tcp::new(self.ports[0], probe.flags, seq, ack).window(probe.window).options(options).data(&data);
        let segment = Tcp { ports: (self.ports[0], self.ports[1]), ..segment };
        let packet = segment.in_ip(Ip::new(Protocol::TCP, &[]).from(src).to(dst));
        ethernet(self.host_mac, EtherType::IPV4, &packet.bytes())
    }

    /// Takes a frame that the host sent; `None` if it is for somebody else, was
    /// said before, or asks whether the peer is there.
    pub(crate) fn hear(&mut self, frame: &[u8]) -> Option<Said> {
        let segment = tcp(frame)?;
        let word = |at: usize| Some(u32::from_be_bytes(segment.get(at..at + 4)?.try_into().ok()?));
        let (seq, ack, bits) = (word(4)?, word(8)?, segment.get(13)? & 0x3f);
        let header = usize::from(segment.get(12)? >> 4) * 4;
        let len = segment.len().checked_sub(header)?;
        self.ports[1] = u16::from_be_bytes([segment[0], segment[1]]);
        let end = seq.wrapping_add(len as u32) + u32::from(bits & SYN != 0) + u32::from(bits & FIN != 0);
        if bits & SYN != 0 && self.host.is_none_or(|(first, _)| first != seq) {
            // It opens anew.
            self.host = Some((seq, seq));
        }
        if bits & RST == 0 {
            let (first, next) = self.host.get_or_insert((seq, seq));
            if end.wrapping_sub(*first) > next.wrapping_sub(*first) {
                *next = end;
            }
        }
        let first = self.host.map_or(0, |(first, _)| first);
        let seen = Seen {
            flags: bits,
            seq: seq.wrapping_sub(first).cast_signed(),
            ack: (bits & ACK != 0).then(|| ack.wrapping_sub(IRS).cast_signed()),
            len,
            is_closed: segment.get(14..16)? == [0, 0] && bits & RST == 0,
            sack: sack(segment.get(20..header)?),
        };
        let is_probe = len == 0
            && bits & (SYN | FIN | RST) == 0
            && self.host.is_some_and(|(_, next)| seq.wrapping_add(1) == next);
        let says_something = len > 0 || bits & (SYN | FIN) != 0;
        let is_new = !says_something || self.said.insert((bits & (SYN | FIN), seen.seq, len));
        (is_new && !is_probe).then_some(Said::Segment(seen))
    }
}

/// The segment in a frame, without what pads it.
fn tcp(frame: &[u8]) -> Option<&[u8]> {
    let packet = frame.get(14..).filter(|_| frame[12..14] == [8, 0])?;
    let len = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let header = usize::from(packet[0] & 15) * 4;
    (packet.get(9) == Some(&6)).then(|| packet.get(header..len))?
}

/// For whose port a frame is.
pub(crate) fn port(frame: &[u8]) -> Option<u16> {
    let segment = tcp(frame)?;
    Some(u16::from_be_bytes([*segment.get(2)?, *segment.get(3)?]))
}

fn sack(mut options: &[u8]) -> Vec<(i32, i32)> {
    loop {
        match options {
            [1, rest @ ..] => options = rest,
            [5, len, rest @ ..] => {
                let blocks = rest.get(..usize::from(*len).saturating_sub(2)).unwrap_or_default();
                let number = |at: &[u8]| {
                    at.iter().fold(0_u32, |n, byte| n << 8 | u32::from(*byte)).wrapping_sub(IRS).cast_signed()
                };
                return blocks.chunks_exact(8).map(|b| (number(&b[..4]), number(&b[4..]))).collect();
            }
            [0, ..] | [] | [_] => return Vec::new(),
            [_, len, ..] => options = options.get(usize::from(*len).max(2)..).unwrap_or_default(),
        }
    }
}
