//! Packets cut, and put together again.

use std::collections::HashSet;

use crate::common::*;
use ipv4::Ipv4;
use proptest::prelude::*;
use traits::*;
use wire::{Cidr, Protocol};

const UDP: Protocol = Protocol::UDP;

/// Checks that what was sent are the fragments of one packet, and puts it
/// together.
fn join(sent: &[Sent], mtu: usize) -> Vec<u8> {
    let packets: Vec<_> = sent.iter().map(Sent::packet).collect();
    let mut whole = vec![];
    for (n, p) in packets.iter().enumerate() {
        let last = n + 1 == packets.len();
        assert_eq!(
            (p.id, p.tos, p.ttl, p.src, p.dst, p.df),
            (packets[0].id, packets[0].tos, packets[0].ttl, ME, PEER, false)
        );
        assert_eq!((p.offset, p.mf), (whole.len(), !last));
        assert!(last || p.payload.len().is_multiple_of(8));
        assert!(20 + p.payload.len() <= mtu);
        whole.extend(&p.payload);
    }
    whole
}

#[test]
fn cut_where_it_must_be() {
    let link = Link::default();
    let i = layer(&link);
    for (len, expected) in [(0, 1), (1_480, 1), (1_481, 2), (2_960, 2), (2_961, 3), (65_515, 45)] {
        let payload = pattern(len);
        write(&i, Header::new(PEER, UDP).with_tos(0xba).with_ttl(7), TxMeta::NONE, &payload).unwrap();
        let sent = link.take();
        assert_eq!(sent.len(), expected, "{len}");
        assert_eq!(join(&sent, 1_500), payload);
        assert_eq!((sent[0].packet().tos, sent[0].packet().ttl), (0xba, 7));
        // The device may wait for the rest, and must not for more.
        for (n, frame) in sent.iter().enumerate() {
            assert_eq!(frame.meta.more(), n + 1 < sent.len());
        }
    }
    assert_eq!(i.statistics().tx_fragmented, 4);
    assert_eq!(write(&i, Header::new(PEER, UDP), TxMeta::NONE, &pattern(65_516)), Err(SendError::TooLong));
}

#[test]
fn more_to_follow_is_kept() {
    let link = Link::default();
    let i = layer(&link);
    write(&i, Header::new(PEER, UDP), TxMeta::NONE.with_more(true), &pattern(3_000)).unwrap();
    assert!(link.take().iter().all(|frame| frame.meta.more()));
}

#[test]
fn not_cut_where_it_may_not_be() {
    let link = Link::default();
    let i = layer(&link);
    let header = Header::new(PEER, UDP).with_dont_fragment();
    assert_eq!(write(&i, header, TxMeta::NONE, &pattern(1_481)), Err(SendError::TooLong));
    write(&i, header, TxMeta::NONE, &pattern(1_480)).unwrap();
    assert!(link.one().packet().df);
}

#[test]
fn a_filler_that_uses_less_leaves_fewer_fragments() {
    let link = Link::default();
    let i = layer(&link);
    for used in [100, 1_480, 1_481, 2_960, 4_999] {
        let payload = pattern(used);
        i.write(Header::new(PEER, UDP), TxMeta::NONE, 5_000, |buffer| {
            assert_eq!(buffer.len(), 5_000);
            buffer[..used].copy_from_slice(&payload);
            used
        })
        .unwrap();
        let sent = link.take();
        assert_eq!(sent.len(), used.div_ceil(1_480));
        assert_eq!(join(&sent, 1_500), payload);
        // What was held back for the next is let go.
        let is_ended = !sent[sent.len() - 1].meta.more();
        assert_eq!(link.flushes.take(), usize::from(!is_ended));
    }
}

#[test]
fn a_checksum_left_to_the_device_is_completed() {
    let link = Link::default();
    let i = layer(&link);
    let mut payload = pattern(3_000);
    payload[6..8].copy_from_slice(&[0x12, 0x34]);
    write(&i, Header::new(PEER, UDP), TxMeta::NONE.with_checksum(0, 6), &payload).unwrap();
    let sent = link.take();
    assert!(sent.iter().all(|frame| frame.meta.checksum().is_none()));
    let whole = join(&sent, 1_500);
    assert_eq!(whole[6..8], sum(&payload).to_be_bytes());
    // Zero means none to UDP.
    let mut payload = vec![0; 3_000];
    payload[6..8].fill(0xff);
    write(&i, Header::new(PEER, UDP), TxMeta::NONE.with_checksum(0, 6), &payload).unwrap();
    assert_eq!(join(&link.take(), 1_500)[6..8], [0xff, 0xff]);
    // A place that does not exist changes nothing.
    write(&i, Header::new(PEER, UDP), TxMeta::NONE.with_checksum(2_999, 60), &payload).unwrap();
    write(&i, Header::new(PEER, UDP), TxMeta::NONE.with_checksum(60_000, 6), &payload).unwrap();
}

#[test]
fn a_device_that_fills_up_loses_the_packet() {
    let link = Link::default();
    let i = layer(&link);
    link.room.set(2);
    write(&i, Header::new(PEER, UDP), TxMeta::NONE, &pattern(5_000)).unwrap();
    assert_eq!(link.take().len(), 2);
    assert_eq!(i.statistics().tx_fragments_lost, 1);
    assert_eq!(write(&i, Header::new(PEER, UDP), TxMeta::NONE, &pattern(5_000)), Err(SendError::Full));
}

