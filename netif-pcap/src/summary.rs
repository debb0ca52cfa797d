//! Frames in words.

use std::fmt::{self, Write};
use std::net::Ipv4Addr;

use wire::{EtherType, MacAddr, Protocol};

/// One line on a frame: who to whom, and what.
///
/// A frame that is too short for what it says is told as far as it goes.
pub fn summary(frame: &[u8]) -> String {
    let mut line = String::new();
    // Writing to a string does not fail.
    if ethernet(&mut line, frame).is_none() {
        let _ = write!(line, " (cut short)");
    }
    let _ = write!(line, ", {} bytes", frame.len());
    line.trim_start().to_owned()
}

fn get<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied()
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    get(bytes, at).map(u16::from_be_bytes)
}

fn ethernet(line: &mut String, frame: &[u8]) -> Option<()> {
    let (dst, src) = (MacAddr(get(frame, 0)?), MacAddr(get(frame, 6)?));
    let payload = frame.get(14..)?;
    match EtherType(word(frame, 12)?) {
        EtherType::ARP => arp(line, payload),
        EtherType::IPV4 => ipv4(line, payload),
        EtherType(other) => write!(line, "{src} > {dst} type {other:#06x}").ok(),
    }
}

fn arp(line: &mut String, packet: &[u8]) -> Option<()> {
    let (sender, target) = (Ipv4Addr::from(get::<4>(packet, 14)?), Ipv4Addr::from(get::<4>(packet, 24)?));
    let mac = MacAddr(get(packet, 8)?);
    match word(packet, 6)? {
        1 => write!(line, "ARP who has {target}? tell {sender} at {mac}"),
        2 => write!(line, "ARP {sender} is at {mac}"),
        other => write!(line, "ARP operation {other}"),
    }
    .ok()
}

fn ipv4(line: &mut String, packet: &[u8]) -> Option<()> {
    let (src, dst) = (Ipv4Addr::from(get::<4>(packet, 12)?), Ipv4Addr::from(get::<4>(packet, 16)?));
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let total = usize::from(word(packet, 2)?);
    let [protocol] = get(packet, 9)?;
    let fragment = word(packet, 6)?;
    let payload = packet.get(header..total.min(packet.len()))?;
    if fragment & 0x3fff != 0 {
        let more = if fragment & 0x2000 == 0 { "" } else { "+" };
        let offset = (fragment & 0x1fff) * 8;
        return write!(line, "IPv4 {src} > {dst} protocol {protocol} fragment @{offset}{more}").ok();
    }
    let ports = || Some((word(payload, 0)?, word(payload, 2)?));
    match Protocol(protocol) {
        Protocol::TCP => {
            let (from, to) = ports()?;
            write!(line, "TCP {src}:{from} > {dst}:{to}").ok()?;
            tcp(line, payload)
        }
        Protocol::UDP => {
            let (from, to) = ports()?;
            write!(line, "UDP {src}:{from} > {dst}:{to} len {}", word(payload, 4)?.saturating_sub(8)).ok()
        }
        Protocol::ICMP => icmp(line, src, dst, payload),
        Protocol(other) => write!(line, "IPv4 {src} > {dst} protocol {other}").ok(),
    }
}

fn tcp(line: &mut String, segment: &[u8]) -> Option<()> {
    let (sequence, ack) = (u32::from_be_bytes(get(segment, 4)?), u32::from_be_bytes(get(segment, 8)?));
    let [offset, flags] = get(segment, 12)?;
    let window = word(segment, 14)?;
    let data = segment.len().checked_sub(usize::from(offset >> 4) * 4)?;
    line.push_str(" [");
    for (bit, letter) in "FSRPAUEC".chars().enumerate() {
        if flags & (1 << bit) != 0 {
            line.push(letter);
        }
    }
    write!(line, "] seq {sequence} ack {ack} win {window} len {data}").ok()
}

fn icmp(line: &mut String, src: Ipv4Addr, dst: Ipv4Addr, message: &[u8]) -> Option<()> {
    let [kind, code] = get(message, 0)?;
    write!(line, "ICMP {src} > {dst} ").ok()?;
    let echo = |line: &mut String, name| write!(line, "{name} {}", word(message, 6)?).ok();
    match kind {
        0 => echo(line, "echo reply"),
        8 => echo(line, "echo request"),
        3 => write!(line, "unreachable, code {code}").ok(),
        11 => write!(line, "time exceeded, code {code}").ok(),
        _ => write!(line, "type {kind}, code {code}").ok(),
    }
}

/// The field that a byte of a frame belongs to.
pub(crate) fn field(frame: &[u8], offset: usize) -> &'static str {
    ethernet_field(frame, offset).unwrap_or("data")
}

fn ethernet_field(frame: &[u8], offset: usize) -> Option<&'static str> {
    let inner = match offset {
        0..6 => return Some("Ethernet destination"),
        6..12 => return Some("Ethernet source"),
        12..14 => return Some("EtherType"),
        _ => offset - 14,
    };
    let packet = frame.get(14..)?;
    match EtherType(word(frame, 12)?) {
        EtherType::ARP => Some("ARP"),
        EtherType::IPV4 => ipv4_field(packet, inner),
        EtherType(_) => None,
    }
}

fn ipv4_field(packet: &[u8], offset: usize) -> Option<&'static str> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    if offset < header {
        return Some(match offset {
            0 => "IPv4 version and header length",
            1 => "IPv4 type of service",
            2..4 => "IPv4 total length",
            4..6 => "IPv4 identification",
            6..8 => "IPv4 flags and fragment offset",
            8 => "IPv4 time to live",
            9 => "IPv4 protocol",
            10..12 => "IPv4 checksum",
            12..16 => "IPv4 source",
            16..20 => "IPv4 destination",
            _ => "IPv4 options",
        });
    }
    let inner = offset - header;
    let [protocol] = get(packet, 9)?;
    match Protocol(protocol) {
        Protocol::TCP => tcp_field(packet.get(header..)?, inner),
        Protocol::UDP => match inner {
            0..2 => Some("UDP source port"),
            2..4 => Some("UDP destination port"),
            4..6 => Some("UDP length"),
            6..8 => Some("UDP checksum"),
            _ => None,
        },
        Protocol::ICMP => match inner {
            0 => Some("ICMP type"),
            1 => Some("ICMP code"),
            2..4 => Some("ICMP checksum"),
            _ => None,
        },
        Protocol(_) => None,
    }
}

fn tcp_field(segment: &[u8], offset: usize) -> Option<&'static str> {
    let header = usize::from(segment.get(12)? >> 4) * 4;
    match offset {
        0..2 => Some("TCP source port"),
        2..4 => Some("TCP destination port"),
        4..8 => Some("TCP sequence"),
        8..12 => Some("TCP acknowledgment"),
        12 => Some("TCP data offset"),
        13 => Some("TCP flags"),
        14..16 => Some("TCP window"),
        16..18 => Some("TCP checksum"),
        18..20 => Some("TCP urgent pointer"),
        _ if offset < header => Some("TCP options"),
        _ => None,
    }
}

/// Bytes as hexadecimal digits, for a person.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 16;
        for byte in self.0.iter().take(SHOWN) {
            write!(f, "{byte:02x}")?;
        }
        if self.0.len() > SHOWN { write!(f, "… ({} bytes)", self.0.len()) } else { Ok(()) }
    }
}
