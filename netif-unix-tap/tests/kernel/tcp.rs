//! A connection from the kernel's socket, by hand: large segments both ways.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::num::NonZeroU16;

use netif_unix_tap::Options;
use os::Os;
use traits::{ChecksumVerdict, Network, Offload, SegmentationKind, TxMeta};
use wire::Protocol;

use crate::packets::{Cable, KERNEL, Make, OURS, TRANSPORT, put_checksum, sum, transport};

const PORT: u16 = 80;
/// Of the checksum in TCP's header.
const CHECKSUM: usize = 16;
const MSS: usize = 1_460;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Our end of the connection.
struct Peer<'a, 'b> {
    cable: &'a Cable<'b>,
    port: u16,
    snd_nxt: u32,
    rcv_nxt: u32,
    transmit: bool,
}

impl Peer<'_, '_> {
    /// Sends one segment, with its checksum made by the device if that is on,
    /// and as a large frame if it is longer than the MSS.
    fn send(&mut self, flags: u8, payload: &[u8]) {
        let header_len = if flags & SYN != 0 { 24 } else { 20 };
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&self.port.to_be_bytes());
        bytes.extend_from_slice(&PORT.to_be_bytes());
        bytes.extend_from_slice(&self.snd_nxt.to_be_bytes());
        bytes.extend_from_slice(&self.rcv_nxt.to_be_bytes());
        bytes.extend_from_slice(&[header_len << 2, flags, 0xff, 0xff, 0, 0, 0, 0]);
        if flags & SYN != 0 {
            bytes.extend_from_slice(&[2, 4, (MSS >> 8) as u8, MSS as u8]);
        }
        bytes.extend_from_slice(payload);
        let mut meta = TxMeta::NONE;
        let make = if self.transmit { Make::Partial } else { Make::Whole };
        if self.transmit {
            meta = meta.with_checksum(TRANSPORT as u16, CHECKSUM as u16);
        }
        if payload.len() > MSS {
            let size = NonZeroU16::new(MSS as u16).unwrap();
            let headers = TRANSPORT as u16 + u16::from(header_len);
            meta = meta.with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, headers);
        }
        put_checksum(&mut bytes, Protocol::TCP, CHECKSUM, make);
        self.cable.send(Protocol::TCP, meta, &bytes);
        self.snd_nxt = self.snd_nxt.wrapping_add(payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0));
    }

    /// Three-way handshake.
    fn connect(&mut self) {
        self.send(SYN, &[]);
        let port = self.port;
        let isn = self.cable.expect("its SYN", |frame, _| {
            let bytes = transport(frame, Protocol::TCP).filter(|bytes| bytes[2..4] == port.to_be_bytes())?;
            (bytes[13] == SYN | ACK).then(|| u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]))
        });
        self.rcv_nxt = isn.wrapping_add(1);
        self.send(ACK, &[]);
    }

    /// Receives `len` bytes, all in order. Returns them with the size of the
    /// largest frame and whether any was large or had its checksum left out.
    fn receive(&mut self, len: usize) -> (Vec<u8>, Arrival) {
        let (port, mut rcv_nxt) = (self.port, self.rcv_nxt);
        let mut received = Vec::new();
        let mut arrival = Arrival::default();
        while received.len() < len {
            self.cable.expect("the rest of its data", |frame, meta| {
                let bytes =
                    transport(frame, Protocol::TCP).filter(|bytes| bytes[2..4] == port.to_be_bytes())?;
                let payload = &bytes[usize::from(bytes[12] >> 4) * 4..];
                let seq = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
                if payload.is_empty() || seq != rcv_nxt {
                    return None;
                }
                let blank = matches!(meta.checksum, ChecksumVerdict::Blank(_));
                if !blank {
                    assert_eq!(sum(KERNEL, OURS, Protocol::TCP, bytes).finish(), 0);
                }
                arrival.longest = arrival.longest.max(payload.len());
                arrival.large |= meta.segment_size.is_some_and(|size| usize::from(size.get()) <= MSS);
                arrival.blank |= blank;
                received.extend_from_slice(payload);
                rcv_nxt = rcv_nxt.wrapping_add(payload.len() as u32);
                Some(())
            });
            self.rcv_nxt = rcv_nxt;
            self.send(ACK, &[]);
        }
        (received, arrival)
    }
}

#[derive(Default)]
struct Arrival {
    longest: usize,
    large: bool,
    blank: bool,
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 7 % 251) as u8).collect()
}

/// All four combinations on one tap, switched while it runs.
pub fn every_combination_of_offloads() {
    let os = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new());
    let listener = TcpListener::bind(SocketAddrV4::new(KERNEL, PORT)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let combinations = [(true, true), (true, false), (false, true), (false, false)];
    for (port, (transmit, receive)) in (40_000..).zip(combinations) {
        let mut offload = Offload::empty();
        offload.set(Offload::TX_CHECKSUM | Offload::TSO4, transmit);
        offload.set(Offload::RX_CHECKSUM | Offload::LARGE_RECEIVE, receive);
        assert_eq!(cable.tap.set_offload(offload).unwrap(), offload);
        let mut peer = Peer { cable: &cable, port, snd_nxt: 1_000, rcv_nxt: 0, transmit };
        peer.connect();
        let stream = cable.until("accepted", || listener.accept().ok()).0;
        check(&mut peer, stream, receive);
    }
    assert_eq!(cable.tap.statistics().rx_dropped, 0);
    assert_eq!(cable.tap.statistics().tx_dropped, 0);
}

fn check(peer: &mut Peer<'_, '_>, mut stream: TcpStream, receive: bool) {
    // To the kernel: ten segments in one frame, or one by one.
    let sent = pattern(10 * MSS);
    if peer.transmit {
        peer.send(ACK | PSH, &sent);
    } else {
        sent.chunks(MSS).for_each(|segment| peer.send(ACK | PSH, segment));
    }
    stream.set_nonblocking(true).unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    peer.cable.until("received the data", || {
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            got.extend_from_slice(&buffer[..len]);
        }
        (got.len() == sent.len()).then_some(())
    });
    assert!(got == sent);

    // From the kernel, more than its first window.
    let written = pattern(30_000);
    stream.write_all(&written).unwrap();
    let (got, arrival) = peer.receive(written.len());
    assert!(got == written);
    assert_eq!((arrival.large, arrival.blank), (receive, receive));
    assert_eq!(arrival.longest > MSS, receive, "{} bytes in one frame", arrival.longest);
}
