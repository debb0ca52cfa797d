//! Messages: bytes to meaning and back.

use crate::common::*;
use dhcp_client::message::{Code, Header, MESSAGE_MAX, Message, MessageType, NoRoom, ParseError, Writer};
use dhcp_client::{Lease, List, Term};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_core::SeedableRng;
use traits::{Cidr, Instant, RouteEntry};

fn offer(said: &Said) -> Vec<u8> {
    message(&header(1, ADDRESS), MessageType::Offer, said)
}

/// A message of raw option bytes, with `file` and `sname` as given.
fn raw(options: &[u8], file: &[u8], sname: &[u8]) -> Vec<u8> {
    let mut bytes = offer(&vec![]);
    bytes.truncate(240);
    bytes[108..108 + file.len()].copy_from_slice(file);
    bytes[44..44 + sname.len()].copy_from_slice(sname);
    bytes.extend(options);
    bytes
}

#[test]
fn pad_and_end() {
    let bytes = raw(&[0, 0, 53, 1, 2, 0, 12, 1, b'x', 255, 12, 1, b'y'], &[], &[]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.kind(), MessageType::Offer);
    assert!(message.bytes(Code::HOST_NAME).eq(*b"x"));
}

#[test]
fn overload_adds_file_then_sname() {
    let long = |text: &[u8]| [&[12, text.len() as u8], text].concat();
    let options = [&[53, 1, 2, 52, 1, 3][..], &long(b"a"), &[255]].concat();
    let file = [&long(b"b")[..], &[255]].concat();
    let sname = [&long(b"c")[..], &[255]].concat();
    let bytes = raw(&options, &file, &sname);
    let message = Message::parse(&bytes).unwrap();
    // RFC 3396 §7: options, file, sname.
    assert!(message.bytes(Code::HOST_NAME).eq(*b"abc"));
    assert!(message.boot_file().is_empty());
}

#[test]
fn overload_of_one_field_leaves_the_other() {
    for (value, expected) in [(1, &b"ab"[..]), (2, b"ac"), (0, b"a"), (4, b"a"), (7, b"a")] {
        let options = [53, 1, 2, 52, 1, value, 12, 1, b'a', 255];
        let bytes = raw(&options, &[12, 1, b'b', 255], &[12, 1, b'c', 255]);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.bytes(Code::HOST_NAME).eq(expected.iter().copied()), "{value}");
    }
}

#[test]
fn the_message_type_may_be_overloaded() {
    let bytes = raw(&[52, 1, 1, 255], &[53, 1, 5, 255], &[]);
    assert_eq!(Message::parse(&bytes).unwrap().kind(), MessageType::Ack);
}

#[test]
fn options_in_pieces_are_put_together() {
    let text: Vec<u8> = (0..600).map(|n| b'a' + (n % 26) as u8).collect();
    let bytes = offer(&vec![(Code(224), text.clone())]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.options().filter(|(code, _)| *code == Code(224)).count(), 3);
    assert!(message.bytes(Code(224)).eq(text));
}

#[test]
fn what_is_no_message() {
    let good = offer(&said(SERVER, 100));
    assert!(Message::parse(&good).is_ok());
    for len in 0..240 {
        assert_eq!(Message::parse(&good[..len]).err(), Some(ParseError::Length));
    }
    let mut long = good.clone();
    long.resize(MESSAGE_MAX + 1, 0);
    assert_eq!(Message::parse(&long).err(), Some(ParseError::Length));
    let change = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        Message::parse(&bytes).err()
    };
    assert_eq!(change(0, 3), Some(ParseError::Header));
    assert_eq!(change(1, 6), Some(ParseError::Header));
    assert_eq!(change(2, 16), Some(ParseError::Header));
    assert_eq!(change(236, 0), Some(ParseError::Cookie));
    assert_eq!(change(242, 9), Some(ParseError::MessageType));
    assert_eq!(change(240, 54), Some(ParseError::MessageType));
}

