//! TCP with a peer that the fuzzer plays.

use std::num::NonZeroU16;
use std::time::Duration;

use tcpv4::{Flow, Heap};
use traits::{Capabilities, ChecksumVerdict, Offload, RxMeta};

use crate::Bytes;
use crate::host::{Host, I, TCP_PORT, poll_once, with_host};
use crate::packet::{Ipv4, PEER, Tcp};

/// The port that the stack connects to.
const PEER_PORT: u16 = 5000;

/// What the peer knows of one connection.
#[derive(Clone, Copy, Debug, Default)]
struct Side {
    /// The peer's port and the stack's.
    ports: (u16, u16),
    /// What the stack expects next.
    next: u32,
    /// What the stack has sent up to.
    seen: u32,
    /// The ends of the segments sent last, the newest first.
    ends: [u32; 8],
}

/// TCP: segments of any flags, numbers near to those that matter, options, data and
/// marks of congestion, in every state, while applications read, write and close.
/// With and without ECN. At the end
/// the peer falls silent, and nothing may be left of what it began.
pub fn tcp(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    with_host(true, |host| {
        host.greet();
        let start = bytes.u8();
        if start & 1 != 0 {
            host.device.capabilities.set(Capabilities::new(Offload::all(), 65_000));
        }
        if start & 2 != 0 {
            host.offer_ecn();
        }
        let mut flows: Vec<Flow<'_, &I<'_>, Heap>> = Vec::new();
        let dst = std::net::SocketAddrV4::new(PEER.1, PEER_PORT);
        let mut connecting = None;
        let mut sides = [Side { ports: (9, TCP_PORT), ..Side::default() }; 2];
        sides[1].ports.0 = 10;
        while !bytes.is_empty() {
            match bytes.u8() % 12 {
                0..=5 => segment(host, &mut bytes, &mut sides),
                6 => {
                    connecting.get_or_insert_with(|| Box::pin(host.tcp.create_connection(dst)));
                }
                7 => {
                    if flows.len() < 4 {
                        let accepted = poll_once(host.listener.accept(host.tcp));
                        flows.extend(match accepted {
                            std::task::Poll::Ready(flow) => Some(flow),
                            std::task::Poll::Pending => None,
                        });
                    }
                }
                8 | 9 => {
                    let index = usize::from(bytes.u8());
                    if let Some(flow) = flows.get_mut(index % 4) {
                        application(flow, &mut bytes);
                    }
                }
                10 => {
                    let index = usize::from(bytes.u8()) % 4;
                    if index < flows.len() {
                        drop(flows.remove(index));
                    }
                }
                _ => {
                    host.device.set_full(bytes.u8() > 250);
                    host.pass(Duration::from_millis(u64::from(bytes.u16()) / 4));
                }
            }
            host.poll();
            if let Some(std::task::Poll::Ready(result)) = connecting.as_mut().map(poll_once) {
                connecting = None;
                flows.extend(result.ok().filter(|_| flows.len() < 4));
            }
            look(host, &mut sides);
            let usage = host.tcp.usage();
            assert!(usage.connections <= 4 && usage.half_open <= 4 && usage.time_wait <= 4, "{usage:?}");
        }
        host.device.set_full(false);
        drop((flows, connecting));
        host.listener.clear(host.tcp);
        host.settle(4000);
        let usage = host.tcp.usage();
        let left = (usage.connections, usage.half_open, usage.time_wait, usage.bytes);
        assert_eq!(left, (0, 0, 0, 0), "left behind a silent peer: {usage:?}");
    });
}

/// Learns from what the stack sent.
fn look(host: &Host<'_>, sides: &mut [Side; 2]) {
    for frame in host.device.last_sent() {
        let Ok(packet) = etherparse::SlicedPacket::from_ethernet(&frame) else { continue };
        let Some(etherparse::TransportSlice::Tcp(tcp)) = packet.transport else { continue };
        let ports = (tcp.destination_port(), tcp.source_port());
        // A connection that the stack opens takes the second side's place.
        if ports.0 == PEER_PORT {
            sides[1].ports = ports;
        }
        if let Some(side) = sides.iter_mut().find(|side| side.ports == ports) {
            let control = u32::from(tcp.syn()) + u32::from(tcp.fin());
            let end = tcp.sequence_number().wrapping_add(tcp.payload().len() as u32).wrapping_add(control);
            side.seen = end;
            if !side.ends.contains(&end) {
                side.ends.rotate_right(1);
                side.ends[0] = end;
            }
            if tcp.ack() {
                side.next = tcp.acknowledgment_number();
            }
        }
    }
}

