//! Whatever arrives: no panic, no memory beyond the bounds, and every packet
//! accounted for.

use crate::common::*;
use ipv4::{Fragmentation, HeaderFields};
use proptest::prelude::*;
use traits::*;
use wire::Protocol;

/// The counters that a packet ends in. Each packet ends in one.
fn ends(s: &ipv4::Statistics) -> u64 {
    s.rx_delivered
        + s.rx_truncated
        + s.rx_version
        + s.rx_header_length
        + s.rx_total_length
        + s.rx_checksum
        + s.rx_options
        + s.rx_source_route
        + s.rx_source
        + s.rx_own_source
        + s.rx_loopback
        + s.rx_not_local
        + s.rx_link_broadcast
        + s.rx_ignored
        + s.icmp_checksum
        + s.icmp_truncated
        + s.icmp_echo_answered
        + s.icmp_echo_ignored
        + s.icmp_bad_quote
        + s.icmp_ignored
        + s.icmp_tx_failed
        + s.igmp_queries
        + s.igmp_heard
        + s.igmp_malformed
}

/// Packets that get past the first checks.
fn plausible() -> impl Strategy<Value = Make> {
    let address = || {
        prop_oneof![
            Just(ME),
            Just(PEER),
            Just(FAR),
            Just(GROUP),
            Just(ALL),
            Just(DIRECTED),
            Just(NOBODY),
            any::<u32>().prop_map(Into::into)
        ]
    };
    let quote = (address(), address(), 0u8..20, proptest::collection::vec(any::<u8>(), 0..40), any::<u16>())
        .prop_map(|(src, dst, protocol, payload, total)| {
            make(src, dst, protocol, payload)
                .with(|p| {
                    p.total = Some(total);
                    p.fragment = DF
                })
                .bytes()
        });
    let message =
        (0u8..19, 0u8..17, any::<[u8; 4]>(), prop_oneof![quote, proptest::collection::vec(any::<u8>(), 0..64)])
            .prop_map(|(kind, code, rest, data)| icmp(kind, code, rest, &data));
    let payload = prop_oneof![message, proptest::collection::vec(any::<u8>(), 0..200)];
    let fragment = prop_oneof![Just(0u16), (0u16..8).prop_map(|o| o | MF), 0u16..8, any::<u16>()];
    (
        prop_oneof![Just(PEER), address()],
        prop_oneof![Just(ME), address()],
        prop_oneof![Just(1u8), Just(2), Just(6), Just(17), any::<u8>()],
        payload,
        fragment,
        0u16..4,
        proptest::collection::vec(any::<[u8; 4]>(), 0..11),
        any::<u8>(),
    )
        .prop_map(|(src, dst, protocol, payload, fragment, id, options, tos)| {
            make(src, dst, protocol, payload).with(|p| {
                (p.fragment, p.id, p.tos) = (fragment, id, tos);
                if tos & 4 != 0 {
                    p.options = options.concat();
                }
            })
        })
}

proptest! {
    #[test]
    fn bytes_never_panic(frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 0..30)) {
        let link = Link::default();
        let i = layer(&link);
        for frame in &frames {
            feed_meta(&i, frame, RxMeta::NONE);
        }
        prop_assert_eq!(ends(&i.statistics()), frames.len() as u64);
    }

    #[test]
    fn packets_are_accounted_for(
        packets in proptest::collection::vec((plausible(), 0u8..3, 0u64..10), 0..60),
    ) {
        let link = Link::default();
        let i = layer(&link);
        i.join_group(GROUP).unwrap();
        for (packet, cast, pass) in &packets {
            let cast = [LinkCast::Host, LinkCast::Broadcast, LinkCast::Host][usize::from(*cast)];
            let got = feed_meta(&i, &packet.bytes(), RxMeta::NONE.with_link(cast));
            prop_assert!(got.len() <= 1);
            link.pass(std::time::Duration::from_secs(*pass));
            if let Some(next) = poll(&i) {
                prop_assert!(next > i.now());
            }
        }
        // All that was sent is well formed, and not to those who may not be
        // answered.
        for sent in link.take() {
            let packet = sent.packet();
            prop_assert!(packet.protocol == 2 || !packet.dst.is_broadcast() && !packet.dst.is_multicast());
            prop_assert!(sent.bytes.len() <= 1_500);
        }
        // A fragment either completes its packet, which ends as any, or ends
        // here.
        let s = i.statistics();
        let fragments_kept = s.rx_fragments - s.rx_reassembled;
        prop_assert_eq!(ends(&s) + fragments_kept, packets.len() as u64, "{:?}", s);
    }

    /// What the encoder writes, the parser reads.
    #[test]
    fn encoder_and_parser_agree(
        (tos, id, ttl, protocol) in any::<(u8, u16, u8, u8)>(),
        (offset, more, options) in (0u16..=0xffff, any::<bool>(), 0usize..=10),
        payload in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let fields = HeaderFields {
            tos,
            identification: id,
            fragmentation: Fragmentation::new(offset, more),
            ttl,
            protocol: Protocol(protocol),
            src: PEER,
            dst: ME,
        };
        let options = vec![1; options * 4];
        let mut bytes = [0; 60];
        let len = fields.encode(&mut bytes, &options, payload.len()).unwrap();
        let bytes = [&bytes[..len], &payload].concat();
        let seen = Seen::read(&bytes);
        prop_assert_eq!((seen.tos, seen.id, seen.ttl, seen.protocol), (tos, id, ttl, protocol));
        prop_assert_eq!((seen.offset, seen.mf, seen.df), (usize::from(offset & !7), more, false));
        prop_assert_eq!((seen.options, seen.payload), (options, payload.clone()));
        if offset < 8 && !more && ![1, 2].contains(&protocol) {
            let link = Link::default();
            let got = feed_meta(&layer(&link), &bytes, RxMeta::NONE);
            prop_assert_eq!(got[0].payload(), &payload[..]);
        }
    }
}

#[test]
fn the_encoder_refuses_what_cannot_be() {
    let fields = HeaderFields::new(PEER, ME, Protocol::UDP);
    assert_eq!(fields.encode(&mut [0; 19], &[], 0), None);
    assert_eq!(fields.encode(&mut [0; 64], &[1; 3], 0), None);
    assert_eq!(fields.encode(&mut [0; 64], &[1; 44], 0), None);
    assert_eq!(fields.encode(&mut [0; 64], &[], 65_516), None);
    assert_eq!(fields.encode(&mut [0; 64], &[], 65_515), Some(20));
    assert_eq!(fields.encode(&mut [0; 64], &[1; 40], 0), Some(60));
}
