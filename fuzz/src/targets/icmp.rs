//! ICMP.

use std::time::Duration;

use crate::Bytes;
use crate::host::{ECHO_PORT, TCP_PORT, address, poll_once, with_host};
use crate::packet::{Ipv4, Tcp};
use wire::Protocol;

/// ICMP: messages of any content, and errors that quote what the stack really
/// sent, whole, cut short or changed.
pub fn icmp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(true, |host| {
        host.greet();
        let dst = std::net::SocketAddrV4::new(crate::packet::PEER.1, 5000);
        let mut connecting = std::pin::pin!(traits::Connections::create_connection(host.tcp, dst));
        let mut connected = poll_once(connecting.as_mut()).is_ready();
        host.poll();
        while !bytes.is_empty() {
            let header = Ipv4 { src: address(&mut bytes), protocol: Protocol::ICMP, ..Ipv4::default() };
            match bytes.u8() % 5 {
                0 => host.frame(&header.frame(&header.icmp(bytes.long()))),
                1 => {
                    let message = [&[8, 0, 0, 0][..], bytes.short()].concat();
                    host.frame(&header.frame(&header.icmp(&message)));
                }
                2 | 3 => {
                    let sent = host.device.last_sent();
                    let index = usize::from(bytes.u8()) % sent.len().max(1);
                    let mut quote =
                        sent.get(index).and_then(|frame| frame.get(14..)).unwrap_or_default().to_vec();
                    quote.truncate(usize::from(bytes.u8()).max(20));
                    if bytes.u8() > 128 {
                        let at = usize::from(bytes.u8());
                        if let Some(byte) = quote.get_mut(at) {
                            *byte = bytes.u8();
                        }
                    }
                    let kind = bytes.pick(&[3, 3, 11, 12, 4, 5]).unwrap_or(3);
                    let mut message = vec![kind, bytes.u8() % 18, 0, 0];
                    message.extend(bytes.u32().to_be_bytes());
                    message.extend(quote);
                    host.frame(&header.frame(&header.icmp(&message)));
                }
                _ => {
                    // Something for errors to be about.
                    let ip = Ipv4::default();
                    host.frame(&ip.frame(&ip.udp(9, ECHO_PORT, b"echo")));
                    let syn = Tcp { src: 9, dst: TCP_PORT, flags: 2, window: 1000, ..Tcp::default() };
                    host.frame(&ip.frame(&ip.tcp(&syn)));
                    host.pass(Duration::from_millis(bytes.u16().into()));
                }
            }
            host.poll();
            connected = connected || poll_once(connecting.as_mut()).is_ready();
        }
    });
}
