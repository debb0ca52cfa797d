//! ICMP.

use std::time::Duration;

use etherparse::{Icmpv4Type, NetSlice, SlicedPacket, TransportSlice};
use traits::Ip;
use wire::Protocol;

use crate::Bytes;
use crate::device::Device;
use crate::host::{ECHO_PORT, Host, TCP_PORT, address, poll_once, with_host};
use crate::packet::{Ipv4, PEER, STACK, Tcp};

/// ICMP: messages of any content, and errors that quote what the stack really
/// sent, whole, cut short or changed. A good echo request has one reply, with
/// what was in it; an error about a segment that was not sent like that
/// changes nothing.
pub fn icmp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(true, |host| {
        host.greet();
        let dst = std::net::SocketAddrV4::new(PEER.1, 5000);
        let mut connecting = std::pin::pin!(traits::Connections::create_connection(host.tcp, dst));
        let mut connected = poll_once(connecting.as_mut()).is_ready();
        host.poll();
        while !bytes.is_empty() {
            let header = Ipv4 { src: address(&mut bytes), protocol: Protocol::ICMP, ..Ipv4::default() };
            match bytes.u8() % 5 {
                0 => message(host, &header, bytes.long()),
                1 => message(host, &header, &[&[8, 0, 0, 0][..], bytes.short()].concat()),
                2 | 3 => error(host, &header, &mut bytes),
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

/// A message; where it is an echo request of the neighbour's, it is answered,
/// once.
fn message(host: &Host<'_>, header: &Ipv4<'_>, message: &[u8]) {
    let frame = header.frame(&header.icmp(message));
    let fits = (8..=Device::MTU - 20).contains(&message.len());
    if header.src != PEER.1 || !fits || message.get(..2) != Some(&[8, 0]) {
        return host.frame(&frame);
    }
    // It may have been forgotten meanwhile.
    host.greet();
    let before = host.device.count();
    host.frame(&frame);
    let sent = host.device.last_sent();
    let new = sent.len() - (host.device.count() - before).min(sent.len());
    let replies = sent[new..].iter().filter(|reply| is_reply(reply, message));
    assert_eq!((replies.count(), sent.len() - new), (1, 1), "replies to {message:02x?}: {:02x?}", &sent[new..]);
}

/// Whether an independent parser reads in a frame the reply to `request`, an
/// echo request of the neighbour's.
fn is_reply(frame: &[u8], request: &[u8]) -> bool {
    let Ok(packet) = SlicedPacket::from_ethernet(frame) else { return false };
    let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) = (&packet.net, &packet.transport)
    else {
        return false;
    };
    let hosts = (ip.header().source_addr(), ip.header().destination_addr());
    let Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else { return false };
    frame[..6] == PEER.0.0
        && hosts == (STACK.1, PEER.1)
        && request.get(4..6) == Some(&echo.id.to_be_bytes())
        && request.get(6..8) == Some(&echo.seq.to_be_bytes())
        && request.get(8..) == Some(icmp.payload())
}

/// An error that quotes something that the stack sent, perhaps changed. Where
/// it no longer is about a segment that was sent, neither its path's MTU nor
/// any connection may change.
fn error(host: &Host<'_>, header: &Ipv4<'_>, bytes: &mut Bytes<'_>) {
    let sent = host.device.last_sent();
    let index = usize::from(bytes.u8()) % sent.len().max(1);
    let frame = sent.get(index).map_or(&[][..], Vec::as_slice);
    let original = frame.get(14..).unwrap_or_default();
    let mut quote = original.to_vec();
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
    message.extend(&quote);
    let about_another = is_about_another_segment(frame, &quote);
    let before = state(host);
    host.frame(&header.frame(&header.icmp(&message)));
    assert!(!about_another || state(host) == before, "believes {message:02x?} of {original:02x?}");
}

/// Whether `frame` is a segment, and the quote names other hosts or ports, or
/// another sequence number: those stand at 12 to 28, behind a header without
/// options.
fn is_about_another_segment(frame: &[u8], quote: &[u8]) -> bool {
    let is_segment = frame.get(12..15) == Some(&[8, 0, 0x45]) && frame.get(23) == Some(&Protocol::TCP.0);
    let same = |at: usize| quote.get(at) == frame.get(14 + at);
    is_segment && same(0) && same(9) && quote.len() >= 28 && !(12..28).all(same)
}

/// What an error may change: the MTU of the path to the neighbour, and what
/// TCP has done, but for ignoring errors.
fn state(host: &Host<'_>) -> impl PartialEq + use<> {
    let mut tcp = host.tcp.statistics();
    tcp.icmp_ignored = 0;
    (host.ip.route(PEER.1, None).map(|path| path.mtu), tcp)
}
