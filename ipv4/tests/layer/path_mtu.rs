//! Path MTU discovery (RFC 1191).

use crate::common::*;
use ipv4::{Ipv4, MIN_PATH_MTU, PATH_MTU_AGE};
use std::net::Ipv4Addr;
use traits::*;
use wire::Protocol;

/// A router says that a packet of `len` bytes to `dst` was too long for a link
/// of `mtu`.
fn too_long(dst: Ipv4Addr, len: u16, mtu: u16) -> Make {
    too_long_for(17, dst, len, mtu)
}

fn too_long_for(protocol: u8, dst: Ipv4Addr, len: u16, mtu: u16) -> Make {
    let quote = make(ME, dst, protocol, pattern(8)).with(|p| {
        p.total = Some(len);
        p.fragment = DF;
    });
    let [high, low] = mtu.to_be_bytes();
    make(GATEWAY, ME, 1, icmp(3, 4, [0, 0, high, low], &quote.bytes()))
}

fn mtu(i: &Ipv4<&Link>, dst: Ipv4Addr) -> usize {
    i.route(dst, None).unwrap().mtu
}

fn told(got: &[Got]) -> u16 {
    match got {
        [Got::Error { kind: IcmpErrorKind::FragmentationNeeded { mtu }, .. }] => *mtu,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_router_lowers_the_path_of_one_destination() {
    let link = Link::default();
    let i = layer(&link);
    assert_eq!(told(&feed(&i, &too_long(FAR, 1_500, 1_400))), 1_400);
    assert_eq!((mtu(&i, FAR), mtu(&i, PEER)), (1_400, 1_500));
    // Only ever lower.
    feed(&i, &too_long(FAR, 1_500, 1_450));
    assert_eq!(mtu(&i, FAR), 1_400);
    feed(&i, &too_long(FAR, 1_400, 1_000));
    assert_eq!(mtu(&i, FAR), 1_000);
    assert_eq!(i.statistics().path_mtu_lowered, 2);
    i.forget_path_mtu(FAR);
    assert_eq!(mtu(&i, FAR), 1_500);
}

#[test]
fn packets_follow() {
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &too_long(FAR, 1_500, 1_000));
    let header = Header::new(FAR, Protocol::UDP);
    assert_eq!(write(&i, header.with_dont_fragment(), TxMeta::NONE, &pattern(981)), Err(SendError::TooLong));
    write(&i, header.with_dont_fragment(), TxMeta::NONE, &pattern(980)).unwrap();
    assert!(link.one().packet().df);
    write(&i, header, TxMeta::NONE, &pattern(1_400)).unwrap();
    assert_eq!(link.take().iter().map(|p| p.bytes.len()).collect::<Vec<_>>(), [996, 444]);
}

#[test]
fn it_is_tried_again_after_ten_minutes() {
    let link = Link::default();
    let i = layer(&link);
    feed(&i, &too_long(FAR, 1_500, 1_000));
    link.pass(PATH_MTU_AGE - std::time::Duration::from_nanos(1));
    assert_eq!(mtu(&i, FAR), 1_000);
    link.pass(std::time::Duration::from_nanos(1));
    assert_eq!(mtu(&i, FAR), 1_500);
}

#[test]
fn routers_that_tell_no_mtu_mean_the_next_plateau() {
    let link = Link::default();
    let i = layer(&link);
    link.mtu.set(65_535);
    for (len, plateau) in
        [(65_535, 32_000), (32_000, 17_914), (17_914, 8_166), (4_352, 2_002), (1_500, 1_492), (1_492, 1_006)]
    {
        i.forget_path_mtu(FAR);
        assert_eq!(told(&feed(&i, &too_long(FAR, len, 0))), plateau, "{len}");
        assert_eq!(mtu(&i, FAR), usize::from(plateau));
    }
}

#[test]
fn tiny_mtus_stop_at_the_floor() {
    for tiny in [0, 1, 68, 296, 575] {
        let link = Link::default();
        let i = layer(&link);
        let len = if tiny == 0 { 600 } else { 1_500 };
        assert_eq!(told(&feed(&i, &too_long(FAR, len, tiny))), MIN_PATH_MTU);
        assert_eq!(mtu(&i, FAR), 576);
        // The hop takes less than that: it has to be allowed to cut.
        let header = Header::new(FAR, Protocol::TCP).with_dont_fragment();
        write(&i, header, TxMeta::NONE, &pattern(556)).unwrap();
        let packet = link.one().packet();
        assert!(!packet.df);
        write(&i, header, TxMeta::NONE, &pattern(556)).unwrap();
        assert_ne!(link.one().packet().id, packet.id);
    }
}

#[test]
fn reports_that_contradict_themselves_are_dropped() {
    let link = Link::default();
    let i = layer(&link);
    // It fits; no such packet can have left; it may be cut.
    drops(&i, &too_long(FAR, 1_500, 1_500), |s| s.icmp_bad_quote);
    drops(&i, &too_long(FAR, 1_501, 1_400), |s| s.icmp_bad_quote);
    drops(&i, &too_long(FAR, 40, 1_400), |s| s.icmp_bad_quote);
    drops(&i, &too_long(FAR, 60, 0), |s| s.icmp_bad_quote);
    let may_be_cut = make(ME, FAR, 6, pattern(8)).with(|p| p.total = Some(1_500));
    drops(&i, &make(GATEWAY, ME, 1, icmp(3, 4, [0, 0, 2, 0], &may_be_cut.bytes())), |s| s.icmp_bad_quote);
    assert_eq!(mtu(&i, FAR), 1_500);
}

#[test]
fn the_table_is_bounded() {
    let link = Link::default();
    let i = layer(&link);
    let far = |n: u32| Ipv4Addr::from_bits(FAR.to_bits() + n);
    for n in 0..40 {
        link.pass(std::time::Duration::from_secs(1));
        feed(&i, &too_long(far(n), 1_500, 1_000));
    }
    assert_eq!((0..40).filter(|n| mtu(&i, far(*n)) == 1_000).collect::<Vec<_>>(), (8..40).collect::<Vec<_>>());
    assert_eq!(i.statistics().path_mtu_evicted, 8);
    // Without a table, the error is still handed up.
    let none = Box::new(Ipv4::<_, 0, 0, 1, 0>::with_capacity(&link));
    none.set_ipv4(ME);
    assert_eq!(told(&feed(&*none, &too_long(FAR, 1_500, 1_000))), 1_000);
}

#[test]
fn what_is_said_of_tcp_is_believed_when_tcp_does() {
    let link = Link::default();
    let i = layer(&link);
    assert_eq!(told(&feed(&i, &too_long_for(6, FAR, 1_500, 1_400))), 1_400);
    assert_eq!((mtu(&i, FAR), i.statistics().path_mtu_lowered), (1_500, 0));
    i.learn_path_mtu(FAR, 1_400);
    assert_eq!((mtu(&i, FAR), i.statistics().path_mtu_lowered), (1_400, 1));
}
