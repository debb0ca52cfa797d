//! The whole tower.

use std::num::NonZeroU16;
use std::pin::pin;
use std::time::Duration;

use dhcp_client::Dhcp;
use traits::{Capabilities, ChecksumVerdict, Console, Datagrams, Ip as _, Offload, PartialChecksum, RxMeta};
use wire::{EtherType, MacAddr};

use crate::Bytes;
use crate::host::{ECHO_PORT, SOCKET_PORT, TCP_PORT, address, poll_once, protocol, random, with_host};
use crate::packet::{self, Ipv4, PEER, STACK, Tcp};

struct Silent;

impl Console for Silent {
    fn write(&self, _bytes: &[u8]) {}
}

/// The tower from raw frames: Ethernet, ARP, IPv4, ICMP, UDP, TCP and DHCP,
/// with frames of any content, frames whose headers hold, the device's word
/// on them, marks of congestion, with ECN and without, groups joined and left, and
/// time that passes.
pub fn tower(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let start = bytes.u8();
    with_host(start & 1 == 0, |host| {
        if start & 2 != 0 {
            host.device.capabilities.set(Capabilities::new(Offload::all(), 65_000));
        }
        if start & 4 != 0 {
            host.offer_ecn();
        }
        let dhcp = Dhcp::create(Silent, host.clock, random(5), host.ethernet, host.ip, host.udp);
        let mut client = pin!(dhcp.run());
        while !bytes.is_empty() {
            let (meta, ecn) = word(&mut bytes);
            let header = Ipv4 {
                src: address(&mut bytes),
                dst: address(&mut bytes),
                identification: 7,
                ecn,
                ..Ipv4::default()
            };
            let port = bytes.pick(&[ECHO_PORT, SOCKET_PORT, TCP_PORT, 68, 9]).unwrap_or(9);
            let choice = bytes.u8();
            match choice % 9 {
                // Few, so that the others stay what they were.
                _ if choice >= 246 && host.ip.get_ipv4().is_some() => host.group(&mut bytes),
                0 => host.input(bytes.long(), meta, dhcp.listen(68)),
                1 => {
                    let (dst, src) = (
                        bytes
                            .pick(&[STACK.0, MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 0, 0, 1])])
                            .unwrap_or(STACK.0),
                        PEER.0,
                    );
                    let ethertype = bytes.pick(&[EtherType::IPV4, EtherType::ARP, EtherType::IPV6]);
                    let payload = bytes.long();
                    let frame = packet::ethernet(dst, src, ethertype.unwrap_or(EtherType::IPV4), payload);
                    host.input(&frame, meta, dhcp.listen(68));
                }
                2 => {
                    let ip = Ipv4 {
                        protocol: protocol(&mut bytes),
                        fragment: if bytes.u8() > 128 { bytes.u16() & 0x20ff } else { 0 },
                        ..header
                    };
                    host.input(&ip.frame(bytes.long()), meta, dhcp.listen(68));
                }
                3 => {
                    let tcp = Tcp {
                        src: 9,
                        dst: port,
                        seq: bytes.u32(),
                        ack: bytes.u32(),
                        flags: bytes.u8(),
                        window: bytes.u16(),
                        options: bytes.short(),
                        data: bytes.short(),
                        ..Tcp::default()
                    };
                    let ip = Ipv4 { protocol: wire::Protocol::TCP, ..header };
                    host.input(&ip.frame(&header.tcp(&tcp)), meta, dhcp.listen(68));
                }
                4 => host.input(&header.frame(&header.udp(67, port, bytes.long())), meta, dhcp.listen(68)),
                5 => {
                    let ip = Ipv4 { protocol: wire::Protocol::ICMP, ..header };
                    host.input(&ip.frame(&header.icmp(bytes.short())), meta, dhcp.listen(68));
                }
                6 => {
                    let sender = (PEER.0, address(&mut bytes));
                    let arp = packet::arp(u16::from(bytes.u8() % 3), sender, (STACK.0, address(&mut bytes)));
                    host.frame(&packet::ethernet(STACK.0, PEER.0, EtherType::ARP, &arp));
                }
                7 => {
                    host.answer_arp();
                    let dst = std::net::SocketAddrV4::new(address(&mut bytes), 9);
                    let _ = Datagrams::send(host.udp, 9, dst, bytes.short());
                    host.device.set_full(bytes.u8() > 250);
                }
                _ => host.pass(Duration::from_millis(u64::from(bytes.u16()) * 2)),
            }
            assert!(poll_once(client.as_mut()).is_pending());
            host.poll();
        }
        host.check_neighbours();
    });
}

/// The device's word on a frame: none, mostly; and the packet's ECN field.
fn word(bytes: &mut Bytes<'_>) -> (RxMeta, u8) {
    let choice = bytes.u8();
    let meta = match choice {
        0..=200 => RxMeta::NONE,
        201..=220 => RxMeta::NONE.with_checksum(ChecksumVerdict::Verified),
        221..=240 => {
            let place = PartialChecksum { start: u16::from(bytes.u8()), offset: u16::from(bytes.u8()) };
            RxMeta::NONE.with_checksum(ChecksumVerdict::Blank(place))
        }
        _ => RxMeta::NONE.with_segment_size(NonZeroU16::new(bytes.u16())),
    };
    (meta, choice & 3)
}
