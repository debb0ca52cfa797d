//! Inputs to begin with: each reaches something that chance would take long
//! to find. The fuzzer's own findings are beside them in `corpus/`.

use dhcp_client::message::{Code, Header, MessageType, Op, Writer};

use crate::mutate::Mutator;
use crate::packet::{self, Ipv4, PEER, STACK, Tcp};
use crate::recorded;

/// A control byte, then frames with their lengths.
fn with_len(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes()[..], payload].concat()
}

/// Some of the recorded payloads: short ones, each length once.
fn some_recorded(protocol: u8) -> Vec<Vec<u8>> {
    let mut payloads = recorded::payloads(protocol);
    payloads.retain(|payload| payload.len() <= 400);
    payloads.sort_by_key(Vec::len);
    payloads.dedup_by_key(|payload| payload.len());
    payloads.truncate(16);
    payloads
}

/// ARP: a request, an answer, a packet to a host that is asked for, a probe.
pub fn arp() -> Vec<Vec<u8>> {
    vec![
        vec![0, 1, 0, 0, 1, 1, 1, 0, 0, 2, 0, 0, 1, 1, 0, 0, 0],
        vec![0, 4, 7, 5, 220, 8, 9, 10, 0, 2, 0, 7, 1, 1, 2, 0, 0],
        vec![0, 6, 7, 9, 4, 0, 9, 4, 0, 9, 4, 0, 9, 4, 0],
        vec![0, 4, 7, 0, 60, 4, 7, 0, 60, 4, 7, 0, 60, 9, 255, 255],
        vec![1, 5, 0, 0, 5, 3, 0, 5, 0, 1, 7, 1, 9, 9, 9, 7, 0],
    ]
}

/// Captures of both kinds.
pub fn capture() -> Vec<Vec<u8>> {
    use netif_memory::{Link, Settings, VirtualClock};
    use netif_pcap::{Capture, Format};
    use traits::{Network, TxMeta};
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    [Format::PcapNg, Format::Pcap]
        .into_iter()
        .filter_map(|format| {
            let capture = Capture::with_format(link.port(0), Vec::new(), format);
            for len in [42, 60] {
                let _ = capture.write(TxMeta::NONE, len, |buffer| {
                    buffer.fill(7);
                    len
                });
            }
            capture.into_writer()
        })
        .chain(recorded::files().into_iter().filter(|file| file.len() <= Mutator::MAX_LEN))
        .collect()
}

/// From an offer to a lease, and on.
pub fn dhcp() -> Vec<Vec<u8>> {
    let reply = |kind: u8| vec![1, 0, 0, 0, kind - 1, 0, 0, 200, 0, 100, 0, 200, 0, 150, 0, 0];
    let lease = [&[0, 0, 5][..], &reply(2), &reply(5), &[5, 5, 5], &reply(5), &[5, 5], &reply(6)].concat();
    let checked = [&[0, 2, 5][..], &reply(2), &reply(5), &[7, 1, 0, 5, 8, 1, 5, 5]].concat();
    vec![lease, checked, vec![1, 0, 5, 5, 5, 5], vec![3, 0, 5, 5, 9, 0, 5]]
}

/// Options of every kind, and ragged ones.
pub fn dhcp_message() -> Vec<Vec<u8>> {
    let mut buffer = [0; 1000];
    let mut header = Header::request(7, STACK.0);
    header.op = Op::Reply;
    let mut writer = Writer::new(&mut buffer, &header, MessageType::Offer);
    writer.address(Code::SUBNET_MASK, [255, 255, 255, 0].into());
    writer.addresses(Code::ROUTER, &[PEER.1, STACK.1]);
    writer.option(Code::LEASE_TIME, &3600u32.to_be_bytes());
    writer.option(Code::DOMAIN_SEARCH, b"\x07example\x03com\x00\x03sub\xc0\x00");
    writer.option(Code::CLASSLESS_STATIC_ROUTE, &[24, 10, 1, 2, 10, 0, 0, 1]);
    let len = writer.finish().unwrap_or(0);
    let whole = buffer.get(..len).unwrap_or_default().to_vec();
    let options = whole.get(240..).unwrap_or_default().to_vec();
    let overload = vec![53, 1, 5, 52, 1, 3, 6, 8, 1, 1, 1, 1, 2, 2, 2, 2, 255];
    let recorded = recorded::payloads(17).into_iter().filter(|datagram| datagram.starts_with(&[0, 67, 0, 68]));
    let recorded = recorded.filter_map(|datagram| datagram.get(8..).map(<[u8]>::to_vec));
    let options = [whole, options, overload, vec![53, 1, 5, 6, 0, 6, 255, 1], vec![53, 1]];
    options.into_iter().chain(recorded).collect()
}

