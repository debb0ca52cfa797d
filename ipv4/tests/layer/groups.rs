//! Groups: a host by RFC 2236.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::common::*;
use ipv4::{Ipv4, listeners};
use traits::*;
use wire::{MacAddr, Protocol};

const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);

fn igmp(kind: u8, code: u8, group: Ipv4Addr) -> Vec<u8> {
    icmp(kind, code, group.octets(), &[])
}

fn hear(i: &Ipv4<&Link>, dst: Ipv4Addr, message: Vec<u8>) {
    let packet = make(GATEWAY, dst, 2, message).with(|p| {
        p.ttl = 1;
        p.options = vec![0x94, 4, 0, 0];
    });
    assert_eq!(feed(i, &packet), []);
}

/// The type and group of what was sent, each checked.
fn spoken(link: &Link) -> Vec<(u8, Ipv4Addr)> {
    let read = |sent: &Sent| {
        let p = sent.packet();
        assert_eq!((p.ttl, p.protocol, &p.options[..]), (1, 2, &[0x94, 4, 0, 0][..]));
        assert_eq!((p.payload.len(), p.payload[1], sum(&p.payload)), (8, 0, 0));
        let group = Ipv4Addr::new(p.payload[4], p.payload[5], p.payload[6], p.payload[7]);
        assert_eq!(p.dst, if p.payload[0] == 0x17 { ALL_ROUTERS } else { group });
        assert_eq!(sent.to, To::Mac(MacAddr::of_multicast_group(p.dst)));
        (p.payload[0], group)
    };
    link.take().iter().map(read).collect()
}

/// Lets the time pass to each deadline until there is none, and tells when
/// something was said.
fn run(i: &Ipv4<&Link>) -> Vec<(Duration, u8, Ipv4Addr)> {
    let start = i.now();
    let mut said = vec![];
    for _ in 0..100 {
        let next = poll(i);
        let now = i.now();
        said.extend(spoken(i.ethernet()).into_iter().map(|(k, g)| (now.duration_since(start), k, g)));
        let Some(next) = next else { return said };
        assert!(next > now, "a deadline lies after now");
        i.ethernet().now.set(next);
    }
    panic!("it never ends");
}

/// Joins, and says all that is said unasked.
fn member(i: &Ipv4<&Link>, group: Ipv4Addr) {
    i.join_group(group).unwrap();
    assert_eq!(run(i).len(), 2);
}

#[test]
fn joining_reports_twice() {
    let link = Link::default();
    let i = layer(&link);
    let (count, waker) = Count::waker();
    i.poll(i.now(), &waker);
    i.join_group(GROUP).unwrap();
    assert_eq!(count.get(), 1, "the task speaks");
    let said = run(&i);
    assert_eq!(said.len(), 2);
    assert_eq!(said[0], (Duration::ZERO, 0x16, GROUP));
    assert_eq!(said[1].1, 0x16);
    assert!(said[1].0 > Duration::ZERO && said[1].0 <= Duration::from_secs(10));
    assert_eq!(i.statistics().igmp_reports, 2);
}

#[test]
fn delays_are_random() {
    let delay = |secs| {
        let link = Link::default();
        link.now.set(Instant::from_secs(secs));
        let i = layer(&link);
        i.join_group(GROUP).unwrap();
        run(&i)[1].0
    };
    let delays: std::collections::HashSet<_> = (0..20).map(delay).collect();
    assert_eq!(delays.len(), 20);
}

#[test]
fn queries_are_answered_within_their_time() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    member(&i, OTHER);
    hear(&i, ALL_HOSTS, igmp(0x11, 100, NOBODY));
    let said = run(&i);
    let mut groups: Vec<_> = said
        .iter()
        .map(|(at, kind, group)| {
            assert!(*at <= Duration::from_secs(10) && *kind == 0x16);
            *group
        })
        .collect();
    groups.sort();
    assert_eq!(groups, [GROUP, OTHER]);
    // To one group.
    hear(&i, GROUP, igmp(0x11, 10, GROUP));
    let said = run(&i);
    assert_eq!(said.len(), 1);
    assert!(said[0].0 <= Duration::from_secs(1) && said[0].2 == GROUP);
    assert_eq!(i.statistics().igmp_queries, 2);
    // Of a group that this host is not in.
    hear(&i, ALL_HOSTS, igmp(0x11, 10, [239, 0, 0, 1].into()));
    assert!(run(&i).is_empty());
}

#[test]
fn a_running_timer_is_only_shortened() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    hear(&i, ALL_HOSTS, igmp(0x11, 1, NOBODY));
    let first = poll(&i).unwrap_or(i.now());
    for _ in 0..20 {
        hear(&i, ALL_HOSTS, igmp(0x11, 255, NOBODY));
    }
    assert!(poll(&i).unwrap_or(i.now()) <= first);
}

