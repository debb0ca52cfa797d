//! Anything at all into a whole tower: nothing panics, and afterwards it still
//! answers a ping.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use fata::prelude::*;
use fata::traits::{EtherType, Frame, MacAddr, Protocol};
use fata::wire::{Checksum, checksum};
use netif_memory::{Link, Settings, Simulator, VirtualClock};
use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const OTHER: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

/// A task of a tower does not end.
fn never(ended: Result<Never, Never>) {
    match ended {
        Ok(never) | Err(never) => match never {},
    }
}

/// A console that takes everything and shows nothing.
struct Nowhere;

impl Console for Nowhere {
    fn write(&self, _: &[u8]) {}
}

/// Builds the tower of the slides, hands it `frames`, one a millisecond, and
/// counts the frames that it sent after the last of them, which is a ping.
fn answers(frames: &[Vec<u8>]) -> u64 {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [port, peer] = link.ports();
    let net = &port;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let e = Ethif::connect(net);
    let i = Ipv4::connect(&e);
    i.configure(&Config { addresses: &[Cidr::new(OWN, 24)], ..Config::default() });
    let udp = Udp::connect(&i);
    let tcp = Tcp::connect(&i, &mut random);
    let dhcp = Dhcp::create(&Nowhere, &clock, random, &e, &i, &udp);
    let (http, socket) = (Listener::new(), udpv4::Socket::new());
    let input = |frame: &[u8]| {
        e.input(
            Frame::from(frame),
            ethif::listeners().ipv4(|p| {
                i.input(
                    p,
                    ipv4::listeners().tcp(|s| tcp.input(s, |port| (port == 80).then_some(&http as _))).udp(
                        |d| {
                            udp.input(d, |port| match port {
                                7 => Some(&socket),
                                _ => dhcp.listen(port),
                            })
                        },
                    ),
                );
            }),
        );
    };
    let pings = Cell::new(0);
    let read = peer.listen(|frame| {
        pings.set(pings.get() + u64::from(frame.bytes.get(34) == Some(&0) && frame.bytes.get(23) == Some(&1)));
    });
    let feed = async {
        for frame in frames {
            input(frame);
            clock.sleep(Duration::from_millis(1)).await;
        }
        // The own address may have been lost to a conflict, as it must be.
        i.configure(&Config { addresses: &[Cidr::new(OWN, 24)], ..Config::default() });
        // What was parked for hosts that do not answer is given up meanwhile.
        clock.sleep(Duration::from_secs(60)).await;
        pings.set(0);
        input(&ping());
        input(&arp_request());
        clock.sleep(Duration::from_secs(20)).await;
    };
    let web = http.serve(&tcp, async |mut flow| {
        let mut buffer = [0; 512];
        while let Ok(len @ 1..) = flow.read(&mut buffer).await {
            let _ = flow.write_all(&buffer[..len]).await;
        }
    });
    let tower = async {
        fata::os::race!(
            async { never(read.await) },
            async { never(web.await) },
            async { never(dhcp.run().await) },
            async { never(tcp.run(&clock).await) },
            feed
        );
    };
    Simulator::new(&clock).run(pin!(tower)).expect("the simulation goes on");
    pings.get()
}

fn ethernet(dst: MacAddr, ethertype: EtherType, payload: &[u8]) -> Vec<u8> {
    [&dst.0[..], &OTHER.0, &ethertype.0.to_be_bytes(), payload].concat()
}

/// The address that the first port of a link has.
fn own_mac() -> MacAddr {
    let clock = VirtualClock::new();
    Link::new(&clock, Settings::new()).port(0).mac()
}

fn arp_request() -> Vec<u8> {
    let own = own_mac();
    let payload = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &OTHER.0, &[10, 0, 0, 9], &[0; 6], &OWN.octets()].concat();
    ethernet(own, EtherType::ARP, &payload)
}

fn ping() -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 1, 2, 3, 4, 5];
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    ethernet(own_mac(), EtherType::IPV4, &packet([10, 0, 0, 9], OWN.octets(), Protocol::ICMP, [0, 0], &message))
}

/// An IPv4 packet with a right header checksum.
fn packet(src: [u8; 4], dst: [u8; 4], protocol: Protocol, fragment: [u8; 2], payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len()) as u16;
    let mut header = vec![0x45, 0];
    header.extend(len.to_be_bytes());
    header.extend([0, 7, fragment[0], fragment[1], 64, protocol.0, 0, 0]);
    header.extend(src);
    header.extend(dst);
    let sum = checksum(&header).to_be_bytes();
    header[10..12].copy_from_slice(&sum);
    header.extend(payload);
    header
}

/// A transport segment with a right checksum at `at`.
fn transport(dst: [u8; 4], protocol: Protocol, mut segment: Vec<u8>, at: usize) -> Vec<u8> {
    if let Some(field) = segment.get_mut(at..at + 2) {
        field.fill(0);
        let sum = Checksum::pseudo([10, 0, 0, 9].into(), dst.into(), protocol, segment.len()).bytes(&segment);
        segment[at..at + 2].copy_from_slice(&sum.finish().to_be_bytes());
    }
    packet([10, 0, 0, 9], dst, protocol, [0, 0], &segment)
}

fn destination() -> impl Strategy<Value = [u8; 4]> {
    prop_oneof![
        Just(OWN.octets()),
        Just([255; 4]),
        Just([10, 0, 0, 255]),
        Just([224, 0, 0, 1]),
        any::<[u8; 4]>()
    ]
}