/// Frames to the stack, to all and to others, of each kind; one that is
/// written.
pub fn ethernet() -> Vec<Vec<u8>> {
    let made = |dst: u8, kind: u8| [&[1, dst, 2, kind][..], &with_len(b"payload")].concat();
    let kinds = (0..8).map(|kind| made(kind % 5, kind));
    let recorded = recorded::frames().into_iter().filter_map(|frames| frames.into_iter().next());
    let recorded = recorded.map(|frame| [&[0][..], &with_len(&frame)].concat());
    kinds.chain([[&[2, 0][..], &with_len(b"payload")].concat()]).chain(recorded).collect()
}

/// Echo, and errors about what was sent.
pub fn icmp() -> Vec<Vec<u8>> {
    let recorded = some_recorded(1).into_iter().map(|message| [&[0, 0][..], &with_len(&message)].concat());
    let made = [
        vec![0, 1, 5, 0, 1, 0, 1, 9],
        vec![0, 4, 0, 0, 0, 2, 1, 200, 0, 0, 3, 0, 0, 0, 0, 0, 0],
        vec![0, 2, 0, 60, 0, 0, 4, 0, 0, 2, 64, 0, 2, 0, 60, 0, 2, 0, 0, 0, 0, 0],
        vec![0, 0, 0, 8, 13, 0, 0, 0, 0, 0, 0, 0],
    ];
    made.into_iter().chain(recorded).collect()
}

/// Options, fragments, addresses.
pub fn ipv4() -> Vec<Vec<u8>> {
    let whole = [&[0][..], &with_len(&Ipv4::default().packet(b"payload"))].concat();
    let routed = Ipv4 { options: &[131, 7, 4, 10, 0, 0, 9, 0], ..Ipv4::default() }.packet(b"source route");
    let routed = [&[1][..], &with_len(&routed)].concat();
    vec![
        whole,
        routed,
        vec![2, 0, 1, 2, 0, 7, 0, 4, 7, 4, 5, 0, 3, 1, 2, 3],
        vec![4, 0, 2, 0, 20, 0, 0, 5, 0, 100, 4, 7, 2, 1, 5, 220, 0],
        // A group joined, asked for, left; more than there is room for; what
        // others say, an old router among them.
        vec![246, 0, 0, 242, 100, 246, 2, 0, 242, 10],
        vec![246, 0, 0, 246, 0, 1, 246, 0, 2, 246, 0, 3, 246, 0, 4, 246, 0, 5, 246, 0, 6, 242, 50, 5, 255, 255],
        vec![246, 0, 0, 246, 3, 1, 1, 0, 0, 0, 5, 39, 16, 246, 3, 0, 0, 0, 0, 242, 30, 246, 2, 0, 242, 30],
    ]
}

/// Segments and datagrams to be cut.
pub fn offload() -> Vec<Vec<u8>> {
    let large = [&[0, 100, 0, 1, 0, 0, 0x19, 0, 0, 0, 1][..], &[7; 950]].concat();
    let datagrams = [&[0, 50, 1, 1, 0, 0, 0, 0, 0, 0, 0][..], &[8; 333]].concat();
    let ip = Ipv4 { protocol: wire::Protocol::TCP, ..Ipv4::default() };
    let frame = ip.frame(&ip.tcp(&Tcp { src: 1, dst: 2, data: &[9; 300], ..Tcp::default() }));
    let raw = [&[0, 80, 0, 0, 0, 34, 0, 16, 0, 54][..], &frame].concat();
    vec![large, datagrams, raw]
}

/// Fragments in order, in reverse, twice, and overlapping.
pub fn reassembly() -> Vec<Vec<u8>> {
    vec![
        vec![0, 8, 0, 240, 8, 30, 240, 8, 60, 160, 0, 80, 60, 0, 79, 1],
        vec![0, 0, 79, 1, 8, 60, 160, 8, 30, 240, 8, 0, 240, 8, 0, 240],
        vec![1, 8, 0, 240, 24, 20, 240, 0, 40, 100, 255, 255, 255],
        vec![0, 8, 0, 240, 9, 0, 240, 10, 0, 240, 12, 0, 240, 255, 200, 0],
    ]
}