#[test]
fn another_members_report_is_enough() {
    let link = Link::default();
    let i = layer(&link);
    for kind in [0x12, 0x16] {
        member(&i, GROUP);
        hear(&i, ALL_HOSTS, igmp(0x11, 100, NOBODY));
        hear(&i, GROUP, igmp(kind, 0, GROUP));
        assert!(run(&i).is_empty());
        // Not the last who reported: leaves in silence.
        i.leave_group(GROUP);
        assert!(spoken(&link).is_empty());
    }
}

#[test]
fn the_last_who_reported_says_that_it_leaves() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    i.join_group(GROUP).unwrap();
    i.leave_group(GROUP);
    assert!(spoken(&link).is_empty(), "still joined once");
    i.leave_group(GROUP);
    assert_eq!(spoken(&link), [(0x17, GROUP)]);
    i.leave_group(GROUP);
    assert!(spoken(&link).is_empty());
    hear(&i, ALL_HOSTS, igmp(0x11, 10, NOBODY));
    assert!(run(&i).is_empty());
}

#[test]
fn routers_of_version_1() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    hear(&i, ALL_HOSTS, igmp(0x11, 0, NOBODY));
    let said = run(&i);
    assert!(matches!(said[..], [(at, 0x12, GROUP)] if at <= Duration::from_secs(10)));
    i.leave_group(GROUP);
    assert!(spoken(&link).is_empty(), "they know no leave");
    // For 400 seconds.
    link.pass(Duration::from_secs(400));
    i.join_group(GROUP).unwrap();
    assert!(run(&i).iter().all(|said| said.1 == 0x16));
}

#[test]
fn queries_of_version_3() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    // A code of 0x9f means (15 | 16) << 4 tenths of a second.
    hear(&i, ALL_HOSTS, icmp(0x11, 0x9f, [0; 4], &[0, 0, 0, 0]));
    let said = run(&i);
    assert!(matches!(said[..], [(at, 0x16, GROUP)] if at <= Duration::from_millis(49_600)));
}

#[test]
fn nobody_reports_all_hosts() {
    let link = Link::default();
    let i = layer(&link);
    i.join_group(ALL_HOSTS).unwrap();
    hear(&i, ALL_HOSTS, igmp(0x11, 10, NOBODY));
    assert!(run(&i).is_empty());
    i.leave_group(ALL_HOSTS);
    assert!(spoken(&link).is_empty());
    assert_eq!(feed(&i, &make(PEER, ALL_HOSTS, 17, vec![0; 8])).len(), 1);
}

#[test]
fn bounds_and_what_is_no_group() {
    let link = Link::default();
    let i = layer(&link);
    for n in 0..8 {
        i.join_group([239, 0, 0, n].into()).unwrap();
    }
    assert_eq!(i.join_group(GROUP), Err(SendError::Full));
    assert_eq!(i.join_group([239, 0, 0, 3].into()), Ok(()), "a group joined already takes no room");
    for none in [ME, ALL, NOBODY, [240, 0, 0, 1].into()] {
        assert_eq!(i.join_group(none), Err(SendError::Unsupported));
    }
    assert_eq!(run(&i).len(), 16);
}

#[test]
fn without_an_address_reports_come_from_nowhere() {
    let link = Link::default();
    let i = Box::new(Ipv4::connect(&link));
    i.join_group(GROUP).unwrap();
    poll(&i);
    assert_eq!(link.one().packet().src, NOBODY);
}

#[test]
fn a_report_that_finds_the_device_full_is_tried_again() {
    let link = Link::default();
    let i = layer(&link);
    i.join_group(GROUP).unwrap();
    link.full.set(true);
    let next = poll(&i).unwrap();
    assert!(next > i.now());
    assert_eq!(i.statistics().igmp_tx_failed, 1);
    link.full.set(false);
    link.now.set(next);
    poll(&i);
    assert_eq!(spoken(&link), [(0x16, GROUP)]);
}

#[test]
fn damaged_messages_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    for len in 0..8 {
        drops(&i, &make(GATEWAY, ALL_HOSTS, 2, vec![0; len]), |s| s.igmp_malformed);
    }
    let mut query = igmp(0x11, 10, NOBODY);
    query[7] ^= 1;
    drops(&i, &make(GATEWAY, ALL_HOSTS, 2, query), |s| s.igmp_malformed);
    drops(&i, &make(GATEWAY, ALL_HOSTS, 2, igmp(0x99, 10, NOBODY)), |s| s.igmp_heard);
    assert!(run(&i).is_empty());
}

#[test]
fn own_packets_to_a_group_do_not_come_back() {
    let link = Link::default();
    let i = layer(&link);
    member(&i, GROUP);
    write(&i, Header::new(GROUP, Protocol::UDP), TxMeta::NONE, b"x").unwrap();
    let bytes = link.one().bytes;
    i.input(bytes.as_slice().into(), listeners().udp(|_| panic!("delivered")));
    assert_eq!(i.statistics().rx_own_source, 1);
}
