//! What goes out: checksums, offloads, segments, errors.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::num::NonZeroU16;

use crate::common::*;
use traits::*;
use udpv4::{SOFTWARE_SEGMENTATION_MAX, Udp};

const TO: SocketAddrV4 = SocketAddrV4::new(THERE, 53);

fn endpoint() -> Endpoint {
    Endpoint::new(1000, TO)
}

fn segmented(size: u16) -> Endpoint {
    endpoint().with_segment_size(NonZeroU16::new(size).unwrap())
}

fn fill_with(payload: &[u8]) -> impl FnOnce(&mut [u8]) -> usize {
    |buffer| {
        assert_eq!(buffer.len(), payload.len());
        buffer.copy_from_slice(payload);
        payload.len()
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n % 251) as u8).collect()
}

#[test]
fn software_checksum_by_default() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    udp.send(1000, TO, b"hello").unwrap();
    let sent = ip.sent.borrow();
    assert_eq!(sent[0].meta, TxMeta::NONE);
    assert_eq!(sent[0].payload[..6], [3, 0xe8, 0, 53, 0, 13]);
    assert!(sent[0].verifies());
    assert_eq!(udp.statistics().tx_datagrams, 1);
}

#[test]
fn a_computed_zero_goes_out_as_all_ones() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    // The payload is the checksum that an empty one there gets.
    udp.send(1000, TO, &[0, 0]).unwrap();
    let sum = ip.sent.borrow()[0].checksum();
    udp.send(1000, TO, &sum.to_be_bytes()).unwrap();
    assert_eq!(ip.sent.borrow()[1].checksum(), 0xffff);
    assert!(ip.sent.borrow()[1].verifies());
}

#[test]
fn the_device_completes_the_checksum() {
    let ip = MockIp::with(Capabilities::new(Offload::TX_CHECKSUM, 0));
    let udp = Udp::connect(&ip);
    udp.write(endpoint(), 100, |buffer| {
        buffer[..5].copy_from_slice(b"hello");
        5
    })
    .unwrap();
    let mut sent = ip.sent.borrow()[0].clone();
    assert_eq!(sent.meta, TxMeta::NONE.with_checksum(0, 6));
    assert_eq!(sent.data(), b"hello");
    // What the device does.
    let sum = wire::checksum(&sent.payload);
    sent.payload[6..8].copy_from_slice(&sum.to_be_bytes());
    assert!(sent.verifies());
}

#[test]
fn fragments_get_a_software_checksum() {
    let ip = MockIp::with(Capabilities::new(Offload::TX_CHECKSUM, 0));
    let udp = Udp::connect(&ip);
    udp.send(1000, TO, &pattern(1472)).unwrap();
    udp.send(1000, TO, &pattern(1473)).unwrap();
    let sent = ip.sent.borrow();
    assert!(sent[0].meta.checksum().is_some());
    assert_eq!(sent[1].meta.checksum(), None);
    assert!(sent[1].verifies());
}

#[test]
fn source_ttl_and_tos_reach_the_header() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    let other = Ipv4Addr::new(10, 0, 0, 3);
    udp.write(endpoint().from(other).with_ttl(3).with_tos(0xb8).with_more(true), 0, |_| 0).unwrap();
    let sent = ip.sent.borrow();
    assert_eq!(sent[0].header, Header::new(THERE, Protocol::UDP).from(other).with_ttl(3).with_tos(0xb8));
    assert!(sent[0].meta.more());
    assert!(sent[0].verifies());
}

#[test]
fn groups_and_broadcasts_are_sent_to() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    udp.send(5353, "224.0.0.251:5353".parse().unwrap(), b"?").unwrap();
    udp.send(68, "255.255.255.255:67".parse().unwrap(), b"?").unwrap();
    let sent = ip.sent.borrow();
    assert_eq!(sent[0].header.ttl, 1);
    assert_eq!(sent[1].header.ttl, 64);
}

#[test]
fn errors_are_passed_on_and_the_filler_is_not_called() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    let never = |_: &mut [u8]| -> usize { panic!("called") };
    ip.route_error.set(Some(SendError::NoRoute));
    assert_eq!(udp.write(endpoint(), 5, never), Err(SendError::NoRoute));
    ip.route_error.set(None);
    ip.outcomes.borrow_mut().push_back(Err(SendError::Full));
    assert_eq!(udp.write(endpoint(), 5, never), Err(SendError::Full));
    assert_eq!(udp.write(endpoint(), 65_508, never), Err(SendError::TooLong));
    assert_eq!(udp.write(Endpoint::new(1, SocketAddrV4::new(THERE, 0)), 5, never), Err(SendError::Unsupported));
    ip.outcomes.borrow_mut().push_back(Err(SendError::Full));
    assert_eq!(udp.write(segmented(10), 50, never), Err(SendError::Full));
    assert_eq!(udp.write(segmented(1473), 5000, never), Err(SendError::TooLong));
    assert_eq!(udp.write(segmented(100), SOFTWARE_SEGMENTATION_MAX + 1, never), Err(SendError::TooLong));
    assert_eq!(udp.statistics().tx_refused, 7);
    assert!(ip.sent.borrow().is_empty());
}

