//! Ethernet frames: labels, filters, headers.

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::rc::Rc;

use crate::common::*;
use ethif::{Ethif, listeners};
use traits::{
    Capabilities, ChecksumVerdict, Ethernet, Frame, Layer, LinkCast, Offload, PartialChecksum, RxMeta,
    SegmentationKind, SendError, To, TxMeta,
};
use wire::{EtherType, MacAddr};

const GROUP: MacAddr = MacAddr([0x01, 0, 0x5e, 0, 0, 251]);

/// What each label got.
fn labels(e: &Ethif<&Mock>, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>, LinkCast)> {
    let got = RefCell::new(Vec::new());
    e.input(
        bytes.into(),
        listeners()
            .ipv4(|p| got.borrow_mut().push(("ipv4", p.bytes.to_vec(), p.meta.link)))
            .ipv6(|p| got.borrow_mut().push(("ipv6", p.bytes.to_vec(), p.meta.link)))
            .other(|_, p| got.borrow_mut().push(("other", p.bytes.to_vec(), p.meta.link))),
    );
    got.into_inner()
}

#[test]
fn payloads_go_to_their_labels() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for (to, cast) in
        [(OWN, LinkCast::Host), (MacAddr::BROADCAST, LinkCast::Broadcast), (GROUP, LinkCast::Multicast)]
    {
        for (ethertype, label) in [(0x0800, "ipv4"), (0x86dd, "ipv6"), (0x88cc, "other"), (0x0600, "other")] {
            let got = labels(&e, &frame(to, mac(1), ethertype, b"payload"));
            assert_eq!(got, [(label, b"payload".to_vec(), cast)]);
        }
    }
    assert_eq!(e.statistics().other, 6);
}

#[test]
fn other_says_who_sent_what_to_whom() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let mut got = None;
    let bytes = frame(GROUP, mac(1), 0x88cc, b"lldp");
    e.input(
        bytes.as_slice().into(),
        listeners().other(|ethertype, p| got = Some((ethertype, p.source, p.destination))),
    );
    assert_eq!(got, Some((EtherType(0x88cc), mac(1), GROUP)));
}

#[test]
fn labels_that_are_not_set_ignore() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for ethertype in [0x0800, 0x86dd, 0x88cc] {
        input(&e, &frame(OWN, mac(1), ethertype, b"payload"));
    }
    assert!(net.take().is_empty());
}

#[test]
fn a_payload_is_a_slice_of_the_frame() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let bytes = frame(OWN, mac(1), 0x0800, b"payload");
    let mut at = None;
    e.input(bytes.as_slice().into(), listeners().ipv4(|p| at = Some(p.bytes.as_ptr())));
    assert_eq!(at, Some(bytes[14..].as_ptr()));
}

#[test]
fn an_empty_payload_is_handed_up() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    assert_eq!(labels(&e, &frame(OWN, mac(1), 0x0800, b"")), [("ipv4", vec![], LinkCast::Host)]);
}

#[test]
fn runts_are_dropped() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let bytes = frame(OWN, mac(1), 0x0800, b"");
    for len in 0..14 {
        assert!(labels(&e, &bytes[..len]).is_empty());
    }
    assert_eq!(e.statistics().runt, 14);
}

#[test]
fn frames_for_others_are_dropped() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for (to, ethertype) in [(mac(9), 0x0800), (MacAddr::ZERO, 0x0800), (mac(9), 0x0806)] {
        assert!(labels(&e, &frame(to, mac(1), ethertype, b"payload")).is_empty());
    }
    assert_eq!(e.statistics().other_host, 3);
    assert_eq!(e.statistics().arp_malformed, 0);
}

#[test]
fn a_group_is_nobodys_source() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for from in [GROUP, MacAddr::BROADCAST, MacAddr::ZERO] {
        assert!(labels(&e, &frame(OWN, from, 0x0800, b"payload")).is_empty());
    }
    assert_eq!(e.statistics().bad_source, 3);
}

#[test]
fn llc_is_dropped() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for len in [0, 38, 1500, 0x05ff] {
        assert!(labels(&e, &frame(OWN, mac(1), len, &[0x42, 0x42, 3])).is_empty());
    }
    assert_eq!(e.statistics().llc, 4);
}

#[test]
fn vlan_tags_are_dropped() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for tag in [0x8100, 0x88a8] {
        assert!(labels(&e, &frame(OWN, mac(1), tag, &[0, 1, 8, 0, 0x45])).is_empty());
    }
    assert_eq!((e.statistics().vlan, e.statistics().other), (2, 0));
}

