//! Addresses beside what their bits say.
#![allow(missing_docs)]

use std::net::Ipv4Addr;

use proptest::prelude::*;
use wire::{Cidr, MacAddr};

proptest! {
    #[test]
    fn a_network_is_its_first_bits(address: u32, prefix in 0u8..=32, other: u32) {
        let cidr = Cidr::new(address.into(), prefix);
        let same_bits = (0..u32::from(prefix)).all(|bit| (address ^ other) >> (31 - bit) & 1 == 0);
        prop_assert_eq!(cidr.contains(other.into()), same_bits);
        prop_assert!(cidr.contains(cidr.network()));
        prop_assert!(cidr.contains(address.into()));
    }

    #[test]
    fn what_is_printed_is_read(address: u32, prefix in 0u8..=32) {
        let cidr = Cidr::new(address.into(), prefix);
        prop_assert_eq!(cidr.to_string().parse::<Cidr>(), Ok(cidr));
    }

    #[test]
    fn any_text_is_a_network_or_not(text: String) {
        let _ = text.parse::<Cidr>();
    }

    #[test]
    fn a_mask_and_its_length_are_the_same(address: u32, prefix in 0u8..=32) {
        let cidr = Cidr::new(Ipv4Addr::from(address), prefix);
        prop_assert_eq!(Cidr::with_netmask(cidr.address(), cidr.netmask()), Some(cidr));
        prop_assert_eq!(cidr.netmask().to_bits().leading_ones(), u32::from(prefix));
        prop_assert_eq!(cidr.netmask().to_bits().count_ones(), u32::from(prefix));
    }

    #[test]
    fn a_mask_with_holes_is_none(address: u32, mask: u32) {
        let bits = format!("{mask:032b}");
        let whole = !bits.contains("01");
        prop_assert_eq!(Cidr::with_netmask(address.into(), mask.into()).is_some(), whole);
    }

    #[test]
    fn groups_and_broadcasts_are_told_by_their_bit(bytes: [u8; 6]) {
        let mac = MacAddr(bytes);
        prop_assert_eq!(mac.is_multicast(), bytes[0] & 1 == 1);
        prop_assert_eq!(mac.is_broadcast(), bytes == [0xff; 6]);
        prop_assert_eq!(mac.is_unicast(), !mac.is_multicast() && bytes != [0; 6]);
    }
}