#[test]
fn the_largest_datagram() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    udp.send(1000, TO, &pattern(65_507)).unwrap();
    assert_eq!(ip.sent.borrow()[0].payload.len(), 65_515);
    assert!(ip.sent.borrow()[0].verifies());
}

#[test]
fn the_device_cuts_segments() {
    let offload = Offload::TX_CHECKSUM | Offload::USO4;
    let ip = MockIp::with(Capabilities::new(offload, 65_000));
    let udp = Udp::connect(&ip);
    let data = pattern(4500);
    udp.write(segmented(1000), data.len(), fill_with(&data)).unwrap();
    let sent = ip.sent.borrow();
    assert_eq!(sent.len(), 1);
    let segmentation = sent[0].meta.segmentation().unwrap();
    assert_eq!(segmentation.kind, SegmentationKind::Udp4);
    assert_eq!((segmentation.size.get(), segmentation.header_len), (1000, 8));
    assert!(sent[0].meta.checksum().is_some());
    assert_eq!(sent[0].data(), data);
    assert_eq!(udp.segmented_max(THERE), Ok(64_992));
}

#[test]
fn a_single_segment_is_a_plain_datagram() {
    let ip = MockIp::with(Capabilities::new(Offload::TX_CHECKSUM | Offload::USO4, 65_000));
    let udp = Udp::connect(&ip);
    udp.write(segmented(100), 100, fill_with(&[1; 100])).unwrap();
    assert_eq!(ip.sent.borrow()[0].meta.segmentation(), None);
}

#[test]
fn software_cuts_segments() {
    for capabilities in [Capabilities::NONE, Capabilities::new(Offload::TX_CHECKSUM, 0)] {
        let ip = MockIp::with(capabilities);
        let udp = Udp::connect(&ip);
        let data = pattern(4500);
        udp.write(segmented(1000), data.len(), fill_with(&data)).unwrap();
        let sent = ip.sent.borrow();
        let lens: Vec<_> = sent.iter().map(|s| s.data().len()).collect();
        assert_eq!(lens, [1000, 1000, 1000, 1000, 500]);
        assert_eq!(sent.iter().flat_map(Sent::data).copied().collect::<Vec<_>>(), data);
        let more: Vec<_> = sent.iter().map(|s| s.meta.more()).collect();
        assert_eq!(more, [true, true, true, true, false]);
        assert!(sent.iter().all(|s| s.meta.checksum().is_some() || s.verifies()));
        assert_eq!(udp.statistics().tx_datagrams, 5);
        assert_eq!(udp.segmented_max(THERE), Ok(SOFTWARE_SEGMENTATION_MAX));
    }
}

#[test]
fn a_filler_that_uses_less_makes_fewer_segments() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    udp.write(segmented(1000), 4000, |buffer| {
        buffer[..300].fill(7);
        300
    })
    .unwrap();
    let sent = ip.sent.borrow();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].data(), [7; 300]);
    // What was held back for the next is let go.
    assert_eq!(ip.flushes.get(), 1);
}

#[test]
fn segments_after_the_first_may_be_lost() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    ip.outcomes.borrow_mut().extend([Ok(()), Err(SendError::Full), Ok(())]);
    udp.write(segmented(10), 30, fill_with(&pattern(30))).unwrap();
    assert_eq!(ip.sent.borrow().len(), 2);
    assert_eq!(udp.statistics().tx_segments_dropped, 1);
    assert_eq!(udp.statistics().tx_datagrams, 2);
    assert_eq!(ip.flushes.get(), 0);
    // The last: what waits for it is let go.
    ip.outcomes.borrow_mut().extend([Ok(()), Ok(()), Err(SendError::Full)]);
    udp.write(segmented(10), 30, fill_with(&pattern(30))).unwrap();
    assert_eq!(ip.flushes.get(), 1);
}

#[test]
fn a_filler_that_claims_too_much_is_not_believed() {
    let ip = MockIp::new();
    let udp = Udp::connect(&ip);
    udp.write(endpoint(), 5, |_| 50).unwrap();
    udp.write(segmented(3), 5, |_| 50).unwrap();
    let lens: Vec<_> = ip.sent.borrow().iter().map(|s| s.data().len()).collect();
    assert_eq!(lens, [5, 3, 2]);
}

#[test]
fn layers_below_are_shared_by_borrow_rc_or_value() {
    fn send(udp: &impl Datagrams) {
        udp.send(1, TO, b"x").unwrap();
    }
    send(&Udp::connect(MockIp::new()));
    send(&Udp::connect(std::rc::Rc::new(MockIp::new())));
    send(&&Udp::connect(&MockIp::new()));
}

#[test]
fn capabilities_leave_room_for_the_header() {
    let ip = MockIp::with(Capabilities::new(Offload::USO4, 1000));
    assert_eq!(Udp::connect(&ip).capabilities().gso_max_size, 992);
}