#[test]
fn a_missing_end_is_tolerated() {
    let bytes = raw(&[53, 1, 2, 12, 1, b'x'], &[], &[]);
    assert!(Message::parse(&bytes).unwrap().bytes(Code::HOST_NAME).eq(*b"x"));
}

#[test]
fn an_option_past_the_end_is_not() {
    for options in [&[53, 1, 2, 12, 2, b'x'][..], &[53, 1, 2, 12], &[53, 1, 2, 12, 255]] {
        assert_eq!(Message::parse(&raw(options, &[], &[])).err(), Some(ParseError::Option));
    }
    // In an overloaded field, whose end is the next one's start.
    let mut file = vec![0; 128];
    file[126..].copy_from_slice(&[12, 1]);
    let bytes = raw(&[53, 1, 2, 52, 1, 1, 255], &file, &[]);
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Option));
}

#[test]
fn an_overload_within_an_overload_is_no_loop() {
    let again = [52, 1, 3, 255];
    let bytes = raw(&[53, 1, 2, 52, 1, 3, 255], &again, &again);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.options().count(), 4);
}

#[test]
fn a_buffer_too_short_is_told() {
    let header = Header::request(1, MAC);
    for len in [0, 239, 240, 243, 299] {
        let mut buffer = vec![0; len];
        assert_eq!(Writer::new(&mut buffer, &header, MessageType::Discover).finish(), Err(NoRoom));
    }
    let mut buffer = [0; 300];
    assert_eq!(Writer::new(&mut buffer, &header, MessageType::Discover).finish(), Ok(300));
}

#[test]
fn numbers_have_their_length() {
    let bytes = offer(&vec![(Code::LEASE_TIME, vec![1, 2, 3]), (Code::INTERFACE_MTU, vec![5, 220, 0])]);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.u32(Code::LEASE_TIME), message.u16(Code::INTERFACE_MTU)), (None, None));
    assert_eq!(message.address(Code::ROUTER), None);
}

fn kinds() -> impl Strategy<Value = MessageType> {
    (1u8..=8).prop_map(|byte| MessageType::from_byte(byte).unwrap())
}

fn host() -> impl Strategy<Value = std::net::Ipv4Addr> {
    (1u8..=9, any::<u16>(), 1u8..=254).prop_map(|(a, b, c)| [a, (b >> 8) as u8, b as u8, c].into())
}

prop_compose! {
    fn routes()(list in vec((any::<u32>(), 0u8..=32, proptest::option::of(host())), 0..10))
        -> List<RouteEntry, 16> {
        list.into_iter().map(|(network, prefix, gateway)| RouteEntry {
            destination: Cidr::new(Cidr::new(network.into(), prefix).network(), prefix),
            gateway,
        }).collect()
    }
}

/// What a lease of `base` becomes on its way through a message.
fn through(lease: &Lease) -> Lease {
    let mut buffer = [0; 4096];
    let mut writer = Writer::new(&mut buffer, &header(1, lease.address), MessageType::Ack);
    lease.write_options(&mut writer);
    let len = writer.finish().unwrap();
    let message = Message::parse(&buffer[..len]).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    Lease::read(&message, lease.since, &mut random).unwrap()
}