#[test]
fn buffers_too_small_cut_nothing() {
    let link = Link::default();
    let i = Box::new(Ipv4::<_, 0, 2_000, 2, 0>::with_capacity(&link));
    i.configure(&config(&[Cidr::new(ME, 24)], &[]));
    let send = |len| i.write(Header::new(PEER, UDP), TxMeta::NONE, len, |_| len);
    assert_eq!(send(2_000), Ok(()));
    assert_eq!(send(2_001), Err(SendError::TooLong));
    assert_eq!(send(1_480), Ok(()));
}

#[test]
fn fragments_share_a_number_and_packets_do_not() {
    let link = Link::default();
    let i = layer(&link);
    let mut ids = HashSet::new();
    for _ in 0..1_000 {
        write(&i, Header::new(PEER, UDP), TxMeta::NONE, &pattern(1_500)).unwrap();
        let [a, b] = &link.take()[..] else { panic!() };
        assert_eq!(a.packet().id, b.packet().id);
        assert!(ids.insert(a.packet().id), "a number came twice");
    }
}

#[test]
fn numbers_cannot_be_told_from_others() {
    let first = |seed, dst| {
        let link = Link::default();
        let i = Box::new(Ipv4::connect_with(&link, &mut Generator(Steps(seed))));
        i.configure(&config(&[Cidr::new(ME, 24)], &[]));
        write(&i, Header::new(dst, UDP), TxMeta::NONE, b"x").unwrap();
        link.one().packet().id
    };
    let ids: HashSet<u16> = (0..50).map(|seed| first(seed, PEER)).collect();
    assert!(ids.len() > 45, "the key decides");
    let ids: HashSet<u16> = (10..60).map(|n| first(1, [10, 0, 0, n].into())).collect();
    assert!(ids.len() > 45, "and the destination");
    // RFC 6864: a packet never cut needs no number.
    let link = Link::default();
    let i = layer(&link);
    write(&i, Header::new(PEER, UDP).with_dont_fragment(), TxMeta::NONE, b"x").unwrap();
    assert_eq!(link.one().packet().id, 0);
}

#[test]
fn large_packets_take_a_number_for_each_segment() {
    let link = Link::default();
    let i = layer(&link);
    let meta =
        TxMeta::NONE.with_checksum(0, 6).with_segmentation(SegmentationKind::Udp4, 100.try_into().unwrap(), 8);
    write(&i, Header::new(PEER, UDP), meta, &pattern(8 + 1_000)).unwrap();
    let first = link.one().packet().id;
    write(&i, Header::new(PEER, UDP), TxMeta::NONE, b"x").unwrap();
    assert_eq!(link.one().packet().id, first.wrapping_add(10));
}

struct Generator(Steps);

impl rand_core::TryRng for Generator {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.next() as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.next())
    }
    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        dst.iter_mut().for_each(|byte| *byte = self.0.next() as u8);
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any payload over any MTU, its fragments in any order, some of them
    /// twice: what comes out is what went in.
    #[test]
    fn what_is_cut_is_made_whole(
        len in prop_oneof![0usize..300, 0usize..=65_515],
        mtu in prop_oneof![68usize..200, 68usize..=9_000],
        seed: u64,
        twice in 0u64..4,
    ) {
        let (a, b) = (Link::default(), Link::default());
        let sender = layer(&a);
        let receiver = Box::new(Ipv4::connect(&b));
        receiver.configure(&config(&[Cidr::new(PEER, 24)], &[]));
        a.mtu.set(mtu);
        let mut steps = Steps(seed);
        let payload: Vec<u8> = (0..len).map(|_| steps.next() as u8).collect();
        write(&sender, Header::new(PEER, UDP), TxMeta::NONE, &payload).unwrap();
        let mut frames = a.take();
        prop_assert_eq!(join(&frames, mtu), payload.clone());
        for n in (1..frames.len()).rev() {
            frames.swap(n, steps.next() as usize % (n + 1));
        }
        let mut got = vec![];
        for (n, frame) in frames.iter().enumerate() {
            // The last one twice would begin anew.
            let times = if n + 1 < frames.len() && steps.next() % 4 < twice { 2 } else { 1 };
            for _ in 0..times {
                got.extend(feed_meta(&receiver, &frame.bytes, RxMeta::NONE));
            }
        }
        prop_assert_eq!(got.len(), 1);
        prop_assert_eq!(got[0].payload(), &payload[..]);
    }
}

/// What a device gathers is what is written otherwise: one that goes where the
/// last one went is told, any other is copied, and cut where it has to be.
#[test]
fn a_payload_that_lies_elsewhere() {
    let link = Link::default();
    let i = layer(&link);
    let bytes: Vec<u8> = (0..4000).map(|index| index as u8).collect();
    let (head, payload) = bytes.split_at(20);
    for (len, dst, pieces, gathered) in
        [(1000, PEER, 1, 0), (1000, PEER, 1, 1), (1480, PEER, 1, 2), (1481, PEER, 2, 2), (1000, FAR, 1, 2)]
    {
        let payload = &payload[..len - 20];
        i.write_gathered(Header::new(dst, Protocol::UDP), TxMeta::NONE, 20, payload, |buffer| {
            buffer.copy_from_slice(head);
            buffer.len()
        })
        .unwrap();
        let sent = link.take();
        assert_eq!((sent.len(), link.gathered.get()), (pieces, gathered), "{len} to {dst}");
        let got: Vec<u8> = sent.iter().flat_map(|sent| sent.packet().payload).collect();
        assert!(got == bytes[..len] && sent.iter().all(|sent| sent.packet().dst == dst));
    }
    let header = Header::new(PEER, Protocol::UDP).with_dont_fragment();
    let long = i.write_gathered(header, TxMeta::NONE, 20, payload, |_| panic!("filled"));
    assert_eq!(long, Err(SendError::TooLong));
}
