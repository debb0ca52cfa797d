//! UDP.

use std::net::SocketAddrV4;
use std::num::NonZeroU16;

use traits::{Capabilities, ChecksumVerdict, Datagrams, Endpoint, Offload, PartialChecksum, RxMeta};
use wire::Protocol;

use crate::Bytes;
use crate::host::{ECHO_PORT, SOCKET_PORT, address, poll_once, with_host};
use crate::packet::Ipv4;

/// UDP: headers of any content, with the device's word on them or without,
/// between datagrams that the stack sends.
pub fn udp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(true, |host| {
        host.greet();
        if bytes.u8() & 1 == 1 {
            host.device.capabilities.set(Capabilities::new(Offload::all(), 65_000));
        }
        while !bytes.is_empty() {
            let header = Ipv4 { src: address(&mut bytes), dst: address(&mut bytes), ..Ipv4::default() };
            let port = bytes.pick(&[ECHO_PORT, SOCKET_PORT, 9, 0]).unwrap_or(ECHO_PORT);
            match bytes.u8() % 6 {
                0 => host.frame(&header.frame(bytes.long())),
                1 => host.frame(&header.frame(&header.udp(bytes.u16(), port, bytes.short()))),
                2 => {
                    // Lengths that lie, checksums absent.
                    let mut datagram = header.udp(bytes.u16(), port, bytes.short());
                    datagram[4..6].copy_from_slice(&u16::from(bytes.u8()).to_be_bytes());
                    datagram[6..8].fill(0);
                    host.frame(&header.frame(&datagram));
                }
                3 => {
                    let verdict = match bytes.u8() % 3 {
                        0 => ChecksumVerdict::Unchecked,
                        1 => ChecksumVerdict::Verified,
                        _ => {
                            ChecksumVerdict::Blank(PartialChecksum { start: bytes.u16(), offset: bytes.u16() })
                        }
                    };
                    let meta =
                        RxMeta::NONE.with_checksum(verdict).with_segment_size(NonZeroU16::new(bytes.u16()));
                    let frame =
                        header.frame(&Ipv4 { protocol: Protocol::UDP, ..header }.udp(1, port, bytes.long()));
                    host.input(&frame, meta, None);
                }
                4 => {
                    let dst = SocketAddrV4::new(address(&mut bytes), bytes.u16());
                    // What leaves the DHCP client's port is judged as a message.
                    let port = match bytes.u16() {
                        68 => 69,
                        port => port,
                    };
                    let mut endpoint = Endpoint::new(port, dst).with_ttl(bytes.u8().max(1));
                    endpoint.segment_size = NonZeroU16::new(bytes.u16());
                    endpoint.source = (bytes.u8() > 200).then(|| address(&mut bytes));
                    let len = usize::from(bytes.u16()) % 9000;
                    let _ = Datagrams::write(host.udp, endpoint, len, |buffer| {
                        assert_eq!(buffer.len(), len);
                        buffer.fill(7);
                        len - usize::from(bytes.u8()).min(len)
                    });
                }
                _ => {
                    let mut buffer = [0; 64];
                    let _ = poll_once(host.socket.recv(&mut buffer));
                    let _ = host.socket.take_error();
                    host.answer_arp();
                    host.device.set_full(bytes.u8() > 240);
                }
            }
            host.poll();
        }
    });
}
