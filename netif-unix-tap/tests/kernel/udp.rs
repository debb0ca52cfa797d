//! Datagrams to and from the kernel's sockets.

use std::net::{SocketAddrV4, UdpSocket};
use std::num::NonZeroU16;
use std::os::fd::AsRawFd;

use netif_unix_tap::Options;
use os::Os;
use os::unix::Unix;
use traits::{ChecksumVerdict, Layer, Offload, PartialChecksum, SegmentationKind, TxMeta};
use wire::Protocol;

use crate::harness::skip;
use crate::packets::{Cable, KERNEL, Make, OURS, TRANSPORT, put_checksum, sum, transport};

const PORT: u16 = 7;
/// Of the checksum in UDP's header.
const CHECKSUM: usize = 6;

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddrV4::new(KERNEL, PORT)).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// A datagram from us to the kernel's socket.
fn datagram(payload: &[u8], make: Make) -> Vec<u8> {
    let len = (8 + payload.len() as u16).to_be_bytes();
    let mut bytes = vec![0, PORT as u8, 0, PORT as u8, len[0], len[1], 0, 0];
    bytes.extend_from_slice(payload);
    put_checksum(&mut bytes, Protocol::UDP, CHECKSUM, make);
    bytes
}

fn partial() -> TxMeta {
    TxMeta::NONE.with_checksum(TRANSPORT as u16, CHECKSUM as u16)
}

fn receive(cable: &Cable<'_>, socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = [0; 2000];
    let len = cable.until("received the datagram", || socket.recv(&mut buffer).ok());
    buffer[..len].to_vec()
}

/// The kernel's socket sends; its checksum is complete unless we said that it
/// need not be.
fn check_from_the_kernel(cable: &Cable<'_>, socket: &UdpSocket, verdict: ChecksumVerdict) {
    socket.send_to(b"hello", SocketAddrV4::new(OURS, PORT)).unwrap();
    let (bytes, meta) = cable.expect("a datagram", |frame, meta| {
        let bytes = transport(frame, Protocol::UDP).filter(|bytes| bytes[2..4] == PORT.to_be_bytes())?;
        Some((bytes.to_vec(), meta))
    });
    assert_eq!(&bytes[8..], b"hello");
    assert_eq!((meta.checksum, meta.segment_size), (verdict, None));
    let whole = sum(KERNEL, OURS, Protocol::UDP, &bytes).finish();
    match verdict {
        ChecksumVerdict::Blank(_) => {
            let pseudo = sum(KERNEL, OURS, Protocol::UDP, &[0; 13]).partial();
            assert_eq!(bytes[CHECKSUM..8], pseudo.to_be_bytes());
        }
        ChecksumVerdict::Unchecked | ChecksumVerdict::Verified => assert_eq!(whole, 0),
    }
}

pub fn from_the_kernel() {
    let os = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new());
    let socket = socket();
    let start = TRANSPORT as u16;
    let blank = ChecksumVerdict::Blank(PartialChecksum { start, offset: CHECKSUM as u16 });
    check_from_the_kernel(&cable, &socket, blank);
    cable.tap.set_offload(Offload::empty()).unwrap();
    check_from_the_kernel(&cable, &socket, ChecksumVerdict::Unchecked);
    cable.tap.set_offload(Offload::RX_CHECKSUM).unwrap();
    check_from_the_kernel(&cable, &socket, blank);
}

pub fn to_the_kernel() {
    let os = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new());
    let socket = socket();
    cable.send(Protocol::UDP, partial(), &datagram(b"completed by the device", Make::Partial));
    assert_eq!(receive(&cable, &socket), b"completed by the device");
    cable.tap.set_offload(Offload::empty()).unwrap();
    // One that is wrong is not believed just because it came over a tap.
    cable.send(Protocol::UDP, TxMeta::NONE, &datagram(b"wrong", Make::Wrong));
    cable.send(Protocol::UDP, TxMeta::NONE, &datagram(b"whole", Make::Whole));
    assert_eq!(receive(&cable, &socket), b"whole");
}

pub fn without_header() {
    let os = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new().vnet_header(false));
    let socket = socket();
    check_from_the_kernel(&cable, &socket, ChecksumVerdict::Unchecked);
    cable.send(Protocol::UDP, TxMeta::NONE, &datagram(b"bare", Make::Whole));
    assert_eq!(receive(&cable, &socket), b"bare");
}

fn needs_uso(cable: &Cable<'_>) {
    if !cable.tap.capabilities().offload.contains(Offload::USO4) {
        skip("this kernel has no UDP segmentation on taps (Linux 6.2)");
    }
}

pub fn one_large_frame_becomes_datagrams() {
    let os = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new());
    needs_uso(&cable);
    let socket = socket();
    let payload: Vec<u8> = (0..5_500_u32).map(|index| (index / 1_000) as u8).collect();
    let size = NonZeroU16::new(1_000).unwrap();
    let meta = partial().with_segmentation(SegmentationKind::Udp4, size, TRANSPORT as u16 + 8);
    cable.send(Protocol::UDP, meta, &datagram(&payload, Make::Partial));
    for (index, piece) in payload.chunks(1_000).enumerate() {
        assert_eq!(receive(&cable, &socket), piece, "{index}");
    }
}

/// The kernel's own UDP segmentation, by the socket option `UDP_SEGMENT`.
pub fn datagrams_become_one_large_frame() {
    let os: Os<Unix> = Os::new_unix().unwrap();
    let cable = Cable::new(&os, Options::new());
    needs_uso(&cable);
    let socket = socket();
    // The first one makes the kernel resolve our address.
    socket.send_to(b"first", SocketAddrV4::new(OURS, PORT)).unwrap();
    cable.expect("a datagram", |frame, _| transport(frame, Protocol::UDP).map(drop));
    set_udp_segment(&socket, 1_000);
    let payload: Vec<u8> = (0..4_500_u32).map(|index| (index / 1_000) as u8).collect();
    for large in [true, false] {
        let offload = if large { Offload::all() } else { Offload::all() - Offload::LARGE_RECEIVE };
        cable.tap.set_offload(offload).unwrap();
        socket.send_to(&payload, SocketAddrV4::new(OURS, PORT)).unwrap();
        let mut received = Vec::new();
        let sizes = cable.expect("the datagrams", |frame, meta| {
            let bytes = transport(frame, Protocol::UDP)?;
            received.extend_from_slice(&bytes[8..]);
            assert!(large || bytes.len() == 1_008 || bytes.len() == 508);
            (received.len() == payload.len()).then_some(meta.segment_size.map(NonZeroU16::get))
        });
        assert_eq!((&received, sizes), (&payload, large.then_some(1_000)));
    }
}

fn set_udp_segment(socket: &UdpSocket, size: libc::c_int) {
    // SAFETY: the option takes one `int`, whose address and size are given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const size).cast(),
            size_of_val(&size) as libc::socklen_t,
        )
    };
    assert_eq!(result, 0);
}