fn tcp_segment() -> impl Strategy<Value = Vec<u8>> {
    let ports = prop_oneof![Just(80u16), Just(81), any::<u16>()];
    let options = proptest::collection::vec(any::<u8>(), 0..40);
    (1u16..4, ports, any::<[u8; 8]>(), any::<u8>(), any::<[u8; 6]>(), options, 0usize..30).prop_map(
        |(source, port, numbers, flags, rest, mut options, data)| {
            options.resize(options.len().next_multiple_of(4), 0);
            let offset = ((5 + options.len() / 4) as u8) << 4;
            [
                &source.to_be_bytes()[..],
                &port.to_be_bytes(),
                &numbers,
                &[offset, flags],
                &rest,
                &options,
                &vec![7; data],
            ]
            .concat()
        },
    )
}

fn udp_datagram() -> impl Strategy<Value = Vec<u8>> {
    let ports = prop_oneof![Just(7u16), Just(68), any::<u16>()];
    (ports, proptest::collection::vec(any::<u8>(), 0..600), -2i32..2).prop_map(|(port, data, wrong)| {
        let len = (8 + data.len()) as i32 + if wrong == 1 { 0 } else { wrong };
        [&67u16.to_be_bytes()[..], &port.to_be_bytes(), &(len as u16).to_be_bytes(), &[0; 2], &data].concat()
    })
}

/// A frame that gets some way up the tower.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..most);
    let to = prop_oneof![4 => Just(own_mac()), 1 => Just(MacAddr::BROADCAST), 1 => any::<[u8; 6]>().prop_map(MacAddr)];
    let ip = prop_oneof![
        (destination(), tcp_segment()).prop_map(|(dst, s)| transport(dst, Protocol::TCP, s, 16)),
        (destination(), udp_datagram()).prop_map(|(dst, s)| transport(dst, Protocol::UDP, s, 6)),
        (destination(), any::<u8>(), any::<[u8; 2]>(), bytes(120)).prop_map(|(dst, protocol, fragment, p)| {
            packet([10, 0, 0, 8], dst, Protocol(protocol), fragment, &p)
        }),
        (destination(), bytes(120), 0u8..20, any::<u8>()).prop_map(|(dst, mut p, kind, code)| {
            p.resize(p.len().max(8), 0);
            p[..4].copy_from_slice(&[kind, code, 0, 0]);
            let sum = checksum(&p).to_be_bytes();
            p[2..4].copy_from_slice(&sum);
            packet([10, 0, 0, 9], dst, Protocol::ICMP, [0, 0], &p)
        }),
        bytes(200),
    ];
    prop_oneof![
        6 => (to.clone(), ip).prop_map(|(to, p)| ethernet(to, EtherType::IPV4, &p)),
        2 => (to.clone(), any::<[u8; 20]>(), 0u8..4).prop_map(|(to, rest, operation)| {
            ethernet(to, EtherType::ARP, &[&[0, 1, 8, 0, 6, 4, 0, operation], &rest[..]].concat())
        }),
        1 => (to, any::<u16>(), bytes(100)).prop_map(|(to, kind, p)| ethernet(to, EtherType(kind), &p)),
        1 => bytes(1600),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn survives_anything(frames in proptest::collection::vec(frame(), 0..60)) {
        prop_assert_eq!(answers(&frames), 1);
    }

    #[test]
    fn survives_damage(at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>()) {
        for whole in [ping(), arp_request()] {
            let mut damaged = whole.clone();
            let index = at.index(damaged.len());
            damaged[index] = byte;
            damaged.truncate(cut.index(damaged.len() + 1));
            prop_assert_eq!(answers(&[damaged]), 1);
        }
    }
}

/// A gateway that never answers is given up for another one, also by who sends so
/// seldom that ARP has given up long before the next packet.
#[test]
fn a_gateway_that_is_gone_is_passed_over_however_seldom_it_is_used() {
    let clock = VirtualClock::new();
    let link = Link::new(&clock, Settings::new());
    let [port, peer] = link.ports();
    let (e, router) = (Ethif::connect(&port), Ethif::connect(&peer));
    let (i, beyond) = (Ipv4::connect(&e), Ipv4::connect(&router));
    let (dead, alive) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 3));
    i.configure(&Config { addresses: &[Cidr::new(OWN, 24)], gateways: &[dead, alive], ..Config::default() });
    beyond.configure(&Config { addresses: &[Cidr::new(alive, 24)], ..Config::default() });
    let arrived = Cell::new(0);
    let listen = port.listen(|frame| e.input(frame, ethif::listeners()));
    let forward = peer.listen(|frame| {
        router.input(frame, ethif::listeners().ipv4(|_| arrived.set(arrived.get() + 1)));
    });
    let send = async {
        for _ in 0..10 {
            clock.sleep(Duration::from_secs(2)).await;
            let header = fata::traits::Header::new(Ipv4Addr::new(192, 0, 2, 1), Protocol(253));
            let _ = i.write(header, fata::traits::TxMeta::NONE, 4, |buffer| buffer.len());
        }
    };
    let tasks = async {
        let layers = futures_util::future::join4(listen, forward, e.run(&clock), router.run(&clock));
        futures_util::future::select(pin!(layers), pin!(send)).await;
    };
    let end = fata::traits::Instant::from_secs(30);
    assert!(Simulator::new(&clock).run_until(pin!(tasks), end).is_ok_and(|polled| polled.is_ready()));
    // ARP gives up 3 s after the first packet; then all but those before go.
    assert!(i.statistics().tx_gateway_dead >= 1, "{:?}", i.statistics());
    assert!(arrived.get() >= 7, "{} arrived", arrived.get());
}
