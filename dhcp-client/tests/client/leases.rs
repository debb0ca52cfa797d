//! What a server may say, and what a lease makes of it.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::common::*;
use dhcp_client::message::{Code, Message, MessageType};
use dhcp_client::{Lease, LeaseError, Term};
use rand_core::SeedableRng;
use traits::{Cidr, Instant, RouteEntry};

fn read_at(yiaddr: Ipv4Addr, said: &Said) -> Result<Lease, LeaseError> {
    let bytes = message(&header(1, yiaddr), MessageType::Ack, said);
    let message = Message::parse(&bytes).unwrap();
    Lease::read(&message, Instant::ZERO, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0))
}

fn read(code: Code, bytes: &[u8]) -> Lease {
    read_at(ADDRESS, &with(said(SERVER, 1000), code, Some(bytes))).unwrap()
}

fn term(length: u32, t1: Option<u32>, t2: Option<u32>) -> Term {
    let be = |n: Option<u32>| n.map(u32::to_be_bytes);
    let said = with(said(SERVER, 1), Code::LEASE_TIME, Some(&length.to_be_bytes()));
    let said = with(said, Code::RENEWAL_TIME, be(t1).as_ref().map(|b| &b[..]));
    let said = with(said, Code::REBINDING_TIME, be(t2).as_ref().map(|b| &b[..]));
    read_at(ADDRESS, &said).unwrap().term.unwrap()
}

fn route(destination: &str, gateway: Option<Ipv4Addr>) -> RouteEntry {
    RouteEntry { destination: destination.parse().unwrap(), gateway }
}

#[test]
fn times_that_make_sense_are_kept() {
    let secs = Duration::from_secs;
    let Term { length, t1, t2 } = term(1000, Some(100), Some(200));
    assert_eq!((length, t1, t2), (secs(1000), secs(100), secs(200)));
}

#[test]
fn times_that_do_not_get_defaults() {
    let about = |time: Duration, secs: f64| {
        assert!((time.as_secs_f64() - secs).abs() <= secs / 25.0, "{time:?} for {secs}");
    };
    for (t1, t2) in [
        (None, None),
        (Some(0), Some(0)),
        (Some(2000), Some(1500)),
        (Some(950), Some(1000)),
        (Some(u32::MAX), Some(u32::MAX)),
    ] {
        let term = term(1000, t1, t2);
        about(term.t1, 500.0);
        about(term.t2, 875.0);
    }
    // T1 after T2.
    let term = term(1000, Some(300), Some(200));
    assert_eq!(term.t2, Duration::from_secs(200));
    about(term.t1, 114.0);
}

#[test]
fn the_shortest_lease_has_times_in_order() {
    let term = term(1, None, None);
    assert!(!term.t1.is_zero() && term.t1 < term.t2 && term.t2 < term.length);
}

#[test]
fn defaults_spread() {
    let mut seen = std::collections::HashSet::new();
    let bytes =
        message(&header(1, ADDRESS), MessageType::Ack, &with(said(SERVER, 1000), Code::RENEWAL_TIME, None));
    let message = Message::parse(&bytes).unwrap();
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    for _ in 0..50 {
        seen.insert(Lease::read(&message, Instant::ZERO, &mut random).unwrap().term.unwrap().t1);
    }
    assert!(seen.len() > 30);
}

#[test]
fn lease_times() {
    assert_eq!(read(Code::LEASE_TIME, &[0xff; 4]).term, None);
    let zero = with(said(SERVER, 1), Code::LEASE_TIME, Some(&[0; 4]));
    assert_eq!(read_at(ADDRESS, &zero), Err(LeaseError::ZeroLength));
    let missing = with(said(SERVER, 1), Code::LEASE_TIME, None);
    assert_eq!(read_at(ADDRESS, &missing).unwrap().term.unwrap().length.as_secs(), 3600);
    // The longest but one: nothing overflows.
    let long = read(Code::LEASE_TIME, &(u32::MAX - 1).to_be_bytes());
    assert_eq!(long.expires_at().unwrap().duration_since(Instant::ZERO).as_secs(), u64::from(u32::MAX - 1));
}