proptest! {
    #[test]
    fn any_bytes_parse_or_not(bytes: Vec<u8>) {
        let _ = Message::parse(&bytes);
    }

    #[test]
    fn any_options_parse_or_not(
        options in vec(any::<u8>(), 0..600),
        file in vec(any::<u8>(), 128),
        sname in vec(any::<u8>(), 64),
        overload in 0u8..5,
    ) {
        let options = [&[53, 1, 5, 54, 4, 10, 0, 0, 1, 52, 1, overload][..], &options].concat();
        let bytes = raw(&options, &file, &sname);
        if let Ok(message) = Message::parse(&bytes) {
            let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(0);
            if let Ok(lease) = Lease::read(&message, Instant::ZERO, &mut random) {
                if let Some(Term { length, t1, t2 }) = lease.term {
                    prop_assert!(!t1.is_zero() && t1 < t2 && t2 < length);
                }
                let _ = format!("{lease:?}");
                let _ = lease.settings().config();
                prop_assert_eq!(lease.address, ADDRESS);
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        xid: u32,
        kind in kinds(),
        secs: u16,
        broadcast: bool,
        addresses: [u32; 4],
        mac: [u8; 6],
        options in vec((1u8..=254, vec(any::<u8>(), 0..400)), 0..8),
    ) {
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses.map(std::net::Ipv4Addr::from);
        let header = Header {
            secs, broadcast, ciaddr, yiaddr, siaddr, giaddr,
            ..Header::request(xid, traits::MacAddr(mac))
        };
        let mut options: Vec<_> = options
            .into_iter()
            .filter(|(code, _)| ![52, 53].contains(code))
            .collect();
        options.sort_by_key(|(code, _)| *code);
        options.dedup_by_key(|(code, _)| *code);
        let mut buffer = [0; 4096];
        let mut writer = Writer::new(&mut buffer, &header, kind);
        options.iter().for_each(|(code, bytes)| writer.option(Code(*code), bytes));
        let len = writer.finish().unwrap();
        let message = Message::parse(&buffer[..len]).unwrap();
        prop_assert_eq!(message.header(), &header);
        prop_assert_eq!(message.kind(), kind);
        for (code, bytes) in &options {
            prop_assert!(message.has(Code(*code)));
            prop_assert!(message.bytes(Code(*code)).eq(bytes.iter().copied()));
        }
    }

    #[test]
    fn a_lease_survives_its_message(
        address in host(),
        server in host(),
        times in proptest::option::of((3u32..u32::MAX, 0u32..1000, 0u32..1000)),
        prefix in 8u8..=24,
        routers in vec(host(), 0..4),
        routes in routes(),
        dns in vec(host(), 0..4),
        ntp in vec(host(), 0..4),
        domain in proptest::option::of("[a-z]{1,20}(\\.[a-z]{1,20}){0,5}"),
        hostname in proptest::option::of("[a-z]{1,63}"),
        mtu: Option<u16>,
        broadcast: Option<u32>,
        other in vec(any::<u8>(), 0..300),
    ) {
        prop_assume!(address != server);
        let base = offer(&with(said(server, 100), Code(224), Some(&other)));
        let mut bytes = base;
        bytes[16..20].copy_from_slice(&address.octets());
        let message = Message::parse(&bytes).unwrap();
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let mut lease = Lease::read(&message, Instant::from_secs(3), &mut random).unwrap();
        prop_assert_eq!(lease.option(224), Some(&other[..]));
        lease.netmask = Cidr::new(address, prefix).netmask();
        prop_assume!(Cidr::new(address, prefix).network() != address);
        prop_assume!(Cidr::new(address, prefix).broadcast() != Some(address));
        lease.term = times.map(|(length, t1, t2)| {
            let secs = |n: u32| core::time::Duration::from_secs(n.into());
            let length = length.min(u32::MAX - 1);
            let t2 = length - 1 - t2.min(length - 3);
            Term { length: secs(length), t1: secs(t2 - 1 - t1.min(t2 - 2)), t2: secs(t2) }
        });
        lease.routers = routers.into_iter().collect();
        lease.classless = !routes.is_empty();
        lease.routes = routes;
        lease.dns = dns.into_iter().collect();
        lease.ntp = ntp.into_iter().collect();
        lease.domain = domain.map(|text| text.as_str().try_into().unwrap());
        lease.hostname = hostname.map(|text| text.as_str().try_into().unwrap());
        lease.mtu = mtu;
        lease.broadcast = broadcast.map(Into::into);
        prop_assert_eq!(through(&lease), lease);
    }
}