/// A handshake, data, a close; a connection of the stack's own.
pub fn tcp() -> Vec<Vec<u8>> {
    // Operation, side, near, near, flags, window, urgent, options, data, large.
    let segment = |flags: u8, data: &[u8]| {
        let mut step = vec![0, 0, 0, 0, flags, 255, 0, 7];
        if data.is_empty() {
            step.push(0);
        } else {
            step.extend([200, data.len() as u8]);
            step.extend(data);
        }
        step.push(0);
        step
    };
    let (syn, ack, fin, rst) = (segment(3, b""), segment(0, b""), segment(5, b""), segment(7, b""));
    let data = segment(2, b"hello, stack");
    // One without data, with options and a mark.
    let marked =
        |flags: u8, options: &[u8], last: u8| [&[0, 0, 0, 0, flags, 255, 0][..], options, &[0, last]].concat();
    // Offers ECN and SACK; data marked on the way; ECE, with CWR; all of it again.
    let offer = marked(8, &[1, 4, 100, 7], 0);
    let told_twice = [3, 249, 0, 1, 0xff, 0];
    let [congested, echo, both] = [marked(0, &[7], 3), marked(0, &[7], 4), marked(0, &told_twice, 12)];
    let (accept, read, write, close) = (vec![7], vec![8, 0, 7, 0, 0], vec![8, 0, 7, 0, 2], vec![8, 0, 0, 0, 4]);
    let pass = vec![11, 0, 40, 0];
    let open = [&[0][..], &syn, &ack, &accept].concat();
    vec![
        [&open[..], &data, &read, &write, &pass, &ack, &close, &ack, &fin, &ack].concat(),
        [&open[..], &fin, &data, &read, &close, &pass, &ack].concat(),
        [&open[..], &write, &write, &pass, &pass, &rst].concat(),
        [&[1][..], &syn, &syn, &ack, &accept, &data, &data, &write, &ack, &pass, &pass].concat(),
        [&[0, 6][..], &pass, &segment(4, b""), &ack, &data, &close, &fin].concat(),
        [&[0][..], &offer, &ack, &accept, &write, &write, &echo, &write, &both, &write, &ack].concat(),
        [&[2][..], &offer, &ack, &accept, &data, &congested, &write, &echo, &pass, &ack, &close].concat(),
        [&[2, 6][..], &pass, &segment(9, b""), &write, &write, &write, &echo, &both, &ack].concat(),
    ]
}

/// Transfers of some bytes over a network that goes wrong in some places.
pub fn tcp_pair() -> Vec<Vec<u8>> {
    let calm = vec![4, 0, 8, 0, 10];
    let lossy = [&[16, 0, 1, 0, 20][..], &[255, 0, 255, 255, 200, 90, 255, 20, 255, 255, 255, 255]].concat();
    let long = [vec![40, 0, 40, 0, 5], (0..400).map(|n| (n * 73 % 256) as u8).collect()].concat();
    // The same with ECN.
    let offered = |input: &Vec<u8>| {
        let size = u16::from_be_bytes([input[0], input[1]]) + 12_000;
        [&size.to_be_bytes()[..], &input[2..]].concat()
    };
    let plain = vec![calm, lossy, long];
    let with_ecn: Vec<_> = plain.iter().map(offered).collect();
    [plain, with_ecn].concat()
}

/// Headers with options, whole and ragged.
pub fn tcp_wire() -> Vec<Vec<u8>> {
    let segment = |options: &[u8]| {
        Ipv4::default().tcp(&Tcp { src: 1, dst: 80, flags: 0x12, options, data: b"data", ..Tcp::default() })
    };
    let made = [
        segment(&[2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7]),
        segment(&[1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 30]),
        segment(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]),
        segment(&[8, 9, 1, 1, 5, 7, 2, 0]),
    ];
    made.into_iter().chain(some_recorded(6)).collect()
}