#[test]
fn a_missing_or_broken_mask_is_that_of_the_class() {
    for bytes in [None, Some(&[255, 0, 255, 0][..]), Some(&[0, 0, 0, 0]), Some(&[255, 255])] {
        let said = with(said(SERVER, 1000), Code::SUBNET_MASK, bytes);
        for (address, prefix) in [([10, 1, 2, 3], 8), ([172, 16, 2, 3], 16), ([192, 168, 2, 3], 24)] {
            assert_eq!(read_at(address.into(), &said).unwrap().cidr(), Cidr::new(address.into(), prefix));
        }
    }
}

#[test]
fn masks_of_31_and_32_bits() {
    let said31 = with(said(SERVER, 1000), Code::SUBNET_MASK, Some(&[255, 255, 255, 254]));
    assert_eq!(read_at([10, 0, 0, 2].into(), &said31).unwrap().cidr().prefix(), 31);
    let said32 = with(said(SERVER, 1000), Code::SUBNET_MASK, Some(&[255; 4]));
    assert_eq!(read_at(ADDRESS, &said32).unwrap().cidr().prefix(), 32);
}

#[test]
fn addresses_that_no_host_has() {
    let said = said(SERVER, 1000);
    for address in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [224, 0, 0, 1],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        // The network, its broadcast, the server.
        [10, 0, 0, 0],
        [10, 0, 0, 255],
        [10, 0, 0, 1],
    ] {
        assert_eq!(read_at(address.into(), &said), Err(LeaseError::Address), "{address:?}");
    }
}

#[test]
fn a_server_says_who_it_is() {
    for bytes in [None, Some(&[0; 4][..]), Some(&[255; 4]), Some(&[10, 0, 0])] {
        let said = with(said(SERVER, 1000), Code::SERVER_IDENTIFIER, bytes);
        assert_eq!(read_at(ADDRESS, &said), Err(LeaseError::Server));
    }
}

#[test]
fn fifty_dns_servers_are_cut_and_counted() {
    let list: Vec<u8> = (1..=50).flat_map(|n| [10, 0, 1, n]).collect();
    for code in [Code::DOMAIN_NAME_SERVER, Code::NTP_SERVERS, Code::ROUTER] {
        let lease = read(code, &list);
        let servers = match code {
            Code::ROUTER => lease.routers.clone(),
            Code::NTP_SERVERS => lease.ntp.clone(),
            _ => lease.dns.clone(),
        };
        let expected: Vec<Ipv4Addr> = (1..=4).map(|n| [10, 0, 1, n].into()).collect();
        assert_eq!((&servers[..], servers.cut()), (&expected[..], 46));
        assert_eq!(lease.cut(), 46);
    }
}

#[test]
fn ragged_lists_and_nonsense_in_them() {
    let lease = read(Code::DOMAIN_NAME_SERVER, &[10, 0, 0, 1, 255, 255, 255, 255, 10, 0, 0, 2, 10, 0]);
    assert_eq!(&lease.dns[..], [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]);
}

#[test]
fn classless_routes_win_over_routers_and_static_routes() {
    let bytes = [
        0, 10, 0, 0, 254, // default
        24, 192, 168, 7, 10, 0, 0, 3, //
        32, 169, 254, 169, 254, 10, 0, 0, 4, //
        16, 172, 16, 0, 0, 0, 0, // on the link
        25, 10, 9, 8, 255, 10, 0, 0, 5, // bits beyond the prefix
    ];
    let said = with(said(SERVER, 1000), Code::CLASSLESS_STATIC_ROUTE, Some(&bytes));
    let said = with(said, Code::STATIC_ROUTE, Some(&[1, 0, 0, 0, 10, 0, 0, 9]));
    let lease = read_at(ADDRESS, &said).unwrap();
    assert!(lease.classless);
    let host = |n| Some(Ipv4Addr::new(10, 0, 0, n));
    let rest = [
        route("192.168.7.0/24", host(3)),
        route("169.254.169.254/32", host(4)),
        route("172.16.0.0/16", None),
        route("10.9.8.128/25", host(5)),
    ];
    assert_eq!(lease.routes[0], route("0.0.0.0/0", host(254)));
    assert_eq!(lease.routes[1..], rest);
    let settings = lease.settings();
    let config = settings.config();
    assert_eq!(config.gateways, [Ipv4Addr::new(10, 0, 0, 254)]);
    assert_eq!(config.routes, rest);
    // What the server said of routers is known all the same.
    assert_eq!(&lease.routers[..], [SERVER]);
}

