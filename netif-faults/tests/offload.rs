//! Frames that the device is to complete or to cut.

mod common;

use core::cell::RefCell;

use common::{NONE, cut, listen, ms, random, run_until, send_with};
use netif_faults::{Faults, Probability};
use netif_memory::{Link, Settings, VirtualClock};
use traits::{Capabilities, ChecksumVerdict, Offload, TxMeta};

fn tcp(payload: &[u8]) -> Vec<u8> {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    let builder =
        etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(a, b, 64).tcp(4000, 80, 1_000_000, 500);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    let len = frame.len() - 34;
    let sum = wire::Checksum::pseudo(a.into(), b.into(), wire::Protocol::TCP, len).partial();
    frame[50..52].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn checksum_holds(frame: &[u8]) -> bool {
    let packet = etherparse::SlicedPacket::from_ethernet(frame);
    let Ok(Some(etherparse::TransportSlice::Tcp(tcp))) = packet.map(|packet| packet.transport) else {
        return false;
    };
    Ok(tcp.checksum()) == tcp.calc_checksum_ipv4([10, 0, 0, 1], [10, 0, 0, 2])
}

#[test]
fn no_offload_hides_the_damage() {
    let clock = VirtualClock::new();
    let offload = Settings::new().with_capabilities(Capabilities::new(Offload::all(), 65_550));
    let link = Link::new(&clock, offload);
    let [a, b] = link.ports();
    let spoil = NONE.with_bit_error(Probability::ALWAYS);
    let (sender, receiver) = (Faults::new(a, random(5), spoil, NONE), Faults::new(b, random(6), NONE, NONE));
    let received = RefCell::default();
    let checksum = TxMeta::NONE.with_checksum(34, 16);
    for _ in 0..50 {
        send_with(&sender, checksum, &tcp(&[7; 1000])).unwrap();
    }
    run_until(&clock, vec![listen(&receiver, &received)], ms(1));
    sender.set_transmit(NONE);
    receiver.set_receive(spoil);
    for _ in 0..50 {
        send_with(&sender, checksum, &tcp(&[7; 1000])).unwrap();
    }
    run_until(&clock, vec![listen(&receiver, &received)], ms(2));
    let received = received.borrow();
    assert_eq!(received.len(), 100);
    let mut in_payload = 0;
    for (_, bytes, meta) in received.iter() {
        assert_eq!(meta.checksum, ChecksumVerdict::Unchecked);
        // A flip in the addresses or the length shows in the IPv4 header.
        if bytes[..34] == tcp(&[7; 1000])[..34] {
            in_payload += 1;
            assert!(!checksum_holds(bytes));
        }
    }
    assert!(in_payload > 80);
}

#[test]
fn pieces_of_a_large_frame_are_lost_one_by_one() {
    let (counts, received) = cut(NONE.with_loss(Probability::percent(20)), &tcp(&[7; 5000]));
    assert_eq!(counts.frames, 500);
    assert!((60..140).contains(&counts.lost));
    assert_eq!(received.len() as u64, 500 - counts.lost);
    assert!(received.iter().all(|(_, bytes, _)| bytes.len() == 154 && checksum_holds(bytes)));
}