/// A segment of the peer's.
fn segment(host: &Host<'_>, bytes: &mut Bytes<'_>, sides: &mut [Side; 2]) {
    let side = sides[usize::from(bytes.u8() & 1)];
    let near = |bytes: &mut Bytes<'_>, value: u32| match bytes.u8() {
        0..=160 => value,
        161..=200 => value.wrapping_add(u32::from(bytes.u8())),
        201..=235 => value.wrapping_sub(u32::from(bytes.u8())),
        236..=248 => value.wrapping_add(u32::from(bytes.u16())),
        249 | 250 => side.ends[usize::from(bytes.u16() & 7)],
        _ => bytes.u32(),
    };
    let seq = near(bytes, side.next);
    let ack = near(bytes, side.seen);
    // What occurs, and now and then anything.
    let usual = [0x10, 0x10, 0x18, 0x02, 0x12, 0x11, 0x14, 0x04, 0xc2, 0x52];
    let choice = bytes.u8();
    let flags = if choice > 230 { bytes.u8() } else { usual[usize::from(choice) % usual.len()] };
    let window = match bytes.u8() {
        0..=20 => 0,
        21..=40 => u16::from(bytes.u8()),
        _ => 0xffff,
    };
    let urgent = if bytes.u8() > 250 { bytes.u16() } else { 0 };
    let mut options = vec![];
    match bytes.u8() % 8 {
        0 => options.extend(bytes.short()),
        1 => options.extend([2, 4, bytes.u8() % 6, bytes.u8(), 1, 3, 3, bytes.u8() % 16, 4, 2, 1, 1]),
        2 => {
            options.extend([1, 1, 8, 10]);
            options.extend(bytes.u32().to_be_bytes());
            options.extend(bytes.u32().to_be_bytes());
        }
        3 => {
            let start = near(bytes, side.seen);
            options.extend([1, 1, 5, 10]);
            options.extend(start.to_be_bytes());
            let end = match bytes.u16() {
                choice @ 0xff00.. => side.ends[usize::from(choice & 7)],
                len => start.wrapping_add(len.into()),
            };
            options.extend(end.to_be_bytes());
        }
        _ => {}
    }
    let data = if bytes.u8() > 100 { bytes.short() } else { &[] };
    let (src, dst) = side.ports;
    let last = bytes.u8();
    let header = Ipv4 { ecn: last, ..Ipv4::default() };
    // ECE and CWR beside the usual flags.
    let marks = if host.tcp.settings().ecn { last << 4 & 0xc0 } else { 0 };
    let tcp = Tcp { src, dst, seq, ack, flags: flags ^ marks, window, urgent, options: &options, data };
    let meta = if last > 240 {
        let size = NonZeroU16::new(u16::from(bytes.u8()));
        RxMeta::NONE.with_checksum(ChecksumVerdict::Verified).with_segment_size(size)
    } else {
        RxMeta::NONE
    };
    let frame = Ipv4 { protocol: wire::Protocol::TCP, ..header }.frame(&header.tcp(&tcp));
    host.input(&frame, meta, None);
}

/// What an application does with its connection.
fn application(flow: &mut Flow<'_, &I<'_>, Heap>, bytes: &mut Bytes<'_>) {
    let mut buffer = [0; 2000];
    let len = usize::from(bytes.u16()) % 2001;
    match bytes.u8() % 6 {
        0 | 1 => {
            let _ = poll_once(flow.read(&mut buffer[..len]));
        }
        2 => {
            let _ = poll_once(flow.write(&buffer[..len]));
        }
        3 => {
            static CONSTANT: [u8; 2000] = [0; 2000];
            let _ = poll_once(flow.write_static(&CONSTANT[..len]));
        }
        4 => {
            let _ = poll_once(flow.close());
        }
        _ => match bytes.u8() % 3 {
            0 => flow.abort(),
            1 => {
                let _ = poll_once(flow.flush());
            }
            _ => flow.set_nodelay(bytes.u8() & 1 == 1),
        },
    }
}