#[test]
fn classless_routes_without_a_default_leave_no_gateway() {
    let lease = read(Code::CLASSLESS_STATIC_ROUTE, &[24, 192, 168, 7, 10, 0, 0, 3]);
    assert!(lease.settings().config().gateways.is_empty());
}

#[test]
fn broken_classless_routes_end_the_list() {
    for tail in [&[33, 1, 2, 3, 4, 5, 6, 7, 8, 9][..], &[24, 1, 2, 3, 10, 0, 0], &[24, 1], &[0]] {
        let bytes = [&[8, 1, 10, 0, 0, 3][..], tail].concat();
        let lease = read(Code::CLASSLESS_STATIC_ROUTE, &bytes);
        assert_eq!((lease.routes.len(), lease.routes.cut()), (1, 1), "{tail:?}");
    }
    let many: Vec<u8> = (0..40).flat_map(|n| [16, 172, n, 10, 0, 0, 3]).collect();
    let lease = read(Code::CLASSLESS_STATIC_ROUTE, &many);
    assert_eq!((lease.routes.len(), lease.routes.cut()), (16, 24));
}

#[test]
fn static_routes_by_class() {
    let bytes: Vec<u8> = [
        [9, 0, 0, 0],
        [10, 0, 0, 3],
        [172, 16, 0, 0],
        [10, 0, 0, 3],
        [192, 168, 7, 0],
        [10, 0, 0, 3],
        [192, 168, 7, 9],
        [10, 0, 0, 4],
        // A default route is not allowed here.
        [0, 0, 0, 0],
        [10, 0, 0, 5],
    ]
    .concat();
    let lease = read(Code::STATIC_ROUTE, &bytes);
    let host = |n| Some(Ipv4Addr::new(10, 0, 0, n));
    let expected = [
        route("9.0.0.0/8", host(3)),
        route("172.16.0.0/16", host(3)),
        route("192.168.7.0/24", host(3)),
        route("192.168.7.9/32", host(4)),
    ];
    assert_eq!((&lease.routes[..], lease.routes.cut()), (&expected[..], 1));
    assert_eq!(lease.settings().config().gateways, [SERVER]);
}

#[test]
fn the_mtu_has_a_floor() {
    for (said, set) in [(0u16, 576), (68, 576), (576, 576), (1400, 1400), (65_535, 65_535)] {
        let lease = read(Code::INTERFACE_MTU, &said.to_be_bytes());
        assert_eq!(lease.mtu, Some(said));
        assert_eq!(lease.settings().config().mtu, Some(set));
    }
}

#[test]
fn names() {
    let domain = |bytes: &[u8]| read(Code::DOMAIN_NAME, bytes).domain;
    assert_eq!(domain(b"example.org").unwrap(), "example.org");
    // Some servers end it with a zero.
    assert_eq!(domain(b"example.org\0").unwrap(), "example.org");
    assert_eq!(domain(b""), None);
    assert_eq!(domain(b"\0"), None);
    assert_eq!(domain(b"evil\n127.0.0.1 bank"), None);
    assert_eq!(domain(b"\x1b[2J"), None);
    assert_eq!(domain(&[b'x'; 256]), None);
    assert_eq!(domain(&[b'x'; 255]).unwrap().len(), 255);
}

fn search(bytes: &[u8]) -> (Vec<String>, u16) {
    let lease = read(Code::DOMAIN_SEARCH, bytes);
    (lease.search.iter().map(str::to_owned).collect(), lease.search.cut())
}

#[test]
fn search_list_with_compression() {
    // The example of RFC 3397 §2: "eng.apple.com.", "marketing.apple.com.".
    let bytes = b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04";
    assert_eq!(search(bytes), (vec!["eng.apple.com".into(), "marketing.apple.com".into()], 0));
}

