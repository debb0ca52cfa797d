//! Packets without options are taken by a way of their own: each has a twin with
//! options that mean nothing, which is not, and fares alike.

use crate::common::*;
use proptest::prelude::*;
use traits::*;

/// Packets from here and there, some of them spoilt in a field.
fn packets() -> impl Strategy<Value = Make> {
    let address = || {
        prop_oneof![
            6 => Just(PEER),
            2 => Just(FAR),
            1 => Just(ALL),
            1 => Just(GROUP),
            1 => Just(NOBODY),
            1 => any::<u32>().prop_map(Into::into)
        ]
    };
    let here = || prop_oneof![8 => Just(ME), 1 => address()];
    let protocol = prop_oneof![4 => Just(6u8), 4 => Just(17), 1 => Just(99)];
    let spoilt = prop_oneof![
        6 => Just(0u8),
        1 => 1u8..6,
    ];
    (address(), here(), protocol, any::<[u8; 2]>(), 0usize..40, spoilt, any::<u16>()).prop_map(
        |(src, dst, protocol, [tos, ttl], len, spoilt, word)| {
            make(src, dst, protocol, vec![7; len]).with(|p| {
                (p.tos, p.ttl) = (tos, ttl);
                match spoilt {
                    1 => p.version = word as u8 % 16,
                    2 => p.total = Some(word % 64),
                    3 => p.fragment = word,
                    4 => p.sum_off_by = word,
                    5 => p.id = word,
                    _ => p.fragment = DF,
                }
            })
        },
    )
}

/// What the device says of a frame.
fn words() -> impl Strategy<Value = RxMeta> {
    let verdict = prop_oneof![
        Just(ChecksumVerdict::Unchecked),
        Just(ChecksumVerdict::Verified),
        (24u16..30).prop_map(|start| ChecksumVerdict::Blank(PartialChecksum { start, offset: 6 })),
    ];
    let link = prop_oneof![6 => Just(LinkCast::Host), 1 => Just(LinkCast::Broadcast)];
    (verdict, link).prop_map(|(verdict, link)| RxMeta::NONE.with_checksum(verdict).with_link(link))
}

/// As it was handed up, without the header.
fn without_header(mut got: Vec<Got>) -> Vec<Got> {
    for got in &mut got {
        if let Got::Packet { header, .. } = got {
            header.clear();
        }
    }
    got
}

proptest! {
    #[test]
    fn both_ways_hand_up_the_same(
        frames in proptest::collection::vec((packets(), words(), 0usize..3), 1..40),
    ) {
        let (link, other_link) = (Link::default(), Link::default());
        let (i, other) = (layer(&link), layer(&other_link));
        for (packet, meta, padding) in frames {
            let twin = packet.clone().with(|p| {
                p.options = vec![1; 4];
                p.total = p.total.map(|total| total + 4);
            });
            // The device counts from the frame's start.
            let later = match meta.checksum {
                ChecksumVerdict::Blank(place) => meta.with_checksum(ChecksumVerdict::Blank(
                    PartialChecksum { start: place.start + 4, ..place },
                )),
                ChecksumVerdict::Unchecked | ChecksumVerdict::Verified => meta,
            };
            let padded = |packet: &Make| [packet.bytes(), vec![0; padding]].concat();
            let got = without_header(feed_meta(&i, &padded(&packet), meta));
            let of_twin = without_header(feed_meta(&other, &padded(&twin), later));
            prop_assert_eq!(got, of_twin, "{:?}", packet);
            let (mut statistics, mut of_twin) = (i.statistics(), other.statistics());
            // Which of the two says that a total length makes no sense differs.
            (statistics.rx_total_length, of_twin.rx_total_length) = (0, 0);
            prop_assert_eq!(statistics, of_twin, "{:?}", packet);
        }
    }
}

/// A packet of another host between two makes no difference.
#[test]
fn a_host_is_told_from_the_last_one() {
    let link = Link::default();
    let i = layer(&link);
    for (at, (src, dst, is_taken)) in [
        (PEER, ME, true),
        (PEER, FAR, false),
        (FAR, ME, true),
        (PEER, ME, true),
        (ME, PEER, false),
        (PEER, ME, true),
    ]
    .into_iter()
    .enumerate()
    {
        let got = feed(&i, &make(src, dst, 6, b"segment".to_vec()));
        assert_eq!(got.len(), usize::from(is_taken), "{at}");
    }
}
