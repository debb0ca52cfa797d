//! Frames made by hand, for the device without a stack: header, Ethernet,
//! IPv4 and TCP or UDP at fixed places.

use super::device::HEADER;
use super::{KERNEL, MAC, PORT, STACK};

/// Where things are in a buffer that begins with the device's header.
pub(crate) const ETHERNET: usize = HEADER;
pub(crate) const IP: usize = ETHERNET + 14;
pub(crate) const TRANSPORT: usize = IP + 20;
pub(crate) const TCP_DATA: usize = TRANSPORT + 20;
pub(crate) const UDP_DATA: usize = TRANSPORT + 8;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const ACK: u8 = 0x10;
/// Bits by which windows are shifted, both ways.
pub(crate) const SCALE: u8 = 10;

pub(crate) fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(crate) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

pub(crate) fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

/// The sum of 16-bit words, folded.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|word| u32::from(word[0]) << 8 | word.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A frame to the kernel's end whose addresses are in place.
pub(crate) fn template(buffer: &mut [u8], kernel: [u8; 6], protocol: u8) {
    buffer[..ETHERNET].fill(0);
    buffer[ETHERNET..ETHERNET + 6].copy_from_slice(&kernel);
    buffer[ETHERNET + 6..ETHERNET + 12].copy_from_slice(&MAC.0);
    put16(buffer, ETHERNET + 12, 0x0800);
    buffer[IP..TRANSPORT].fill(0);
    buffer[IP] = 0x45;
    buffer[IP + 6] = 0x40;
    buffer[IP + 8] = 64;
    buffer[IP + 9] = protocol;
    buffer[IP + 12..IP + 16].copy_from_slice(&STACK.octets());
    buffer[IP + 16..IP + 20].copy_from_slice(&KERNEL.octets());
    put16(buffer, TRANSPORT, PORT);
}

/// Fills in lengths and checksums for `len` bytes in all; the transport's is
/// left to the device where it has a header, with segments of `gso` bytes.
/// Where it has none, `data` is the sum of what follows the transport's header
/// without options.
pub(crate) fn complete(buffer: &mut [u8], len: usize, header: bool, gso: usize, udp: bool, data: u16) {
    put16(buffer, IP + 2, (len - IP) as u16);
    put16(buffer, IP + 10, 0);
    let header_sum = !sum(&buffer[IP..TRANSPORT]);
    put16(buffer, IP + 10, header_sum);
    if udp {
        put16(buffer, TRANSPORT + 4, (len - TRANSPORT) as u16);
    }
    if header {
        return complete_transport(buffer, len, gso, udp);
    }
    let field = partial(buffer, len, udp);
    let start = if udp { UDP_DATA } else { TCP_DATA };
    let whole = u32::from(sum(&buffer[TRANSPORT..start])) + u32::from(data);
    put16(buffer, TRANSPORT + field, !((whole & 0xffff) + (whole >> 16)) as u16);
}

/// Puts the sum of the pseudo-header where the checksum goes, and says where
/// that is.
fn partial(buffer: &mut [u8], len: usize, udp: bool) -> usize {
    let field = if udp { 6 } else { 16 };
    let mut pseudo = [0; 12];
    pseudo[..8].copy_from_slice(&buffer[IP + 12..IP + 20]);
    pseudo[9] = if udp { 17 } else { 6 };
    put16(&mut pseudo, 10, (len - TRANSPORT) as u16);
    put16(buffer, TRANSPORT + field, sum(&pseudo));
    field
}

/// Leaves the transport's checksum to the device, and cutting into segments of
/// `gso` bytes where that is less than there are: `struct virtio_net_hdr`, in
/// the machine's byte order.
fn complete_transport(buffer: &mut [u8], len: usize, gso: usize, udp: bool) {
    let field = partial(buffer, len, udp);
    let headers = if udp { 8 } else { usize::from(buffer[TRANSPORT + 12] >> 4) * 4 };
    let large = gso > 0 && len - TRANSPORT - headers > gso;
    buffer[0] = 1;
    buffer[1] = match (large, udp) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 5,
    };
    let (start, offset) = ((TRANSPORT - ETHERNET) as u16, field as u16);
    let words = if large { [start + headers as u16, gso as u16, start, offset] } else { [0, 0, start, offset] };
    for (place, word) in buffer[2..HEADER].chunks_exact_mut(2).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
}

/// The sequence number, acknowledgement, flags and payload of a segment.
pub(crate) struct Segment {
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) window: u16,
    pub(crate) len: usize,
}

/// Reads a segment of TCP; `None` for all else.
pub(crate) fn segment(buffer: &[u8]) -> Option<Segment> {
    if buffer.len() < TCP_DATA || get16(buffer, ETHERNET + 12) != 0x0800 || buffer[IP + 9] != 6 {
        return None;
    }
    let headers = usize::from(buffer[TRANSPORT + 12] >> 4) * 4;
    Some(Segment {
        seq: get32(buffer, TRANSPORT + 4),
        ack: get32(buffer, TRANSPORT + 8),
        flags: buffer[TRANSPORT + 13],
        window: get16(buffer, TRANSPORT + 14),
        len: (IP + usize::from(get16(buffer, IP + 2))).checked_sub(TRANSPORT + headers)?,
    })
}

/// Turns the frame's ports around into the frame `to`.
pub(crate) fn answer_ports(from: &[u8], to: &mut [u8]) {
    put16(to, TRANSPORT, get16(from, TRANSPORT + 2));
    put16(to, TRANSPORT + 2, get16(from, TRANSPORT));
}

/// Writes the request before a frame of the rival's, whose transport checksum
/// is left to the device: segments of `gso` bytes where that is not 0.
pub(crate) fn request(buffer: &mut [u8], gso: u16) {
    buffer[..ETHERNET].fill(0);
    let ip = buffer.len() > TRANSPORT + 8 && get16(buffer, ETHERNET + 12) == 0x0800;
    let udp = ip && buffer[IP + 9] == 17;
    if udp || ip && buffer[IP + 9] == 6 {
        let len = buffer.len();
        complete_transport(buffer, len, usize::from(gso), udp);
    }
}
