//! What a host may say of its multicast groups.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::Bytes;
use crate::packet::{self, PEER};
use wire::{EtherType, MacAddr, Protocol};

/// Groups to join and to leave: more than there is room for, and the one that
/// every host is in.
const GROUPS: [Ipv4Addr; 7] = [
    Ipv4Addr::new(239, 1, 2, 3),
    Ipv4Addr::new(224, 0, 0, 251),
    Ipv4Addr::new(239, 129, 2, 3),
    Ipv4Addr::new(239, 255, 255, 250),
    Ipv4Addr::new(232, 7, 8, 9),
    ALL_HOSTS,
    PEER.1,
];

/// The first of them, for the addresses of packets.
pub const GROUP: Ipv4Addr = GROUPS[0];
pub(crate) const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

/// One of the groups to join and to leave, and an address that is none.
pub(crate) fn group(bytes: &mut Bytes<'_>) -> Ipv4Addr {
    bytes.pick(&GROUPS).unwrap_or(GROUP)
}

/// The groups that a host is in, how often it joined each, and how often it
/// has said so.
#[derive(Debug, Default)]
pub struct Groups {
    joins: RefCell<BTreeMap<Ipv4Addr, Membership>>,
    /// Whether a router of version 1 may have been heard.
    old_router: Cell<bool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Membership {
    joins: u32,
    reports: u32,
}

impl Groups {
    /// The host joins, before it is told to.
    pub(crate) fn join(&self, group: Ipv4Addr) {
        self.joins.borrow_mut().entry(group).or_default().joins += 1;
    }

    /// The host leaves, before it is told to; also where joining failed.
    pub(crate) fn leave(&self, group: Ipv4Addr) {
        let mut joins = self.joins.borrow_mut();
        if let Some(membership) = joins.get_mut(&group) {
            membership.joins -= 1;
            if membership.joins == 0 {
                joins.remove(&group);
            }
        }
    }

    /// Groups that are joined, but for the one that every host is in.
    pub(crate) fn len(&self) -> usize {
        self.joins.borrow().keys().filter(|group| **group != ALL_HOSTS).count()
    }

    /// How often each of those was reported since it was joined.
    pub(crate) fn reports(&self) -> Vec<(Ipv4Addr, u32)> {
        let joins = self.joins.borrow();
        let reported = joins.iter().filter(|(group, _)| **group != ALL_HOSTS);
        reported.map(|(group, membership)| (*group, membership.reports)).collect()
    }

    /// A packet of IGMP came that may be a query of version 1, whole or not.
    pub(crate) fn hear(&self, frame: &[u8]) {
        if frame.get(23) == Some(&Protocol::IGMP.0) {
            self.old_router.set(true);
        }
    }

    /// Panics where a frame that the host sent is IGMP and not what it may say:
    /// RFC 2236 §2, §9, read by hand.
    pub(crate) fn check_sent(&self, frame: &[u8]) {
        if frame.get(12..14) != Some(&[8, 0]) || frame.get(23) != Some(&Protocol::IGMP.0) {
            return;
        }
        let packet = &frame[14..];
        assert_eq!((packet[0], packet[8]), (0x46, 1), "header length, time to live: {frame:02x?}");
        assert_eq!(packet[20..24], [0x94, 4, 0, 0], "router alert");
        let Some(&[kind, 0, _, _, a, b, c, d]) = packet.get(24..) else {
            panic!("sent what is no message of IGMP: {frame:02x?}");
        };
        let words = packet[24..].chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
        let sum: u32 = words.sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "IGMP checksum");
        let [e, f, g, h] = [packet[16], packet[17], packet[18], packet[19]];
        let (group, dst) = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
        assert_eq!(frame[..6], [1, 0, 0x5e, f & 0x7f, g, h], "not to the group");
        let mut joins = self.joins.borrow_mut();
        let membership = joins.get_mut(&group).filter(|_| group != ALL_HOSTS);
        match (kind, membership) {
            (0x16, Some(membership)) => membership.reports += 1,
            (0x12, Some(membership)) if self.old_router.get() => membership.reports += 1,
            (0x17, None) if group.is_multicast() => return assert_eq!(dst, ALL_ROUTERS, "leaves to others"),
            _ => panic!("says {kind:#04x} of {group}, in {:?}", joins.keys()),
        }
        assert_eq!(dst, group, "reports to others");
    }
}

/// A frame with a message of a router's or another member's: of any kind that
/// is known, about all groups or one, in time units of a tenth of a second.
pub(crate) fn message(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let kind = bytes.pick(&[0x11, 0x16, 0x12, 0x17]).unwrap_or(0x11);
    let about = if bytes.u8() & 1 == 0 { Ipv4Addr::UNSPECIFIED } else { group(bytes) };
    let dst = if about.is_multicast() { about } else { ALL_HOSTS };
    let mut message = [&[kind, bytes.u8(), 0, 0][..], &about.octets()].concat();
    // A query of version 3 is longer.
    message.extend(std::iter::repeat_n(0, if bytes.u8() > 200 { 4 } else { 0 }));
    let sum = wire::checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    framed(dst, &message)
}

/// A query of version 2 for all groups, to be answered within `tenths`.
pub(crate) fn general_query(tenths: u8) -> Vec<u8> {
    let mut message = vec![0x11, tenths, 0, 0, 0, 0, 0, 0];
    let sum = wire::checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    framed(ALL_HOSTS, &message)
}

fn framed(dst: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let ip = packet::Ipv4 { dst, protocol: Protocol::IGMP, options: &[0x94, 4, 0, 0], ..Default::default() };
    packet::ethernet(MacAddr::of_multicast_group(dst), PEER.0, EtherType::IPV4, &ip.packet(message))
}