#[test]
fn the_receive_record_moves_up_a_layer() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let bytes = frame(OWN, mac(1), 0x0800, &[0; 60]);
    let with = |checksum| {
        let meta = RxMeta::NONE.with_checksum(checksum).with_segment_size(NonZeroU16::new(1448));
        let mut got = RxMeta::NONE;
        e.input(Frame::new(&bytes, meta), listeners().ipv4(|p| got = p.meta));
        assert_eq!(got.segment_size, NonZeroU16::new(1448));
        got.checksum
    };
    let blank = |start| ChecksumVerdict::Blank(PartialChecksum { start, offset: 16 });
    assert_eq!(with(blank(34)), blank(20));
    assert_eq!(with(blank(14)), blank(0));
    assert_eq!(with(blank(13)), ChecksumVerdict::Unchecked);
    assert_eq!(with(ChecksumVerdict::Verified), ChecksumVerdict::Verified);
    assert_eq!(with(ChecksumVerdict::Unchecked), ChecksumVerdict::Unchecked);
}

#[test]
fn what_is_written_has_a_header() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    for (to, mac) in [(To::Mac(mac(7)), mac(7)), (To::Mac(GROUP), GROUP), (To::Broadcast, MacAddr::BROADCAST)] {
        let meta = TxMeta::NONE.with_checksum(20, 16).with_more(true);
        e.write(to, EtherType(0x88b5), meta, 10, |buffer| {
            assert_eq!(buffer.len(), 10);
            buffer[..3].copy_from_slice(b"abc");
            3
        })
        .unwrap();
        let sent = net.take().remove(0);
        assert_eq!(sent.bytes, frame(mac, OWN, 0x88b5, b"abc"));
        assert_eq!(sent.meta, TxMeta::NONE.with_checksum(34, 16).with_more(true));
    }
}

#[test]
fn a_filler_may_use_nothing_or_claim_too_much() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    assert_eq!(e.write(To::Broadcast, EtherType::IPV4, TxMeta::NONE, 10, |_| 0), Ok(()));
    assert!(net.take().is_empty());
    assert_eq!(e.write(To::Broadcast, EtherType::IPV4, TxMeta::NONE, 10, |_| 99), Ok(()));
    assert_eq!(net.take()[0].bytes.len(), 24);
}

#[test]
fn the_devices_errors_come_through() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    let write = |len| e.write(To::Broadcast, EtherType::IPV4, TxMeta::NONE, len, |_| unreachable!());
    assert_eq!(write(1501), Err(SendError::TooLong));
    assert_eq!(write(usize::MAX), Err(SendError::TooLong));
    for error in [SendError::Full, SendError::Down, SendError::Unsupported] {
        net.refuses.set(Some(error));
        assert_eq!(write(10), Err(error));
    }
}

#[test]
fn large_frames_pass_with_their_request() {
    let net = Mock::new();
    net.capabilities.set(Capabilities::new(Offload::TX_CHECKSUM | Offload::TSO4, 65_550));
    let e = Ethif::connect(&net);
    assert_eq!(e.capabilities().gso_max_size, 65_536);
    let size = NonZeroU16::new(1448).unwrap();
    let meta =
        TxMeta::NONE.with_checksum(20, 16).with_segmentation(SegmentationKind::Tcp4 { cwr: false }, size, 52);
    send(&e, 1, b"first").unwrap();
    answer(&e, 1);
    net.take();
    e.write(To::Host(ip(1)), EtherType::IPV4, meta, 60_000, |_| 60_000).unwrap();
    let sent = net.take().remove(0);
    assert_eq!(sent.bytes.len(), 60_014);
    assert_eq!(sent.meta.segmentation().unwrap().header_len, 66);
    assert_eq!(e.mtu(), 1500);
    assert_eq!(e.mac(), OWN);
}

#[test]
fn a_layer_is_shared_by_borrow_by_rc_or_not_at_all() {
    fn broadcast<E: Ethernet>(e: E) -> Result<(), SendError> {
        e.write(To::Broadcast, EtherType::IPV4, TxMeta::NONE, 1, |_| 1)
    }
    let net = Rc::new(Mock::new());
    let e = Ethif::connect(net.clone());
    broadcast(&e).unwrap();
    broadcast(e).unwrap();
    let e = Ethif::connect(&*net);
    broadcast(&e).unwrap();
    broadcast(e).unwrap();
    assert_eq!(net.take().len(), 4);
    let small = Ethif::<_, 1, 1>::with_capacity(Mock::new());
    broadcast(&small).unwrap();
    assert_eq!(small.network().take().len(), 1);
}

#[test]
fn flush_goes_down() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    e.flush();
    assert_eq!(net.flushes.get(), 1);
}

#[test]
fn counters_are_reset() {
    let net = Mock::new();
    let e = Ethif::connect(&net);
    input(&e, b"runt");
    assert_eq!(e.statistics().runt, 1);
    e.reset_statistics();
    assert_eq!(e.statistics(), Default::default());
}