/// Something of everything.
pub fn tower() -> Vec<Vec<u8>> {
    let arp = packet::ethernet(STACK.0, PEER.0, wire::EtherType::ARP, &packet::arp(1, PEER, STACK));
    let ip = Ipv4::default();
    let datagram = ip.frame(&ip.udp(9, 7, b"echo"));
    let segment = Ipv4 { protocol: wire::Protocol::TCP, ..ip };
    let segment =
        segment.frame(&segment.tcp(&Tcp { src: 9, dst: 80, flags: 2, window: 1000, ..Tcp::default() }));
    let ping = Ipv4 { protocol: wire::Protocol::ICMP, ..ip };
    let ping = ping.frame(&ping.icmp(&[8, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3]));
    let raw = |frame: &[u8]| [&[0, 0, 1, 0, 0][..], &with_len(frame)].concat();
    let recorded = recorded::frames().into_iter().map(|frames| {
        let short = frames.iter().filter(|frame| frame.len() <= 400);
        let all = short.fold(vec![0], |all, frame| [all, raw(frame)].concat());
        all.into_iter().take(Mutator::MAX_LEN).collect()
    });
    let made = [
        [vec![0], raw(&arp), raw(&datagram), raw(&segment), raw(&ping)].concat(),
        [vec![1], vec![0, 0, 1, 0, 8, 255, 255], vec![0, 0, 2, 3, 4, 0, 0]].concat(),
        vec![2, 0, 0, 1, 1, 4, 0, 4, 1, 2, 3, 4, 230, 20, 6, 0, 1, 0, 4, 0, 4, 1, 2, 3, 4],
        vec![0, 0, 0, 1, 2, 3, 0, 0, 0, 1, 0, 0, 0, 0, 2, 255, 255, 0, 4, 1, 2, 3, 4],
    ];
    made.into_iter().chain(recorded).collect()
}

/// Datagrams whole, cut short, and with the device's word on them.
pub fn udp() -> Vec<Vec<u8>> {
    let recorded = some_recorded(17).into_iter();
    let recorded = recorded.map(|datagram| [&[0, 0, 1, 0, 0][..], &with_len(&datagram)].concat());
    let made = [
        vec![0, 0, 1, 0, 1, 0, 9, 4, 1, 2, 3, 4],
        vec![0, 0, 1, 1, 2, 0, 9, 4, 1, 2, 3, 4, 200, 0, 1, 1, 5],
        vec![1, 0, 1, 0, 3, 2, 0, 34, 0, 6, 0, 3, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        vec![1, 0, 1, 0, 4, 0, 0, 7, 0, 9, 64, 0, 100, 0, 4, 0, 0],
    ];
    made.into_iter().chain(recorded).collect()
}

/// A plain frame, a blank checksum, a large frame.
pub fn virtio() -> Vec<Vec<u8>> {
    let ip = Ipv4 { protocol: wire::Protocol::TCP, ..Ipv4::default() };
    let frame = ip.frame(&ip.tcp(&Tcp { src: 1, dst: 2, data: &[9; 80], ..Tcp::default() }));
    let message = |flags: u8, kind: u8, fields: [u16; 4]| {
        let mut bytes = vec![flags, kind];
        fields.into_iter().for_each(|field| bytes.extend(field.to_ne_bytes()));
        bytes.extend(&frame);
        bytes
    };
    let plain = |frame: &Vec<u8>| [&[0; 10][..], frame].concat();
    let recorded = recorded::frames().into_iter().filter_map(|frames| frames.first().map(plain));
    let made = [
        message(0, 0, [0; 4]),
        message(1, 0, [0, 0, 34, 16]),
        message(1, 1, [54, 30, 34, 16]),
        message(2, 0, [0; 4]),
        message(1, 1, [54, 0, 134, 16]),
    ];
    made.into_iter().chain(recorded).collect()
}

/// Frames each way, answered and not; pieces, extra info, indices that jump.
pub fn xen_ring() -> Vec<Vec<u8>> {
    let (write, answer, publish, small, pieces) = ([0, 0, 0, 60, 0, 0], 6, 14, [8, 60], [13, 20, 255]);
    let frame = [&small[..], &[7; 60], &[0, 0]].concat();
    vec![
        [&[1][..], &write, &[answer, publish, 5], &write].concat(),
        [&[0][..], &frame, &frame, &[publish], &write, &frame, &[publish]].concat(),
        [&[1][..], &pieces, &[publish, 9, 0, 0, 0, 0, 0, 60, publish]].concat(),
        // A large frame, its answers and one too many.
        vec![0, 0, 2 | 4 | 8, 0x40, 0, 100, 0, answer, 7, 0, 0, 0, 1, publish, 5, 3, 8, 0],
        // A frame with extra info, a producer that jumps, a state.
        vec![
            0, 9, 0, 0, 0, 8, 0, 60, 10, 1, 0, 5, 180, 1, publish, 11, 2, 0, 0, 9, 9, publish, 1, 6, 3, 255,
            255,
        ],
    ]
}