#[test]
fn a_search_list_may_come_in_pieces() {
    let labels: Vec<u8> = (0..8).flat_map(|n| [&[40][..], &[b'a' + n; 40], &[0]].concat()).collect();
    assert!(labels.len() > 255);
    assert_eq!(search(&labels).0.len(), 8);
}

#[test]
fn pointers_lead_backward_only() {
    for bytes in [
        &b"\x01a\xc0\x02"[..], // to itself
        b"\x01a\xc0\x04\0",    // forward
        b"\xc0\x00",           // to itself, at the start
        b"\x01a\xc0\x00",      // to its own start
        b"\x01a\xc0",          // cut short
        b"\x01a",              // no end
        b"\x05a",              // past the end
        b"\x40a\0",            // neither label nor pointer
        b"\x80a\0",            //
        b"\x03a.b\0",          // a dot within a label
        b"\x02a\n\0",          // a line's end
        b"\xff\xff",           // far away
    ] {
        assert_eq!(search(bytes), (vec![], 1), "{bytes:?}");
    }
    // Two that point at each other.
    assert_eq!(search(b"\x01a\0\x01b\xc0\x08\x01c\xc0\x03").0, ["a"]);
}

#[test]
fn hops_are_bounded() {
    // Each name is a label and a pointer to the one before.
    let mut bytes = b"\x01a\0".to_vec();
    let mut last = 0;
    for _ in 0..30 {
        let at = bytes.len();
        bytes.extend([1, b'b', 0xc0, last as u8]);
        last = at;
    }
    let (names, cut) = search(&bytes);
    assert_eq!(cut, 1);
    assert_eq!(names.len(), 17);
}

#[test]
fn names_of_more_than_255_bytes() {
    let long = [&[63][..], &[b'x'; 63]].concat().repeat(4);
    assert_eq!(search(&[&long[..], &[0]].concat()), (vec![], 1));
    let longest = [&long[..192], &[61], &[b'y'; 61], &[0]].concat();
    assert_eq!(longest.len(), 255);
    assert_eq!(search(&longest).0[0].len(), 253);
}

#[test]
fn long_search_lists_are_cut() {
    let labels: Vec<u8> = (0..12).flat_map(|n| [&[40][..], &[b'a' + n; 40], &[0]].concat()).collect();
    let (names, cut) = search(&labels);
    assert_eq!((names.len(), cut), (9, 3));
    let labels = labels.repeat(2);
    let (names, cut) = search(&labels);
    assert_eq!(names.len(), 9);
    assert!(cut > 1);
}

#[test]
fn other_options_by_number() {
    let said = with(said(SERVER, 1000), Code(66), Some(b"tftp.example.org"));
    let said = with(said, Code(224), Some(&[7; 300]));
    let lease = read_at(ADDRESS, &said).unwrap();
    assert_eq!(lease.option(66), Some(&b"tftp.example.org"[..]));
    assert_eq!(lease.option(224), Some(&[7; 300][..]));
    assert_eq!(lease.option(3), None);
    assert_eq!(lease.other.iter().map(|(code, _)| code).collect::<Vec<_>>(), [66, 224]);
    let said = with(said, Code(225), Some(&[8; 300]));
    let said = with(said, Code(226), Some(b"fits"));
    let lease = read_at(ADDRESS, &said).unwrap();
    assert_eq!((lease.option(225), lease.option(226)), (None, Some(&b"fits"[..])));
    assert_eq!(lease.other.cut(), 1);
}

#[test]
fn boot_file_and_next_server() {
    let mut bytes = message(&header(1, ADDRESS), MessageType::Ack, &said(SERVER, 1000));
    bytes[20..24].copy_from_slice(&[10, 0, 0, 7]);
    bytes[108..115].copy_from_slice(b"kernel\0");
    let message = Message::parse(&bytes).unwrap();
    let lease = Lease::read(&message, Instant::ZERO, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0)).unwrap();
    assert_eq!(lease.next_server, Some([10, 0, 0, 7].into()));
    assert_eq!(lease.boot_file.unwrap(), "kernel");
}
