//! The IPv4 header, its options, addresses and routes.

use std::time::Duration;

use traits::{Header, Ip, TxMeta};
use wire::{EtherType, Protocol};

use crate::Bytes;
use crate::host::{address, protocol, with_host};
use crate::packet::{self, Ipv4, PEER, STACK};

/// IPv4: headers and options of any content, with a checksum that holds or
/// not, between packets that the stack sends; groups joined and left, which
/// are reported while they are joined, and then only.
pub fn ipv4(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(true, |host| {
        host.greet();
        while !bytes.is_empty() {
            let choice = bytes.u8();
            match choice % 6 {
                // These are few, so that the others stay what they were.
                _ if choice >= 246 => host.group(&mut bytes),
                _ if choice >= 242 => host.query(bytes.u8()),
                0 => {
                    let packet = bytes.long();
                    host.frame(&packet::ethernet(STACK.0, PEER.0, EtherType::IPV4, packet));
                }
                1 => {
                    // A header of any content whose checksum holds.
                    let mut packet = bytes.long().to_vec();
                    let len = packet.first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
                    if let Some(header) = packet.get_mut(..len.max(20)) {
                        header[10..12].fill(0);
                        let sum = wire::checksum(header);
                        header[10..12].copy_from_slice(&sum.to_be_bytes());
                    }
                    host.frame(&packet::ethernet(STACK.0, PEER.0, EtherType::IPV4, &packet));
                }
                2 | 3 => {
                    let (src, dst) = (address(&mut bytes), address(&mut bytes));
                    let (protocol, identification) = (protocol(&mut bytes), bytes.u16());
                    let ecn = bytes.u8();
                    let fragment = if ecn > 200 { bytes.u16() } else { 0 };
                    let options = bytes.short();
                    let header = Ipv4 { src, dst, ecn, protocol, identification, fragment, options };
                    host.frame(&header.frame(bytes.short()));
                }
                4 => {
                    // A protocol whose payload means nothing.
                    let mut header = Header::new(address(&mut bytes), Protocol(253));
                    header.dont_fragment = bytes.u8() & 1 == 1;
                    let len = usize::from(bytes.u16());
                    let _ = Ip::write(host.ip, header, TxMeta::NONE, len, |buffer| {
                        assert_eq!(buffer.len(), len);
                        buffer.fill(0);
                        len
                    });
                    let _ = host.ip.route(address(&mut bytes), None);
                }
                _ => {
                    host.answer_arp();
                    host.pass(Duration::from_millis(bytes.u16().into()));
                }
            }
            host.poll();
        }
    });
}
