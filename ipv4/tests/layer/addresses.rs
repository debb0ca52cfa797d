//! Own addresses: set one by one or all at once, and what the layer below
//! hears of it.

use crate::common::*;
use ipv4::Ipv4;
use std::net::Ipv4Addr;
use traits::*;
use wire::Cidr;

fn gateways(i: &Ipv4<&Link>) -> Vec<Ipv4Addr> {
    let mut all = vec![];
    i.get_ipv4_gateways(|gateway| all.push(gateway));
    all
}

#[test]
fn the_slides_three_calls() {
    let link = Link::default();
    let i = Box::new(Ipv4::connect(&link));
    assert_eq!((i.get_ipv4(), i.get_ipv4_netmask()), (None, None));
    i.set_ipv4(ME);
    i.set_ipv4_netmask([255, 255, 255, 0].into());
    i.set_ipv4_gateways(&[GATEWAY, PEER]);
    assert_eq!(i.get_ipv4(), Some(ME));
    assert_eq!(i.get_ipv4_netmask(), Some([255, 255, 255, 0].into()));
    assert_eq!(gateways(&i), [GATEWAY, PEER]);
    assert_eq!(i.route(PEER, None).unwrap().src, ME);
    assert!(i.is_local(ME) && !i.is_local(PEER));
    // In any order.
    let j = Box::new(Ipv4::connect(&link));
    j.set_ipv4_netmask([255, 255, 0, 0].into());
    assert_eq!(j.get_ipv4_netmask(), None);
    j.set_ipv4(ME);
    assert_eq!(j.get_ipv4_netmask(), Some([255, 255, 0, 0].into()));
}

#[test]
fn a_mask_with_holes_counts_as_its_leading_ones() {
    let link = Link::default();
    let i = layer(&link);
    i.set_ipv4_netmask([255, 0, 255, 0].into());
    assert_eq!(i.get_ipv4_netmask(), Some([255, 0, 0, 0].into()));
}

#[test]
fn the_layer_below_hears_the_difference() {
    let link = Link::default();
    let i = layer(&link);
    link.calls.take();
    let (two, three) = (Ipv4Addr::new(10, 0, 0, 3), Ipv4Addr::new(10, 0, 0, 4));
    let generation = i.generation();
    i.configure(&config(&[Cidr::new(two, 24), Cidr::new(ME, 24)], &[]));
    assert_eq!(link.calls.take(), [(true, two)]);
    i.configure(&config(&[Cidr::new(three, 24), Cidr::new(ME, 24)], &[]));
    assert_eq!(link.calls.take(), [(false, two), (true, three)]);
    i.configure(&Config::default());
    assert_eq!(link.calls.take(), [(false, three), (false, ME)]);
    assert_eq!(i.generation(), generation + 3);
    assert_eq!(i.get_ipv4(), None);
}

#[test]
fn generations_grow_with_addresses_only() {
    let link = Link::default();
    let i = layer(&link);
    let before = i.generation();
    i.set_ipv4_gateways(&[PEER]);
    i.set_ipv4(ME);
    assert_eq!(i.generation(), before);
    i.set_ipv4(PEER);
    assert_eq!(i.generation(), before + 1);
    i.set_ipv4(Ipv4Addr::UNSPECIFIED);
    assert_eq!((i.generation(), i.get_ipv4()), (before + 2, None));
    assert!(link.own.borrow().is_empty());
}

#[test]
fn lists_are_cut_at_their_bounds_and_told() {
    let link = Link::default();
    let i = layer(&link);
    let addresses: Vec<_> = (10..20).map(|n| Cidr::new([10, 0, 0, n].into(), 24)).collect();
    let hops: Vec<_> = (30..40).map(|n| Ipv4Addr::new(10, 0, 0, n)).collect();
    let route = RouteEntry { destination: Cidr::new(FAR, 24), gateway: None };
    let config = Config { addresses: &addresses, gateways: &hops, routes: &[route; 11], ..Config::default() };
    assert_eq!(i.configure(&config), 2 + 2 + 3);
    assert!(i.is_local([10, 0, 0, 17].into()) && !i.is_local([10, 0, 0, 18].into()));
    assert_eq!(gateways(&i), hops[..8]);
}

#[test]
fn what_no_host_can_have_is_left_out() {
    let link = Link::default();
    let i = layer(&link);
    let none = [[0, 0, 0, 0], [127, 0, 0, 1], [224, 0, 0, 1], [255, 255, 255, 255], [240, 0, 0, 1]];
    let cidrs = none.map(|a| Cidr::new(a.into(), 24));
    assert_eq!(i.configure(&config(&cidrs, &none.map(Into::into))), 10);
    assert_eq!(i.get_ipv4(), None);
    assert!(gateways(&i).is_empty());
    // Twice the same counts once.
    assert_eq!(i.configure(&config(&[Cidr::new(ME, 24), Cidr::new(ME, 16)], &[])), 1);
}

#[test]
fn what_the_layer_below_refuses_is_left_out() {
    let link = Link::default();
    link.own_max.set(1);
    let i = Box::new(Ipv4::connect(&link));
    let two = [Cidr::new(ME, 24), Cidr::new(PEER, 24)];
    assert_eq!(i.configure(&config(&two, &[])), 1);
    assert!(i.is_local(ME) && !i.is_local(PEER));
}

#[test]
fn a_change_wakes_tasks() {
    let link = Link::default();
    let i = layer(&link);
    let (count, waker) = Count::waker();
    i.poll(i.now(), &waker);
    i.set_ipv4(PEER);
    assert_eq!(count.get(), 1);
}

#[test]
fn mtu_of_the_configuration() {
    let link = Link::default();
    let i = layer(&link);
    let mtu = |mtu| {
        let addresses = [Cidr::new(ME, 24)];
        i.configure(&Config { addresses: &addresses, mtu, ..Config::default() });
        i.route(PEER, None).unwrap().mtu
    };
    assert_eq!(mtu(None), 1_500);
    assert_eq!(mtu(Some(1_400)), 1_400);
    assert_eq!(mtu(Some(9_000)), 1_500);
    assert_eq!(mtu(Some(0)), 576);
    link.mtu.set(100_000);
    assert_eq!(mtu(None), 65_535);
}

#[test]
fn the_layer_is_shared_by_borrow() {
    fn user<I: Ip>(ip: I) -> Option<Ipv4Addr> {
        ip.get_ipv4()
    }
    let link = Link::default();
    let i = layer(&link);
    assert_eq!(user(&*i), Some(ME));
}

#[test]
fn the_layer_takes_as_much_memory_as_it_says() {
    let kib = size_of::<Ipv4<&Link>>().div_ceil(1_024);
    assert_eq!(kib, 327);
    assert!(size_of::<Ipv4<&Link, 0, 0, 2, 2>>() < 1_400);
}
